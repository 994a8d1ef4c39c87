package sock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"vpphost/cli"
)

// Engine runs command lines; a *cli.Registry does.
type Engine interface {
	Exec(ctx context.Context, line string, out io.Writer, o cli.Options) error
	Complete(ctx context.Context, line string) []cli.Word
}

// Config of a server. Address and Engine are required.
type Config struct {
	Address string // see ParseAddress
	Engine  Engine
	// NewSession makes what a client keeps between its lines; cli.NewSession if nil.
	NewSession func(name string) *cli.Session

	Prompt       string // "vpp# " if empty
	Banner       string // shown to people at a terminal
	HistoryLimit int    // of line editing for people at a terminal
	LineMode     bool   // do not greet with telnet options: lines for everybody who does not ask for more
	Log          *slog.Logger

	// MaxClients at a time; 64 if 0.
	MaxClients int
}

// byeTime is how long a client may take to close its end.
const byeTime = 2 * time.Second

// negotiationTime is how long a client may take to tell its terminal type.
const negotiationTime = time.Second

// Server serves the command line to clients until Close.
type Server struct {
	cfg    Config
	l      net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // the accept loop and the clients

	spoolLimit int // see the constants; tests make them small
	stallLimit time.Duration

	mu      sync.Mutex
	clients map[*client]bool
	lastID  int
	closed  bool
}

// New makes a server that does not listen yet: its Commands go into the registry
// before the first client comes.
func New(cfg Config) *Server {
	if cfg.Prompt == "" {
		cfg.Prompt = "vpp# "
	}
	if cfg.MaxClients == 0 {
		cfg.MaxClients = 64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.NewSession == nil {
		cfg.NewSession = cli.NewSession
	}
	s := &Server{cfg: cfg, clients: make(map[*client]bool), spoolLimit: spoolLimit, stallLimit: stallLimit}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start listens, and serves in the background until Close.
func (s *Server) Start() error {
	l, err := Listen(s.cfg.Address)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.l = l
	s.mu.Unlock()
	s.wg.Add(1)
	go s.accept()
	return nil
}

// Addr is where the server listens, after Start.
func (s *Server) Addr() net.Addr { return s.l.Addr() }

// Close cancels what runs, ends all sessions and removes the socket file. Clients
// have a second to take what is left for them; a command that does not heed its
// context is not waited for.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var err error
	if s.l != nil {
		err = s.l.Close()
	}
	s.cancel()
	for c := range s.clients {
		c.conn.SetReadDeadline(time.Unix(1, 0))
		c.out.end(time.Second)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		s.cfg.Log.Warn("cli socket: a command does not end")
	}
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		conn, err := s.l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of descriptors: others will end
			s.cfg.Log.Warn("cli socket", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-s.ctx.Done():
				return
			}
			continue
		}
		c := s.add(conn)
		if c == nil {
			conn.SetWriteDeadline(time.Now().Add(negotiationTime))
			io.WriteString(conn, "too many sessions\r\n")
			conn.Close()
			continue
		}
		go func() {
			defer s.wg.Done()
			c.serve()
			s.remove(c)
		}()
	}
}

// add makes a client of a connection; nil if there are too many.
func (s *Server) add(conn net.Conn) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.clients) >= s.cfg.MaxClients {
		return nil
	}
	s.lastID++
	c := &client{
		srv: s, id: s.lastID, conn: conn,
		in: bufio.NewReader(conn), out: newSpool(conn, s.spoolLimit, s.stallLimit),
		width: defaultWidth, height: defaultHeight,
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.session = s.cfg.NewSession(fmt.Sprintf("unix-cli-local:%d", c.id))
	s.clients[c] = true
	s.wg.Add(1)
	return c
}

func (s *Server) remove(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
}

// list is the clients in the order in which they came.
func (s *Server) list() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*client
	for c := range s.clients {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *client) int { return a.id - b.id })
	return all
}

// mode is how a client is served.
type mode uint8

const (
	modeNew      mode = iota // not yet known
	modeFrames               // our client
	modeCommand              // stock vppctl with a command or a pipe
	modeLines                // nc and the like
	modeTerminal             // a person
)

// client is one connection. Its serve goroutine runs the commands; another one
// reads, so that an interrupt or a hang-up is seen while a command runs.
type client struct {
	srv     *Server
	id      int
	conn    net.Conn
	in      *bufio.Reader
	out     *spool
	session *cli.Session
	ctx     context.Context
	cancel  context.CancelFunc

	mu            sync.Mutex // for what follows
	mode          mode
	term          string
	width, height int
	stop          context.CancelFunc // of the running command
}

