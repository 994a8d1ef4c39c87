package http

import (
	"io"
	"strconv"

	"vpphost/hoststack/fifo"
	"vpphost/hoststack/session"
)

// Releaser is told, on the worker, that memory which was given for a body is not needed
// any more.
type Releaser interface{ Release() }

// Source makes a body as room for it comes. It is called on the worker and must not block.
type Source interface {
	// Fill writes bytes of the body from offset off on into dst, which is memory of the
	// transmit FIFO, and returns how many. With io.EOF there are no more behind these; it
	// is needed only where the length is not known beforehand. ErrWait: none at present,
	// and Token.Resume will be called. Any other error, or none and no byte, resets the
	// connection, so that the peer does not take a part for the whole.
	Fill(dst []byte, off int64) (n int, err error)
	// Release is the last call, exactly one.
	Release()
}

// transfer is what of a message is not in the transmit FIFO yet.
type transfer struct {
	head  []byte // goes first; its memory is kept when the transfer ends
	at    int    // so much of head is written
	body  []byte // behind it, memory of owner
	src   Source // in place of body
	owner Releaser
	off   int64 // bytes of src written
	left  int64 // bytes of src still to be written, -1 when that is not known
	chunk bool  // src is sent in chunks
	ended bool  // src has nothing more
	next  uint32
}

// transfers are a shard's, by conn.slot. They have pointers, so they live on the Go heap:
// as many as there have been at once.
type transfers struct {
	list []transfer // 0 is not used
	free uint32
}

// begin makes a transfer for c and returns it, without anything in it.
func (sh *shard) begin(c *conn) *transfer {
	if sh.transfers.free == 0 {
		sh.list = append(sh.list, transfer{})
		sh.transfers.free = uint32(len(sh.list) - 1)
	}
	c.slot = sh.transfers.free
	t := &sh.list[c.slot]
	sh.transfers.free = t.next
	*t = transfer{head: t.head[:0]}
	return t
}

// endTransfer ends the transfer of c, finished or not.
func (sh *shard) endTransfer(c *conn) {
	if c.slot == 0 {
		return
	}
	t := &sh.list[c.slot]
	owner := t.owner
	*t = transfer{head: t.head[:0], next: sh.transfers.free}
	sh.transfers.free, c.slot = c.slot, 0
	if owner != nil {
		owner.Release()
	}
}

// smallChunk is the least room in one piece of the FIFO that a chunk is made in; in less,
// which is what is left before the border of two pieces, one goes through head.
const (
	smallChunk = 64
	maxChunk   = 0xffff // bytes of data, four digits
	sizeLine   = 6      // of a chunk: four digits, CRLF
)

// pump writes as much of c's transfer as there is room for. It returns true when all is
// written: the transfer has ended. Else Writable goes on with it, or Token.Resume; or the
// connection has been reset, and c.state is stClosed.
func (sh *shard) pump(c *conn, ss *session.Session) bool {
	t := &sh.list[c.slot]
	tx := sh.sw.Tx(ss)
	c.flags &^= fWaits
	wrote, done, bad, full := false, false, false, false
	for !done && !bad && !full {
		n, err := 0, error(nil)
		switch {
		case t.at < len(t.head):
			n = tx.Write(t.head[t.at:])
			t.at += n
			full = n == 0
		case len(t.body) > 0:
			n = tx.Write(t.body)
			t.body = t.body[n:]
			full = n == 0
		case t.src == nil || t.ended || t.left == 0:
			done = true
		case t.chunk:
			n, full, err = t.fillChunk(tx)
		default:
			b := tx.ReserveAt(0, int(uint64(t.left)&(1<<62-1))) // -1: any number
			if full = len(b) == 0; !full {
				n, err = t.fill(b)
				tx.Commit(n)
			}
		}
		wrote = wrote || n > 0
		if err == ErrWait {
			c.flags |= fWaits
			break
		}
		bad = err != nil
	}
	if wrote {
		sh.sw.Send(ss)
	}
	switch {
	case bad:
		c.why = failedSource
		sh.reset(c, ss)
		return false
	case done:
		sh.sw.WantWritable(ss, false)
		sh.endTransfer(c)
		return true
	}
	sh.sw.WantWritable(ss, c.flags&fWaits == 0)
	return false
}

// fill has the Source write into b. The error is nil, ErrWait, or the end of it all.
func (t *transfer) fill(b []byte) (n int, err error) {
	n, err = t.src.Fill(b, t.off)
	if n < 0 || n > len(b) {
		return 0, ErrSource
	}
	t.off += int64(n)
	if t.left > 0 {
		t.left -= int64(n)
	}
	switch {
	case err == io.EOF:
		t.ended = true
		if t.left > 0 {
			return n, ErrSource // fewer bytes than were promised
		}
		return n, nil
	case err == ErrWait && n > 0:
		return n, nil // asked again
	case err == nil && n == 0:
		return 0, ErrSource
	}
	return n, err
}

// fillChunk puts one chunk into the FIFO, or into head, and behind the last the end of the
// chunked coding (RFC 9112 7.1). It returns how many bytes that made; full: there was no
// room.
func (t *transfer) fillChunk(tx *fifo.FIFO) (n int, full bool, err error) {
	b := tx.ReserveAt(0, sizeLine+maxChunk+2)
	switch {
	case len(b) >= smallChunk:
		n, err = t.fill(b[sizeLine : len(b)-2])
		if n > 0 {
			putSize(b, n)
			copy(b[sizeLine+n:], "\r\n")
			tx.Commit(sizeLine + n + 2)
			n += sizeLine + 2
		}
	case tx.Free() > len(b):
		if cap(t.head) < smallChunk {
			t.head = make([]byte, 0, 4*smallChunk)
		}
		h := t.head[:smallChunk]
		t.head, t.at = h[:0], 0
		n, err = t.fill(h[sizeLine : len(h)-2])
		if n > 0 {
			putSize(h, n)
			copy(h[sizeLine+n:], "\r\n")
			n += sizeLine + 2
			t.head = h[:n]
		}
	default:
		return 0, true, nil
	}
	if t.ended && err == nil {
		if t.at == len(t.head) {
			t.head, t.at = t.head[:0], 0
		}
		t.head = append(t.head, "0\r\n\r\n"...)
	}
	return n, false, err
}

// putSize writes the line of a chunk of n bytes, with leading zeros.
func putSize(b []byte, n int) {
	const hex = "0123456789abcdef"
	b[0], b[1], b[2], b[3], b[4], b[5] = hex[n>>12&15], hex[n>>8&15], hex[n>>4&15], hex[n&15], '\r', '\n'
}

// putBody writes what of a body in memory there is room for, and returns the rest.
func putBody(tx *fifo.FIFO, body []byte) []byte {
	return body[tx.Write(body):]
}

// appendLength appends a Content-Length field.
func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendField appends a field line.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
