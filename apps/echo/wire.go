package echo

import (
	"encoding/binary"
	"errors"
)

// configSize is the length of a Config on the wire, in bytes.
const configSize = 84

const configMagic = 0xfeedface

// command is what a control message asks for.
type command uint32

const (
	cmdSync command = iota
	cmdStart
	cmdStop
)

// testType is the kind of test.
type testType uint32

const (
	testNone testType = iota
	testEcho          // in a SYNC after the test: report what was received
	testUni           // client to server only
	testBi            // the server echoes
)

// Config is the control message, in both directions. On the wire it is packed and
// little endian, as an x86 VPP has it in memory.
type Config struct {
	Seq        uint32
	Test       testType
	Param      uint32 // in the last answer to extNumbered: jitter, ns
	Cmd        command
	Sessions   uint32 // data sessions that the client will open
	Ext        uint32 // what only our own ends know; VPP sends 0, and back what it got
	Verbose    uint32
	RxBuf      uint64
	TxBuf      uint64
	Writes     uint64 // in the last answer: datagrams received
	TotalBytes uint64 // in the last answer: bytes received
	TestBytes  uint32 // verify every byte
}

// Bits of Ext. With extNumbered the answer after the test has in RxBuf how many datagrams
// came out of order, in TxBuf how many came twice.
const (
	extNumbered = 1 << iota // each datagram begins with its number
	extStamped              // and goes on with when it was sent; it has no pattern
	extKnown                // in an answer: the server knows these bits
	extPassing              // connections come and go
)

// defaults of VPP's client, which its server sends back for verification.
const (
	defTxBuf  = 8192
	defRxBuf  = 64 * defTxBuf
	defWrites = 1000000
)

var errBadConfig = errors.New("not a test control message")

// marshal writes c to b, which holds configSize bytes.
func (c *Config) marshal(b []byte) {
	le := binary.LittleEndian
	clear(b[:configSize])
	le.PutUint32(b[0:], configMagic)
	le.PutUint32(b[4:], c.Seq)
	le.PutUint32(b[8:], uint32(c.Test))
	le.PutUint32(b[12:], c.Param)
	le.PutUint32(b[16:], uint32(c.Cmd))
	le.PutUint32(b[20:], ^uint32(0)) // control handle
	le.PutUint32(b[24:], c.Sessions)
	le.PutUint32(b[28:], 1)     // sessions per QUIC connection
	le.PutUint32(b[32:], c.Ext) // QUIC sessions, to VPP
	le.PutUint32(b[36:], c.Verbose)
	// 40: address is IPv6, 44: transport is UDP; VPP's builtin client leaves both 0
	le.PutUint64(b[48:], c.RxBuf)
	le.PutUint64(b[56:], c.TxBuf)
	le.PutUint64(b[64:], c.Writes)
	le.PutUint64(b[72:], c.TotalBytes)
	le.PutUint32(b[80:], c.TestBytes)
}

// unmarshal reads c from b, which holds configSize bytes.
func (c *Config) unmarshal(b []byte) error {
	le := binary.LittleEndian
	if len(b) < configSize || le.Uint32(b) != configMagic {
		return errBadConfig
	}
	*c = Config{
		Seq: le.Uint32(b[4:]), Test: testType(le.Uint32(b[8:])), Cmd: command(le.Uint32(b[16:])),
		Param: le.Uint32(b[12:]), Ext: le.Uint32(b[32:]), Sessions: le.Uint32(b[24:]), Verbose: le.Uint32(b[36:]),
		RxBuf: le.Uint64(b[48:]), TxBuf: le.Uint64(b[56:]), Writes: le.Uint64(b[64:]),
		TotalBytes: le.Uint64(b[72:]), TestBytes: le.Uint32(b[80:]),
	}
	if c.Test > testBi || c.Cmd > cmdStop {
		return errBadConfig
	}
	return nil
}
