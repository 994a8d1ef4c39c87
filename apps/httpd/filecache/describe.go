package filecache

import (
	"strconv"

	"vpphost/hoststack/http"
)

// description are the header lines of a file, and where in them what begins.
type description struct {
	lines           []byte
	coded, shared   int
	etagAt, etagLen int
}

// describe writes the header lines that go with a file.
func describe(path string, enc, beside Encoding, id identity, maxAge int) (d description) {
	b := http.AppendField(nil, "Content-Type", http.TypeByName(fileName(path)))
	d.coded = len(b)
	for _, x := range encodings {
		if x.bit == enc {
			b = http.AppendField(b, "Content-Encoding", x.name)
		}
	}
	d.shared = len(b)
	b = http.AppendField(b, "Cache-Control", "max-age="+strconv.Itoa(maxAge))
	b = append(b, "Last-Modified: "...)
	b = append(http.AppendTime(b, id.mtime/1e9), "\r\n"...)
	b = append(b, "ETag: "...)
	d.etagAt = len(b)
	b = appendETag(b, enc, id)
	d.etagLen = len(b) - d.etagAt
	b = append(b, "\r\n"...)
	if enc != 0 || beside != 0 {
		b = http.AppendField(b, "Vary", "Accept-Encoding")
	}
	d.lines = http.AppendField(b, "Accept-Ranges", "bytes")
	return d
}

// appendETag writes the entity tag: another one for every version, and for every encoding of
// it (RFC 9110 section 8.8.3.3). The time counts nanoseconds, so it is a strong one.
func appendETag(b []byte, enc Encoding, id identity) []byte {
	b = append(b, '"')
	b = strconv.AppendUint(b, uint64(id.mtime), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, id.size, 36)
	if enc != 0 {
		b = append(b, '-')
		b = append(b, enc.suffix()[1:]...)
	}
	return append(b, '"')
}
