package ip

import (
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/pkt"
)

type reassembler struct{}

func newReassembler(st *state) (*reassembler, error) { return &reassembler{}, nil }

func (st *state) fragment4(b *pkt.Buf, h hdr.IP4) { st.drop(b, &st.count.reass[v4], reassLimit) }

func (st *state) fragment6(b *pkt.Buf, h hdr.IP6, at int) {
	st.drop(b, &st.count.reass[v6], reassLimit)
}
