package fifo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// heapStore is a store in Go memory, where the race detector looks.
func heapStore(t testing.TB) (*Store, []byte) {
	t.Helper()
	mem := make([]byte, 16<<20)
	seg, err := newSegmentOver(mem)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStore(seg, 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); seg.Close() })
	return s, mem
}

// stackWrites sends total bytes through f to the other end, in pieces, sometimes
// out of order.
func stackWrites(t *testing.T, f *FIFO, total uint32, r *rand.Rand) {
	for pos := uint32(0); pos < total; {
		n := int(min(total-pos, 1+r.Uint32N(3000)))
		if r.IntN(4) == 0 { // the second piece first
			if b := f.ReserveAt(n, 100); len(b) > 0 {
				fill(b, pos+uint32(n))
			}
		}
		b := f.ReserveAt(0, n)
		if len(b) == 0 {
			f.WantRoom(uint32(n))
			runtime.Gosched()
			continue
		}
		fill(b, pos)
		f.Commit(len(b))
		f.SetEvent()
		pos += uint32(len(b))
	}
	f.Discard()
	for f.Len() > 0 {
		runtime.Gosched()
	}
}

// stackReads takes total bytes that the other end sends.
func stackReads(t *testing.T, f *FIFO, total uint32, r *rand.Rand) {
	for pos := uint32(0); pos < total; {
		f.Grant(1 + r.IntN(20000))
		b := f.PeekAt(0, 1+r.IntN(5000))
		if len(b) == 0 {
			f.ClearEvent()
			runtime.Gosched()
			continue
		}
		check(t, b, pos)
		f.Drop(len(b))
		f.RoomWanted()
		pos += uint32(len(b))
	}
}

// remoteEcho is the application: it sends back what it gets.
func remoteEcho(in, out *Remote, total int) error {
	for done := 0; done < total; {
		b := in.Peek(0, 2777)
		if len(b) == 0 {
			in.ClearEvent()
			runtime.Gosched()
			continue
		}
		n := copy(out.Reserve(0, len(b)), b)
		if n == 0 {
			runtime.Gosched()
			continue
		}
		out.Commit(n)
		in.Drop(n)
		out.SetEvent()
		in.RoomWanted()
		done += n
	}
	return nil
}

// TestTwoThreads runs the two ends of two FIFOs on two goroutines; the race detector
// judges whether the indexes order the bytes.
func TestTwoThreads(t *testing.T) {
	s, mem := heapStore(t)
	const total = 4 << 20
	rx, f, inLine := s.NewShared(100000, Producer)
	tx, g, outLine := s.NewShared(70000, Consumer)
	in, err := OpenRemote(mem, inLine)
	if err != nil {
		t.Fatal(err)
	}
	out, err := OpenRemote(mem, outLine)
	if err != nil {
		t.Fatal(err)
	}
	if in.Producer() || !out.Producer() || in.Size() != 100000 {
		t.Fatal("the ends do not know what they are")
	}
	done := make(chan error)
	go func() { done <- remoteEcho(in, out, total) }()
	stackBothWays(t, f, g, total)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.Free(rx)
	s.Free(tx)
	if u := s.Segment().Usage(); u.Used != 0 {
		t.Fatalf("left over: %+v", u)
	}
}

// stackBothWays is the stack on one thread: it writes to f and reads the same bytes
// from g.
func stackBothWays(t *testing.T, f, g *FIFO, total uint32) {
	r := rand.New(rand.NewPCG(5, 5))
	var sent, got uint32
	for got < total {
		if sent < total {
			if b := f.ReserveAt(0, int(min(total-sent, 1+r.Uint32N(4000)))); len(b) > 0 {
				fill(b, sent)
				f.Commit(len(b))
				sent += uint32(len(b))
				if f.SetEvent() {
					runtime.Gosched()
				}
			}
		}
		g.Grant(1 + r.IntN(30000))
		if b := g.PeekAt(0, 3000); len(b) > 0 {
			check(t, b, got)
			g.Drop(len(b))
			got += uint32(len(b))
		} else {
			runtime.Gosched()
		}
	}
	if f.Broken() || g.Broken() {
		t.Fatal("a correct peer was found broken")
	}
	if f.Len() != 0 || g.Len() != 0 {
		t.Fatal("bytes are left")
	}
}

