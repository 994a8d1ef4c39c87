package flow

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// A worker that has a flow is named, whatever others do at the same time; when all have
// gone nobody is.
func TestWhereNamesOwners(t *testing.T) {
	where, err := NewWhere()
	if err != nil {
		t.Fatal(err)
	}
	const workers, rounds = 4, 20000
	var wg sync.WaitGroup
	for k := range workers {
		tab, err := NewTable()
		if err == nil {
			err = tab.Share(where, k)
		}
		if err != nil {
			t.Fatal(err)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer tab.Close()
			r := rand.New(rand.NewPCG(1, uint64(k)))
			var mine []uint32
			for range rounds {
				if len(mine) < 200 && r.IntN(2) == 0 {
					h := r.Uint32N(64) << 20 // few slots: workers meet in them
					if tab.Insert(h, uint32(len(mine)+1)) != nil {
						t.Error("no memory")
					}
					mine = append(mine, h)
				} else if n := len(mine); n > 0 {
					if !tab.Delete(mine[n-1], uint32(n)) {
						t.Error("a flow is not in its table")
					}
					mine = mine[:n-1]
				}
				for _, h := range mine[max(0, len(mine)-3):] {
					if where.Workers(h)>>k&1 == 0 {
						t.Errorf("worker %d is not named for its flow", k)
						return
					}
				}
			}
			for n := len(mine); n > 0; n-- {
				tab.Delete(mine[n-1], uint32(n))
			}
		}()
	}
	wg.Wait()
	for h := range uint32(64) {
		if m := where.Workers(h << 20); m != 0 {
			t.Errorf("slot %d still names %b", h, m)
		}
	}
}

func BenchmarkWhere(b *testing.B) {
	where, err := NewWhere()
	if err != nil {
		b.Fatal(err)
	}
	var n uint64
	for k := range b.N {
		n += where.Workers(uint32(k) * 0x9e3779b1)
	}
	_ = n
}
