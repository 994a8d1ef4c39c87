package session

import (
	"testing"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

// benchHost is one worker with n open sessions of a quiet application and a transport
// that does nothing.
func benchHost(b *testing.B, n int) (*Layer, *worker.Worker, []uint32) {
	p, err := pkt.NewMapPool("bench", 64, pkt.DefaultRoom)
	if err != nil {
		b.Fatal(err)
	}
	w, err := worker.New(worker.Config{CPU: -1, Pool: p})
	if err != nil {
		b.Fatal(err)
	}
	l, err := New(Config{Workers: []*worker.Worker{w}, Memory: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	_ = l.Enable()
	l.transports[transport.TCP] = &bareTransport{}
	a, _ := l.Attach("a", &sink{}, Options{})
	l.setListener(1, &listener{id: 1, app: a, proto: transport.TCP})
	var list []uint32
	for i := range n {
		at, err := l.Upper().Accepted(w, transport.Conn{Proto: transport.TCP, Index: uint32(i + 1)}, 1)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, at.Session)
	}
	w.Step(1)
	b.Cleanup(func() { w.Stop(); l.Close(); p.Close() })
	return l, w, list
}

type sink struct{ NopApp }

func (*sink) Readable(w *Worker, s *Session) {
	f := w.Rx(s)
	f.Drop(f.Len())
	w.Dropped(s)
}

// BenchmarkReceive is what a run of 32 segments for one session costs here, beside the
// copy: reserve and commit each, one event, one callback, one drop.
func BenchmarkReceive(b *testing.B) {
	l, w, s := benchHost(b, 1)
	up := l.Upper()
	now := int64(1)
	b.ReportAllocs()
	for b.Loop() {
		f := up.RxFIFO(w, s[0])
		for range 32 {
			f.Commit(len(f.ReserveAt(0, 1448)))
		}
		up.Delivered(w, s[0], 32*1448)
		now += 10000
		w.Step(now)
	}
}

// BenchmarkManySessions is an event and a turn to send for each of 1000 sessions.
func BenchmarkManySessions(b *testing.B) {
	l, w, s := benchHost(b, 1000)
	up := l.Upper()
	now := int64(1)
	b.ReportAllocs()
	for b.Loop() {
		for _, i := range s {
			up.RxFIFO(w, i).Commit(1)
			up.Delivered(w, i, 1)
			up.WantTx(w, i)
		}
		now += 10000
		w.Step(now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/session")
}

func BenchmarkEmptyStep(b *testing.B) {
	_, w, _ := benchHost(b, 1)
	now := int64(1)
	for b.Loop() {
		now += 300
		w.Step(now)
	}
}