func TestOneWay(t *testing.T) {
	s, mem := heapStore(t)
	const total = 2 << 20
	rx, f, line := s.NewShared(50000, Producer)
	in, _ := OpenRemote(mem, line)
	done := make(chan error)
	go func() {
		r := rand.New(rand.NewPCG(1, 2))
		for pos := uint32(0); pos < total; {
			b := in.Peek(0, 1+r.IntN(4000))
			want := make([]byte, len(b))
			fill(want, pos)
			if string(want) != string(b) {
				done <- fmt.Errorf("bytes at %d differ", pos)
				return
			}
			in.Drop(len(b))
			pos += uint32(len(b))
			if len(b) == 0 {
				runtime.Gosched()
			}
		}
		done <- nil
	}()
	stackWrites(t, f, total, rand.New(rand.NewPCG(3, 4)))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, _ := f.Chunks(); n > 1 {
		t.Fatalf("an empty fifo holds %d chunks", n)
	}
	s.Free(rx)

	tx, g, line := s.NewShared(50000, Consumer)
	out, _ := OpenRemote(mem, line)
	go func() {
		r := rand.New(rand.NewPCG(1, 2))
		for pos := uint32(0); pos < total; {
			b := out.Reserve(0, int(min(total-pos, 1+r.Uint32N(4000))))
			fill(b, pos)
			out.Commit(len(b))
			pos += uint32(len(b))
			if len(b) == 0 {
				runtime.Gosched()
			}
		}
		done <- nil
	}()
	stackReads(t, g, total, rand.New(rand.NewPCG(3, 4)))
	<-done
	s.Free(tx)
	if u := s.Segment().Usage(); u.Used != 0 {
		t.Fatalf("left over: %+v", u)
	}
}

