package http

import "strconv"

// Method is a request method (RFC 9110 9, RFC 5789).
type Method uint8

const (
	NoMethod Method = iota // unknown
	GET
	HEAD
	POST
	PUT
	DELETE
	CONNECT
	OPTIONS
	TRACE
	PATCH
	numMethods
)

var methodNames = [numMethods]string{"", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func (m Method) String() string {
	if m < numMethods {
		return methodNames[m]
	}
	return ""
}

// ParseMethod finds a method by its name, which is case-sensitive (RFC 9110 9.1).
func ParseMethod(b []byte) (Method, bool) {
	for m := GET; m < numMethods; m++ {
		if string(b) == methodNames[m] {
			return m, true
		}
	}
	return NoMethod, false
}

// statuses are the codes of RFC 9110 15 and RFC 6585 that have a text.
var statuses = map[int]string{
	100: "Continue", 101: "Switching Protocols",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
	205: "Reset Content", 206: "Partial Content",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
	305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed",
	421: "Misdirected Request", 422: "Unprocessable Content", 425: "Too Early", 426: "Upgrade Required",
	428: "Precondition Required", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Gateway Timeout", 505: "HTTP Version Not Supported", 511: "Network Authentication Required",
}

// StatusText is the reason phrase of a status code, empty for one without.
func StatusText(code int) string { return statuses[code] }

const maxStatus = 600

// statusLines are ready to be copied, by code. A code without a text has an empty reason
// (RFC 9112 4: the space before it stays).
var statusLines = func() (lines [maxStatus]string) {
	for code := 100; code < maxStatus; code++ {
		lines[code] = "HTTP/1.1 " + strconv.Itoa(code) + " " + statuses[code] + "\r\n"
	}
	return lines
}()

// statusLine is the status line for a code; what is no code is a failure of ours.
func statusLine(code int) string {
	if code < 100 || code >= maxStatus {
		code = 500
	}
	return statusLines[code]
}

// bodyless tells whether a response with this status has no content whatever its fields
// say (RFC 9112 6.3).
func bodyless(code int) bool { return code < 200 || code == 204 || code == 304 }
