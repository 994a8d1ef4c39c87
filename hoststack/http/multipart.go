package http

import (
	"fmt"
	"hash/maphash"
	"io"
)

// Multipart is the content of a 206 with several ranges: multipart/byteranges
// (RFC 9110 14.6). Making one allocates; such requests are rare.
type Multipart struct {
	boundary string
	parts    []part
	tail     string
	length   int64
}

type part struct {
	head string
	Range
}

// NewMultipart divides a representation of size bytes and the given media type.
func NewMultipart(r []Range, size int64, mediaType string) *Multipart {
	// Not predictable, so that no content can be made to hold it.
	var h maphash.Hash
	h.SetSeed(maphash.MakeSeed())
	m := &Multipart{boundary: fmt.Sprintf("%016x%016x", h.Sum64(), maphash.String(maphash.MakeSeed(), mediaType))}
	for _, x := range r {
		head := "\r\n--" + m.boundary + "\r\nContent-Type: " + mediaType + "\r\n"
		p := part{string(AppendContentRange([]byte(head), x, size)) + "\r\n", x}
		m.parts = append(m.parts, p)
		m.length += int64(len(p.head)) + x.Length
	}
	m.tail = "\r\n--" + m.boundary + "--\r\n"
	m.length += int64(len(m.tail))
	return m
}

// Length is the length of the content, Field its Content-Type line.
func (m *Multipart) Length() int64 { return m.length }
func (m *Multipart) Field() []byte {
	return []byte("Content-Type: multipart/byteranges; boundary=" + m.boundary + "\r\n")
}

// Source gives the content as the parts of data, which must not change before owner is
// called; owner may be nil.
func (m *Multipart) Source(data []byte, owner Releaser) Source {
	return &multipartSource{m: m, data: data, owner: owner}
}

// WriteTo writes the content, reading from r.
func (m *Multipart) WriteTo(w io.Writer, r io.ReaderAt) error {
	for _, p := range m.parts {
		if _, err := io.WriteString(w, p.head); err != nil {
			return err
		}
		if n, err := io.Copy(w, io.NewSectionReader(r, p.First, p.Length)); err != nil {
			return err
		} else if n < p.Length {
			return io.ErrUnexpectedEOF
		}
	}
	_, err := io.WriteString(w, m.tail)
	return err
}

type multipartSource struct {
	m     *Multipart
	data  []byte
	owner Releaser
	part  int   // next to be written
	done  int64 // bytes written of its head and data
}

func (s *multipartSource) Fill(dst []byte, _ int64) (n int, err error) {
	for n < len(dst) {
		if s.part == len(s.m.parts) {
			c := copy(dst[n:], s.m.tail[s.done:])
			s.done += int64(c)
			return n + c, nil
		}
		p := &s.m.parts[s.part]
		if head := int64(len(p.head)); s.done < head {
			c := copy(dst[n:], p.head[s.done:])
			n, s.done = n+c, s.done+int64(c)
		} else {
			c := copy(dst[n:], s.data[p.First+s.done-head:p.First+p.Length])
			n, s.done = n+c, s.done+int64(c)
			if s.done == head+p.Length {
				s.part, s.done = s.part+1, 0
			}
		}
	}
	return n, nil
}

func (s *multipartSource) Release() {
	if s.owner != nil {
		s.owner.Release()
	}
}
