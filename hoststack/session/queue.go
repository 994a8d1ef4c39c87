package session

// pacing is a binary heap of sessions that may send again at a time. A session knows
// its place in it.
type pacing struct {
	heap []paced
	n    uint32
}

type paced struct {
	until int64
	index uint32
	_     uint32
}

func (h *pacing) less(i, j uint32) bool { return h.heap[i].until < h.heap[j].until }

// set puts entry x at place i.
func (h *pacing) set(w *Worker, i uint32, x paced) {
	h.heap[i] = x
	w.pool.At(x.index).pace = i + 1
}

// add has s sent again at until. It must not be in the heap.
func (h *pacing) add(w *Worker, s *Session, until int64) {
	h.n++
	h.set(w, h.n-1, paced{until: until, index: s.index})
	h.up(w, h.n-1)
}

// remove takes s out, if it is in the heap.
func (h *pacing) remove(w *Worker, s *Session) {
	if s.pace == 0 {
		return
	}
	i := s.pace - 1
	s.pace = 0
	h.n--
	if i == h.n {
		return
	}
	h.set(w, i, h.heap[h.n])
	h.down(w, i)
	h.up(w, i)
}

func (h *pacing) up(w *Worker, i uint32) {
	for i > 0 {
		p := (i - 1) / 2
		if !h.less(i, p) {
			return
		}
		x, y := h.heap[i], h.heap[p]
		h.set(w, i, y)
		h.set(w, p, x)
		i = p
	}
}

func (h *pacing) down(w *Worker, i uint32) {
	for {
		c := 2*i + 1
		if c >= h.n {
			return
		}
		if c+1 < h.n && h.less(c+1, c) {
			c++
		}
		if !h.less(c, i) {
			return
		}
		x, y := h.heap[i], h.heap[c]
		h.set(w, i, y)
		h.set(w, c, x)
		i = c
	}
}
