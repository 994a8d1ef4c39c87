package http

import "vpphost/hoststack/session"

// maxFraming bounds what appendHead writes besides the status line and what it is given:
// Date, Connection, Content-Length with its 19 digits or Transfer-Encoding, the empty line.
const maxFraming = dateLen + len("Connection: keep-alive\r\n") + len("Content-Length: 9223372036854775807\r\n") + 2

const (
	connClose     = "Connection: close\r\n"
	connKeepAlive = "Connection: keep-alive\r\n"
	chunkedField  = "Transfer-Encoding: chunked\r\n"
)

// framing is how the length of a response's content is told.
type framing uint8

const (
	framedNot    framing = iota // it has none, or ends with the connection
	framedLength                // Content-Length
	framedChunks                // Transfer-Encoding: chunked
)

// appendHead appends the head of a response.
func (sh *shard) appendHead(b []byte, c *conn, status int, server, header []byte, f framing, length int64) []byte {
	b = append(b, statusLine(status)...)
	b = append(b, server...)
	b = append(b, sh.today()...)
	switch {
	case c.flags&fClose != 0:
		b = append(b, connClose...)
	case c.minor == 0:
		b = append(b, connKeepAlive...) // RFC 9112 9.3: 1.0 closes otherwise
	}
	b = append(b, header...)
	switch f {
	case framedLength:
		b = appendLength(b, length)
	case framedChunks:
		b = append(b, chunkedField...)
	}
	return append(b, "\r\n"...)
}

// reply answers the exchange of c: body, or src with length bytes, -1 when that is not
// known. owner, which may be nil, is released when all is written or the connection lost.
func (sh *shard) reply(i uint32, c *conn, ss *session.Session, s *Server, status int, header, body []byte, length int64, src Source, owner Releaser) {
	if c.flags&fReplied != 0 || c.state == stClosed || c.state == stLinger {
		if owner != nil {
			owner.Release()
		}
		return
	}
	if status < 200 || status >= maxStatus {
		status = 500 // not a final status
	}
	c.flags |= fReplied
	sh.stats.ResponsesSent++
	empty := bodyless(status)
	f := framedLength
	switch {
	case empty || length < 0 && c.method == HEAD:
		f = framedNot // RFC 9110 8.6
	case length < 0 && c.minor >= 1:
		f = framedChunks
	case length < 0:
		f = framedNot
		c.flags |= fClose
	}
	if empty || c.method == HEAD || length == 0 {
		body, src = nil, nil
	}
	tx := sh.sw.Tx(ss)
	bound := len(statusLine(status)) + len(s.field) + len(header) + maxFraming
	if b := tx.ReserveAt(0, bound+len(body)); len(b) >= bound {
		n := len(sh.appendHead(b[:0], c, status, s.field, header, f, length))
		k := copy(b[n:], body)
		tx.Commit(n + k)
		if body = body[k:]; len(body) > 0 {
			body = putBody(tx, body)
		}
		sh.sw.Send(ss)
		if len(body) == 0 && src == nil {
			c.flags |= fWritten
			if owner != nil {
				owner.Release()
			}
			return
		}
		sh.begin(c)
	} else {
		t := sh.begin(c)
		t.head = sh.appendHead(t.head, c, status, s.field, header, f, length)
	}
	t := &sh.list[c.slot]
	t.body, t.src, t.owner, t.left, t.chunk = body, src, owner, length, f == framedChunks
	c.mark, _ = tx.Positions()
	if sh.pump(c, ss) {
		c.flags |= fWritten
	} else if c.state == stReply {
		sh.due(i, c, s.listenerOf(c).limits.WriteTimeout)
	}
}

// canned are the bodies of ReplyStatus.
var canned = func() (bodies [maxStatus][]byte) {
	for code, text := range statuses {
		if !bodyless(code) {
			line := statusLines[code][len("HTTP/1.1 "):]
			line = line[:len(line)-2]
			bodies[code] = []byte("<html><head><title>" + line + "</title></head><body><h1>" + text + "</h1></body></html>\n")
		}
	}
	return bodies
}()

const htmlField = "Content-Type: text/html; charset=utf-8\r\n"

// replyStatus answers with a status and a few words.
func (sh *shard) replyStatus(i uint32, c *conn, ss *session.Session, s *Server, status int, header []byte) {
	var body []byte
	if status >= 0 && status < maxStatus {
		body = canned[status]
	}
	b := append(sh.scratch[:0], header...) // header may be in scratch: then this is no move
	if len(body) > 0 {
		b = append(b, htmlField...)
	}
	sh.reply(i, c, ss, s, status, b, body, int64(len(body)), nil, nil)
}

const continueLine = "HTTP/1.1 100 Continue\r\n\r\n"

// sendContinue asks the client to go on (RFC 9110 15.2.1).
func (sh *shard) sendContinue(c *conn, ss *session.Session) {
	c.flags &^= fExpect
	tx := sh.sw.Tx(ss)
	if n := tx.Write([]byte(continueLine)); n == 0 {
		return // without room the client goes on by itself after a while
	} else if n < len(continueLine) {
		sh.reset(c, ss)
		return
	}
	sh.sw.Send(ss)
}

// reset ends a connection at once.
func (sh *shard) reset(c *conn, ss *session.Session) {
	c.state = stClosed
	sh.stats.ResetByApp++
	sh.sw.Reset(ss)
}
