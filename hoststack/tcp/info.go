package tcp

import (
	"fmt"
	"net/netip"
	"strings"

	"vpphost/cli"
	"vpphost/dataplane/hdr"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/tcp/cc"
	"vpphost/hoststack/transport"
)

// Info describes c for "show session verbose 2": VPP's lines, sequence numbers
// counted from the initial ones.
func (t *TCP) Info(w *worker.Worker, c transport.Conn, out *transport.Info) bool {
	s, x := t.find(w, c)
	if x == nil {
		return false
	}
	out.Local = netip.AddrPortFrom(x.local.Netip(), x.lport)
	out.Remote = netip.AddrPortFrom(x.remote.Netip(), x.rport)
	out.State = x.state.String()
	if out.Brief {
		return true
	}
	out.Text = s.text2(c.Index, x, w.Now())
	out.Fields = s.fields(x, w.Now())
	return true
}

// flagWords are VPP's words for a connection's flags.
func (c *Conn) flagWords() string {
	var l []string
	for _, f := range [...]struct {
		f    flags
		name string
	}{{fAckNow, "Send ACK"}, {fFinSent, "FIN Sent"}, {fFinPending, "FIN Pending"}, {fFinRcvd, "FIN Received"},
		{fPersist, "Zero window"}} {
		if c.has(f.f) {
			l = append(l, f.name)
		}
	}
	return strings.Join(l, ", ")
}

// timerWords are VPP's words for the timers that run.
func (c *Conn) timerWords() string {
	var l []string
	switch {
	case c.rtxAt != 0 && (c.state == SynSent || c.state == SynRcvd):
		l = append(l, "RETRANSMIT_SYN")
	case c.rtxAt != 0 && c.has(fPersist):
		l = append(l, "PERSIST")
	case c.rtxAt != 0:
		l = append(l, "RETRANSMIT")
	}
	if c.stateAt != 0 {
		l = append(l, "WAITCLOSE")
	}
	return strings.Join(l, ", ")
}

func (c *Conn) modeName(k *cold) string {
	if k == nil {
		return modeNames[open]
	}
	return modeNames[k.mode]
}

// text2 is the transport's part of "show session verbose 2".
func (s *shard) text2(i uint32, c *Conn, now int64) []string {
	st := &c.stats
	k := s.cold(c)
	var none cold
	if k == nil {
		k = &none
		k.highRxt = c.sndUna
	}
	snd := func(q hdr.Seq) uint32 { return uint32(q.Sub(st.iss)) }
	rcv := func(q hdr.Seq) uint32 { return uint32(q.Sub(st.irs)) }
	ms := func(us uint32) float64 { return float64(us) / 1000 }
	tso := "TSO off"
	rttAge := 0.0
	if c.has(fTiming) {
		rttAge = float64(now-c.rttTime) / 1e9
	}
	tsAge := int64(0)
	if c.has(fTS) {
		tsAge = c.tsAge(now) / 1e6
	}
	rate := s.rate(c)
	pace := "none"
	if rate > 0 {
		pace = cli.FormatFloat(float64(rate)/1e6, 3)
	}
	wnd := c.wndRoom()
	space := s.cwndRoom(c, s.cold(c))
	f := cli.FormatFloat
	paced := "tx_paced"
	if s.cfg.NoPacing {
		paced = ""
	}
	lost := s.lostEdge(c, k).Sub(c.sndUna) - k.board.in(c.sndUna, s.lostEdge(c, k))
	return []string{
		fmt.Sprintf(" index: %d cfg: %s flags: %s timers: %s", i, tso, c.flagWords(), c.timerWords()),
		fmt.Sprintf(" snd_una %d snd_nxt %d rcv_nxt %d rcv_las %d", snd(c.sndUna), snd(c.sndNxt), rcv(c.rcvNxt), rcv(c.lastAck)),
		fmt.Sprintf(" snd_wnd %d rcv_wnd %d rcv_wscale %d snd_wl1 %d snd_wl2 %d", c.sndWnd, c.rcvWnd(), c.rcvScale, rcv(c.sndWl1), snd(c.sndWl2)),
		fmt.Sprintf(" flight size %d out space %d rcv_wnd_av %d tsval_recent %d", c.flight(), max(0, min(wnd, space)), c.rcvEdge.Sub(c.rcvNxt), c.tsRecent),
		fmt.Sprintf(" tsecr %d tsecr_last_ack %d tsval_recent_age %d snd_mss %d", s.ecr, s.ecr, tsAge, c.mss),
		fmt.Sprintf(" rto %d rto_boff %d srtt %s us %s rttvar %s rtt_ts %s rtt_seq %d", c.rto/1000, c.backoff,
			f(ms(c.srtt/8), 1), f(float64(c.srtt)/8000, 3), f(ms(c.rttvar/4), 1), f(rttAge, 4), snd(c.rttSeq)),
		fmt.Sprintf(" next_node 0 opaque 0x0 fib_index 0 sw_if_index %d", c.path.Iface),
		fmt.Sprintf(" cong:   %s algo %s cwnd %d ssthresh %d", c.modeName(s.cold(c)), c.ccID, c.cong.Cwnd, min(c.cong.Ssthresh, 1<<31-1)),
		fmt.Sprintf("         cc space %d prev_cwnd %d prev_ssthresh 0", max(0, space), st.prevCwnd),
		fmt.Sprintf("         snd_cong %d dupack %d limited_tx 0", snd(st.recover), c.dupAcks),
		fmt.Sprintf("         rxt_bytes %d rxt_delivered 0 prev_prr_delivered 0 rxt_ts 0", st.rxtBytes),
		fmt.Sprintf("         prr_start 0 prr_delivered %d prr space %d", k.prrDelivered, k.quota),
		fmt.Sprintf(" sboard: sacked %d lost %d high_sacked %d is_reneging 0 reorder %d", k.board.total, lost, snd(k.board.top(st.iss)), dupThresh),
		fmt.Sprintf("         cur_rxt_hole %d high_rxt %d rescue_rxt %d", uint32(1<<32-1), snd(k.highRxt), b2i(k.rescued)),
		fmt.Sprintf(" stats: in segs %d dsegs %d bytes %d dupacks %d", st.segsIn, st.dataSegsIn, st.bytesIn, st.dupAcksIn),
		fmt.Sprintf("        out segs %d dsegs %d bytes %d dupacks %d", st.segsOut, st.dataSegsOut, st.bytesOut, st.dupAcksOut),
		fmt.Sprintf("        fr %d tr %d rxt segs %d bytes %d duration %s", st.fastRec, st.timeouts, st.rxtSegs, st.rxtBytes, f(duration(c, now), 3)),
		fmt.Sprintf("        err wnd data below %d above %d ack below %d above %d", st.belowWnd, st.aboveWnd, st.belowAck, st.aboveAck),
		fmt.Sprintf(" pacer: rate %d bucket %d t/p %s last_update 0 us min-burst %d burst %d", rate, max(0, c.paceAt-now), pace, c.mss, burstSegs*int(c.mss)),
		" transport: flags: " + paced,
	}
}