// TestTwoProcesses maps the segment's memfd in a child process, which echoes.
func TestTwoProcesses(t *testing.T) {
	const total = 4 << 20
	if lines := os.Getenv("FIFO_TEST_CHILD"); lines != "" {
		time.AfterFunc(time.Minute, func() { panic("the other process has forgotten us") })
		var a, b uint32
		if _, err := fmt.Sscan(lines, &a, &b); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(3, &st); err != nil {
			t.Fatal(err)
		}
		mem, err := unix.Mmap(3, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		in, err := OpenRemote(mem, a)
		if err != nil {
			t.Fatal(err)
		}
		out, err := OpenRemote(mem, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Ftruncate(3, 4096); err == nil {
			t.Fatal("the segment could be shrunk")
		}
		if err := remoteEcho(in, out, total); err != nil {
			t.Fatal(err)
		}
		return
	}
	seg, err := NewSharedSegment("fifo-test", 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	s, err := NewStore(seg, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rx, f, a := s.NewShared(1<<20, Producer)
	tx, g, b := s.NewShared(1<<20, Consumer)
	fd, err := unix.FcntlInt(uintptr(seg.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "segment")
	defer file.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("FIFO_TEST_CHILD=%d %d", a, b))
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr, cmd.Stdout = os.Stderr, os.Stderr
	// The child spins on the segment: it must not outlive us. It is told when the thread
	// that started it ends, so this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stackBothWays(t, f, g, total)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	s.Free(rx)
	s.Free(tx)
	if u := seg.Usage(); u.Used != 0 {
		t.Fatalf("left over: %+v", u)
	}
	if seg.Trim(100) == 0 {
		t.Fatal("nothing to trim")
	}
}

func TestGrant(t *testing.T) {
	s, mem := heapStore(t)
	_, g, line := s.NewShared(10000, Consumer)
	out, _ := OpenRemote(mem, line)
	if out.Granted() != 0 || out.Reserve(0, 10) != nil {
		t.Fatal("room before any grant")
	}
	if n := g.Grant(1); n != 4096 {
		t.Fatalf("granted %d", n)
	}
	if n := g.Grant(1 << 30); n != 10000 {
		t.Fatalf("granted %d of 10000", n)
	}
	if out.Granted() != 10000 {
		t.Fatal("the peer sees another grant")
	}
	for out.Granted() > 0 {
		out.Commit(len(out.Reserve(0, 1<<20)))
	}
	if g.Len() != 10000 || out.Free() != 0 {
		t.Fatal("not full")
	}
	out.WantRoom(6000)
	g.Drop(5000)
	if g.RoomWanted() {
		t.Fatal("told too early")
	}
	g.Drop(1000)
	if !g.RoomWanted() || g.RoomWanted() {
		t.Fatal("not told once")
	}
}

// TestImpossibleIndexes: what no correct peer writes is ignored and noticed.
func TestImpossibleIndexes(t *testing.T) {
	s, mem := heapStore(t)
	_, p, line := s.NewShared(10000, Producer)
	p.Write(make([]byte, 100))
	for _, head := range []uint32{101, 5000, 1 << 31, 1<<32 - 1} {
		p.broken = false
		p.shared.head.Store(head)
		if p.Len() != 100 || !p.Broken() {
			t.Fatalf("head %d: len %d, broken %v", head, p.Len(), p.Broken())
		}
	}
	p.shared.head.Store(40)
	p.broken = false
	if p.Len() != 60 || p.Broken() {
		t.Fatal("a right index was refused")
	}
	p.shared.head.Store(39) // back
	if p.Len() != 60 || !p.Broken() {
		t.Fatal("an index that went back was taken")
	}
	// The peer's own view of a damaged table.
	r, _ := OpenRemote(mem, line)
	for _, bad := range []uint32{0, 1<<32 - 1, uint32(len(mem) >> lineShift)} {
		p.shared.table[0].Store(bad)
		if b := r.Peek(0, 10); b != nil {
			t.Fatalf("line %d: %d bytes", bad, len(b))
		}
	}

	_, c, _ := s.NewShared(10000, Consumer)
	c.Grant(1)
	for _, tail := range []uint32{4097, 10001, 1 << 31, 1<<32 - 1} {
		c.broken = false
		c.shared.tail.Store(tail)
		if c.Len() != 0 || !c.Broken() {
			t.Fatalf("tail %d: len %d, broken %v", tail, c.Len(), c.Broken())
		}
	}
}

func TestOpenRemoteRefuses(t *testing.T) {
	s, mem := heapStore(t)
	_, _, line := s.NewShared(10000, Consumer)
	for _, l := range []uint32{0, 1, line + 1, 1 << 31, 1<<32 - 1, uint32(len(mem)>>lineShift) - 1} {
		if _, err := OpenRemote(mem, l); !errors.Is(err, ErrSegment) {
			t.Errorf("line %d: %v", l, err)
		}
	}
	if _, err := OpenRemote(nil, line); !errors.Is(err, ErrSegment) {
		t.Error("no memory was accepted")
	}
	if _, err := OpenRemote(make([]byte, blockSize), line); !errors.Is(err, ErrSegment) {
		t.Error("a blank segment was accepted")
	}
}

// FuzzHostilePeer lets a peer write anything anywhere in the shared headers while
// the stack works on both FIFOs. Whatever comes, the stack stays within its chunks,
// its accounts, and the FIFO's size.
func FuzzHostilePeer(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x40, 0, 0, 0, 0, 1, 2, 3})
	f.Add([]byte("a hostile peer writes head and tail and table and grant at will"))
	f.Fuzz(func(t *testing.T, script []byte) {
		seg, err := NewSegment(16 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer seg.Close()
		s, err := NewStore(seg, 4)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		rx, p, a := s.NewShared(20000, Producer)
		tx, c, b := s.NewShared(20000, Consumer)
		lines := [2]uint32{a, b}
		base := uintptr(unsafe.Pointer(unsafe.SliceData(seg.Bytes())))
		inside := func(b []byte) {
			if len(b) == 0 {
				return
			}
			at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - base
			blk := at >> blockShift
			if blk == 0 || at+uintptr(len(b)) > uintptr(len(seg.Bytes())) || seg.a.blocks[blk].shift != minChunkShift ||
				at>>minChunkShift != (at+uintptr(len(b))-1)>>minChunkShift {
				t.Fatalf("%d bytes at %#x are not in a chunk", len(b), at)
			}
			b[0]++
			b[len(b)-1]++
		}
		for len(script) >= 4 {
			op, arg := script[0], int(binary.LittleEndian.Uint16(script[1:]))
			which := script[3]
			script = script[4:]
			switch op % 8 {
			case 0, 1: // the attack
				if len(script) < 4 {
					break
				}
				off := int(lines[which&1])<<lineShift + arg%(1<<headerShift)&^3
				binary.NativeEndian.PutUint32(seg.Bytes()[off:], binary.LittleEndian.Uint32(script))
				script = script[4:]
			case 2: // a nearly correct peer
				h := (*header)(seg.a.at(lines[which&1]))
				if which&1 == 0 {
					h.head.Add(uint32(arg))
				} else {
					h.tail.Add(uint32(arg))
				}
			case 3:
				inside(p.ReserveAt(int(which)*100, arg))
			case 4:
				p.Commit(arg)
				p.SetEvent()
				p.WantRoom(uint32(arg))
			case 5:
				c.Grant(arg)
				inside(c.PeekAt(int(which)*100, arg))
			case 6:
				c.Drop(arg)
				c.RoomWanted()
			case 7:
				p.Discard()
			}
			for _, f := range []*FIFO{p, c} {
				if l := f.Len(); l < 0 || l > f.Size() || f.Free() != f.Size()-l {
					t.Fatalf("len %d free %d", l, f.Free())
				}
				if n, _ := f.Chunks(); n > 7 {
					t.Fatalf("%d chunks for 20000 bytes", n)
				}
			}
		}
		s.Free(rx)
		s.Free(tx)
		if u := seg.Usage(); u.Used != 0 || u.Chunks != 0 {
			t.Fatalf("left over: %+v", u)
		}
	})
}
