package simtest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"vpphost/hoststack/session"
	script "vpphost/hoststack/tcp/pkt"
	"vpphost/hoststack/transport"
)

// scriptApp keeps what happened to each session, by the peer's port.
type scriptApp struct {
	session.NopApp
	ends map[uint16]*scriptEnd
	ids  []*scriptEnd // by Session.Opaque - 1
}

type scriptEnd struct {
	handle    session.Handle
	accepted  bool
	connected bool
	failed    error
	closed    bool
	gone      bool
	why       error
	wrote     uint32
	read      uint32
	rest      []byte // what was not read when the session went
}

func (a *scriptApp) end(s *session.Session) *scriptEnd { return a.ids[s.Opaque-1] }

func (a *scriptApp) add(w *session.Worker, s *session.Session, port uint16) *scriptEnd {
	e := &scriptEnd{handle: w.Handle(s)}
	a.ends[port] = e
	a.ids = append(a.ids, e)
	s.Opaque = uint64(len(a.ids))
	return e
}

func (a *scriptApp) Accept(w *session.Worker, s *session.Session) error {
	var info transport.Info
	if !w.Info(s, &info) {
		return errors.New("accepted a session without a connection")
	}
	a.add(w, s, info.Remote.Port()).accepted = true
	return nil
}

func (a *scriptApp) Connected(w *session.Worker, s *session.Session, opaque uint64, err error) {
	port := uint16(opaque)
	if err != nil {
		a.ends[port] = &scriptEnd{failed: err}
		return
	}
	a.add(w, s, port).connected = true
}

func (a *scriptApp) Closed(w *session.Worker, s *session.Session) { a.end(s).closed = true }

func (a *scriptApp) Gone(w *session.Worker, s *session.Session, why error) {
	e := a.end(s)
	e.gone, e.why = true, why
	rx := w.Rx(s)
	for rx.Len() > 0 {
		b := rx.PeekAt(0, rx.Len())
		e.rest = append(e.rest, b...)
		rx.Drop(len(b))
	}
}

// Do is an action or an assertion; see ScriptHost.
func (h *ScriptHost) Do(action string, args []string, peer netip.AddrPort) error {
	if len(args) > 0 && strings.HasPrefix(args[0], "[") {
		args = args[1:]
	}
	arg := ""
	if len(args) > 0 {
		arg = args[0]
	}
	switch action {
	case "listen":
		return h.handle.Listen(transport.TCP, transport.Endpoint{Addr: netip.AddrPortFrom(h.local, script.ListenPort)})
	case "connect":
		w := h.host.Sessions.Workers()[0]
		return w.Connect(h.handle, transport.TCP, transport.Endpoint{Addr: peer}, uint64(peer.Port()))
	}
	e := h.app.ends[peer.Port()]
	if e == nil {
		return errors.New("there is no session")
	}
	switch action {
	case "accept":
		if !e.accepted {
			return errors.New("not accepted")
		}
		return nil
	case "connected":
		if arg == "" && !e.connected {
			return fmt.Errorf("not connected: %v", e.failed)
		}
		return checkWhy(arg, e.failed)
	case "open":
		if e.gone {
			return fmt.Errorf("the session is gone: %v", e.why)
		}
		return nil
	case "closed":
		if !e.closed {
			return errors.New("the peer has not closed")
		}
		return nil
	case "gone":
		if !e.gone {
			return errors.New("the session is not gone")
		}
		return checkWhy(arg, e.why)
	}
	return h.onSession(e, action, arg)
}

// onSession does what needs a session that is there.
func (h *ScriptHost) onSession(e *scriptEnd, action, arg string) error {
	w := h.host.Sessions.Workers()[0]
	s := w.Get(e.handle)
	n, _ := strconv.Atoi(arg)
	if s == nil && action == "read" && len(e.rest) >= n {
		if i := script.Mismatch(e.rest[:n], e.read); i >= 0 {
			return fmt.Errorf("byte %d of the stream is wrong", e.read+uint32(i))
		}
		e.read += uint32(n)
		e.rest = e.rest[n:]
		return nil
	}
	if s == nil {
		return errors.New("the session is gone")
	}
	switch action {
	case "write":
		tx := w.Tx(s)
		for n > 0 {
			b := tx.ReserveAt(0, n)
			if len(b) == 0 {
				return fmt.Errorf("no room for %d of the bytes", n)
			}
			script.Fill(b, e.wrote)
			tx.Commit(len(b))
			e.wrote += uint32(len(b))
			n -= len(b)
		}
		w.Send(s)
	case "read":
		rx := w.Rx(s)
		if rx.Len() < n {
			return fmt.Errorf("only %d bytes are there", rx.Len())
		}
		for n > 0 {
			b := rx.PeekAt(0, n)
			if i := script.Mismatch(b, e.read); i >= 0 {
				return fmt.Errorf("byte %d of the stream is wrong", e.read+uint32(i))
			}
			e.read += uint32(len(b))
			n -= len(b)
			rx.Drop(len(b))
		}
		w.Dropped(s)
	case "available":
		if rx := w.Rx(s); rx.Len() != n {
			return fmt.Errorf("%d bytes are there", rx.Len())
		}
	case "shutdown":
		w.HalfClose(s)
	case "close":
		w.Close(s)
	case "reset":
		w.Reset(s)
	case "state":
		var info transport.Info
		if !w.Info(s, &info) {
			return errors.New("there is no connection")
		}
		if info.State != arg {
			return fmt.Errorf("the state is %s", info.State)
		}
	default:
		return fmt.Errorf("unknown action %q", action)
	}
	return nil
}

// reasons of scripts.
var reasons = map[string]error{"reset": transport.ErrReset, "refused": transport.ErrRefused,
	"timeout": transport.ErrTimeout, "aborted": transport.ErrAborted, "noroute": transport.ErrNoRoute}

func checkWhy(want string, got error) error {
	if want == "" {
		return got
	}
	why, ok := reasons[want]
	if !ok {
		return fmt.Errorf("unknown reason %q", want)
	}
	if !errors.Is(got, why) {
		return fmt.Errorf("it is %v", got)
	}
	return nil
}