func duration(c *Conn, now int64) float64 {
	if c.stats.opened == 0 {
		return 0
	}
	return float64(now-c.stats.opened) / 1e9
}

// fields are the same facts by name, for JSON and metrics; names after RFC 4898 and
// VPP.
func (s *shard) fields(c *Conn, now int64) map[string]any {
	st := &c.stats
	sacked, held := 0, 0
	if k := s.cold(c); k != nil {
		sacked, held = int(k.board.total), int(k.held.total)
	}
	return map[string]any{
		"sndUna": c.sndUna.Sub(st.iss), "sndNxt": c.sndNxt.Sub(st.iss), "sndWnd": c.sndWnd, "sndMss": c.mss,
		"rcvNxt": c.rcvNxt.Sub(st.irs), "rcvWnd": c.rcvWnd(), "rcvWscale": c.rcvScale, "sndWscale": c.sndScale,
		"flight": c.flight(), "cwnd": c.cong.Cwnd, "ssthresh": c.cong.Ssthresh, "ccAlgo": cc.ByID(c.ccID).Name(),
		"recovery": c.modeName(s.cold(c)), "sacked": sacked, "outOfOrder": held,
		"rtoMs": c.rto / 1000, "rtoBoff": c.backoff, "srttUs": float64(c.srtt) / 8, "rttvarUs": float64(c.rttvar) / 4,
		"minRttUs": float64(c.minRTT) / 1000, "pacingRate": s.rate(c),
		"timestamps": c.has(fTS), "sack": c.has(fSACK), "wscale": c.has(fWScale),
		"segsIn": st.segsIn, "dataSegsIn": st.dataSegsIn, "bytesIn": st.bytesIn,
		"segsOut": st.segsOut, "dataSegsOut": st.dataSegsOut, "bytesOut": st.bytesOut,
		"rxtSegs": st.rxtSegs, "rxtBytes": st.rxtBytes, "fastRecoveries": st.fastRec, "timeouts": st.timeouts,
		"dupAcksIn": st.dupAcksIn, "dupAcksOut": st.dupAcksOut, "duration": duration(c, now),
	}
}

// Addrs are the two ends of a connection, zero when it is gone.
func (t *TCP) Addrs(w *worker.Worker, name transport.Conn) (local, remote netip.AddrPort) {
	if _, c := t.find(w, name); c != nil {
		local = netip.AddrPortFrom(c.local.Netip(), c.lport)
		remote = netip.AddrPortFrom(c.remote.Netip(), c.rport)
	}
	return local, remote
}

// Ports tells about the source ports of w.
func (t *TCP) Ports(w *worker.Worker) transport.PortStats {
	p := t.shards[w.Index].ports
	min, max := p.Range()
	return transport.PortStats{Min: min, Max: max, InUse: p.InUse, MaxTries: p.MaxTries}
}

// RTT is c's smoothed round-trip time in ns, 0 before the first measurement.
func (t *TCP) RTT(w *worker.Worker, name transport.Conn) int64 {
	if _, c := t.find(w, name); c != nil {
		return c.srttNs()
	}
	return 0
}
