package http

import (
	"unsafe"

	"vpphost/hoststack/session"
)

// conn is one connection, of a server or of a client. It lives in the pool of its shard,
// which the session's Opaque indexes, and has no pointers.
type conn struct {
	opaque  uint64         // the application's own
	session session.Handle // zero while a client's open is under way
	body    int64          // bytes of the present request's or response's content so far
	sent    int64          // client: when the request went out, ns
	chunks  chunks         // left also counts content of known length

	seq      uint32 // requests so far: tells exchanges apart
	owner    uint32 // of whom it is, in Engine.owners
	listener uint32 // server: place in Server.listeners
	slot     uint32 // transfer that is under way, 0 for none
	judged   uint32 // bytes of an incomplete head that are known to be good
	mark     uint32 // progress when the present time limit began

	deadline   uint32 // tick at which it has waited too long
	at         uint32 // tick at which it is looked at, not after deadline
	next, prev uint32 // others that are looked at with it
	linked     bool

	state  state
	method Method
	minor  uint8
	why    failure // what went wrong with the exchange
	flags  flags
}

const _ = uint(112 - unsafe.Sizeof(conn{}))

// state is what a connection waits for.
type state uint8

const (
	stOpening state = iota // client: the session is not open yet
	stHead                 // the head of a message
	stBody                 // its content
	stReply                // server: the request is read; the reply is not written whole
	stIdle                 // client: no request is in flight
	stLinger               // server: our direction has ended, what comes is thrown away
	stClosed               // closed or reset; Gone will come
)

// flags of a connection.
type flags uint16

const (
	fActive     flags = 1 << iota // server: between ServeHTTP and Done
	fReplied                      // a reply was given
	fWritten                      // and is in the transmit FIFO
	fClose                        // no other exchange after this one
	fLinger                       // the peer may still be sending when we close
	fChunked                      // the content comes in chunks
	fToEnd                        // client: the content ends with the connection
	fWantBody                     // server: the handler wants the content
	fBegun                        // a part of a head is there
	fPeerClosed                   // the peer sends no more
	fWaits                        // the transfer's Source has no bytes
	fExpect                       // the client waits for 100 (Continue)
	fDeferred                     // server: control code has a Token
	fPaused                       // client: the application takes no content at present
)

// ofExchange are those that a new exchange begins without.
const ofExchange = fActive | fReplied | fWritten | fLinger | fChunked | fToEnd | fWantBody | fBegun | fWaits | fExpect | fDeferred | fPaused

// failure is why an exchange failed, as a number.
type failure uint8

const (
	failedNot failure = iota
	failedTimeout
	failedMalformed
	failedTooLarge
	failedTruncated
	failedSource
)

var failures = [...]error{nil, ErrTimeout, ErrMalformed, ErrTooLarge, ErrTruncated, ErrSource}

// maxTurn is how many requests of one connection are served before others have their turn.
const maxTurn = 16
