package session

import (
	"vpphost/dataplane/worker"
	"vpphost/hoststack/transport"
)

func (b *bareTransport) Send(*worker.Worker, transport.Conn, int) transport.Sent {
	b.sends++
	return transport.Sent{}
}
func (b *bareTransport) Connect(*worker.Worker, transport.Endpoint, uint32) (transport.Conn, error) {
	return transport.Conn{Index: 1}, nil
}
func (b *bareTransport) RxSpace(*worker.Worker, transport.Conn)   {}
func (b *bareTransport) Close(*worker.Worker, transport.Conn)     {}
func (b *bareTransport) Reset(*worker.Worker, transport.Conn)     {}
func (b *bareTransport) HalfClose(*worker.Worker, transport.Conn) {}

func (*bareTransport) Service() transport.Service { return transport.Stream }
