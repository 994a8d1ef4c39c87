package http

// ParseRequest parses a whole head, which control code has kept of a request that it answers
// later. It returns 0, or the status of a refusal. The head names bytes of p.
func ParseRequest(p []byte) (h *RequestHead, status int) {
	lim := DefaultLimits()
	lim.Head, lim.Fields = MaxHead, MaxFields
	h = &RequestHead{}
	n, _, status := h.parse(p, &lim)
	if n == 0 && status == 0 {
		status = 400 // there is more of it
	}
	return h, status
}