// serve talks to the client until it leaves.
func (c *client) serve() {
	log := c.srv.cfg.Log.With("client", c.id)
	defer c.conn.Close()
	defer c.cancel()
	defer func() {
		if r := recover(); r != nil {
			log.Error("cli session", "panic", r, "stack", string(debug.Stack()))
			c.out.fail(net.ErrClosed)
		}
	}()
	go func() {
		c.out.run()
		c.cancel() // nobody sees what a command still has to say
	}()
	if !c.srv.cfg.LineMode {
		c.out.Write(greeting)
	}
	mode, err := c.negotiate()
	if err == nil {
		c.mu.Lock()
		c.mode = mode
		c.mu.Unlock()
		switch mode {
		case modeFrames:
			err = c.serveFrames()
		case modeTerminal:
			err = c.serveTerminal()
		default:
			err = c.serveLines()
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		log.Debug("cli session", "error", err)
	}
	linger := lingerLimit
	if c.srv.ctx.Err() != nil {
		linger = time.Second
	}
	c.out.end(linger)
	<-c.out.done
	c.bye()
}

// bye ends the connection so that the client reads all that was sent to it. The
// stock vppctl may send quit more than once, and a write to a closed socket would
// kill it while there is still something to read.
func (c *client) bye() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.srv.ctx.Err() != nil {
		return
	}
	c.conn.SetReadDeadline(time.Now().Add(byeTime))
	io.Copy(io.Discard, c.conn)
}

// negotiate finds out what the client is.
func (c *client) negotiate() (mode, error) {
	defer c.conn.SetReadDeadline(time.Time{})
	c.conn.SetReadDeadline(time.Now().Add(negotiationTime))
	telnet := false
	for {
		ev, err := readTelnet(c.in)
		if ne, ok := err.(net.Error); ok && ne.Timeout() && c.ctx.Err() == nil {
			if telnet {
				return modeTerminal, nil
			}
			return modeLines, nil
		}
		if err != nil {
			return modeNew, err
		}
		switch ev.kind {
		case telnetData:
			c.in.UnreadByte()
			if telnet {
				return modeTerminal, nil
			}
			return modeLines, nil
		case telnetTTYPE:
			c.setTerm(ev.text)
			switch ev.text {
			case clientName:
				return modeFrames, nil
			case "vppctl":
				return modeCommand, nil
			}
			return modeTerminal, nil
		default:
			telnet = true
			c.telnet(ev)
		}
	}
}

// telnet acts on an event that is the same in every mode.
func (c *client) telnet(ev telnetEvent) {
	switch ev.kind {
	case telnetTTYPE:
		c.setTerm(ev.text)
	case telnetNAWS:
		c.setSize(ev.width, ev.height)
	case telnetInterrupt:
		c.interrupt()
	case telnetAYT:
		io.WriteString(c.out, "\r\nvpphost\r\n")
	}
}

func (c *client) setTerm(term string) {
	c.mu.Lock()
	c.term = term
	c.mu.Unlock()
}

// The window of a client that does not tell; VPP's.
const defaultWidth, defaultHeight, maxWidth = 80, 24, 512

// setSize takes the client's window. It is clamped as VPP does; 0 means unknown.
func (c *client) setSize(width, height int) {
	if width <= 0 {
		width = defaultWidth
	}
	if height <= 0 {
		height = defaultHeight
	}
	c.mu.Lock()
	c.width, c.height = min(width, maxWidth), min(height, maxWidth)
	c.mu.Unlock()
}

func (c *client) size() (width, height int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.width, c.height
}

// exec runs a line; interrupt stops it.
func (c *client) exec(line string, out io.Writer, o cli.Options) error {
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	c.setStop(stop)
	defer c.setStop(nil)
	o.Session = c.session
	if len(line) > maxLine {
		return errLongLine
	}
	return c.srv.cfg.Engine.Exec(ctx, line, out, o)
}

var errLongLine = cli.Usagef("line is longer than %d bytes", maxLine)

func (c *client) setStop(stop context.CancelFunc) {
	c.mu.Lock()
	c.stop = stop
	c.mu.Unlock()
}

// interrupt stops the running command; false if there is none.
func (c *client) interrupt() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop == nil {
		return false
	}
	c.stop()
	return true
}
