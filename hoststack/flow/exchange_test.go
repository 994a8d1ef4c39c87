package flow

import (
	"testing"

	"vpphost/dataplane/pkt"
	"vpphost/dataplane/worker"
)

// TestExchange: packets get to the worker that has their flow, from one that has not, and
// never to one that they have been to.
func TestExchange(t *testing.T) {
	pool, err := pkt.NewMapPool("test", 8192, pkt.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var workers []*worker.Worker
	var tables []*Table
	for i := range 3 {
		w, err := worker.New(worker.Config{Index: i, CPU: -1, Pool: pool, Share: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		table, err := NewTable()
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		workers, tables = append(workers, w), append(tables, table)
	}
	if x, err := NewExchanges(workers[:1], tables[:1]); x != nil || err != nil {
		t.Error("one worker has nobody to exchange with", err)
	}
	x, err := NewExchanges(workers, tables)
	if err != nil {
		t.Fatal(err)
	}
	const hash = 0x12345678
	if err := tables[2].Insert(hash, 1); err != nil {
		t.Fatal(err)
	}
	run := func(n int) (bufs []*pkt.Buf) {
		for range n {
			bufs = append(bufs, workers[0].Bufs.Get())
		}
		return bufs
	}
	bufs := run(3)
	bufs[0].Scratch[0] = Everybody // of whoever had it before
	been := x[0].Been(bufs)
	to, ok := x[0].Other(hash, been)
	if been != 1 || !ok || to != 2 {
		t.Fatalf("been %b, to %d %v", been, to, ok)
	}
	if n := x[0].Give(to, bufs, been); n != 3 || bufs[0] != nil {
		t.Fatalf("%d given", n)
	}
	got := 0
	x[2].Take(func(b []*pkt.Buf) {
		got += len(b)
		been := x[2].Been(b)
		if been != 0b101 {
			t.Errorf("been %b", been)
		}
		if _, ok := x[2].Other(hash, been); ok {
			t.Error("it would go round")
		}
		if to, ok := x[2].Owner(0, been); ok || to != 0 {
			t.Error("its owner has had it")
		}
		workers[2].Bufs.PutN(b)
	})
	if got != 3 || x[2].Take(func([]*pkt.Buf) { t.Error("again") }) != 0 {
		t.Errorf("%d taken", got)
	}
	if to, ok := x[0].Owner(1<<32-1, 1); to != 2 || !ok {
		t.Errorf("the owner is %d", to)
	}
	// A ring that is full refuses.
	bufs = run(6000)
	n := x[0].Give(1, bufs, 1)
	if n == 0 || n == 6000 || bufs[n-1] != nil || bufs[n] == nil {
		t.Errorf("%d of 6000 given", n)
	}
	workers[0].Bufs.PutN(bufs[n:])
	for x[1].Take(func(b []*pkt.Buf) { workers[1].Bufs.PutN(b) }) > 0 {
	}
	for _, w := range workers {
		w.Bufs.Flush()
	}
	if total, avail := pool.Usage(); total != avail {
		t.Errorf("%d buffers are missing", total-avail)
	}
}
