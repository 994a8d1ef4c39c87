package http

// Stats are the counters of one worker, with VPP's words in cli.go.
type Stats struct {
	ProtocolErrors    uint64 `json:"protocolErrors"` // messages that were malformed, or too large
	Timeouts          uint64 `json:"timeouts"`
	Accepted          uint64 `json:"accepted"`
	Established       uint64 `json:"established"`
	ResetByPeer       uint64 `json:"resetByPeer"`
	ResetByApp        uint64 `json:"resetByApp"` // by the engine or those above
	RequestsReceived  uint64 `json:"requestsReceived"`
	RequestsSent      uint64 `json:"requestsSent"`
	ResponsesReceived uint64 `json:"responsesReceived"`
	ResponsesSent     uint64 `json:"responsesSent"`
}

type statLine struct {
	n    uint64
	text string
}

func (s *Stats) lines() []statLine {
	return []statLine{
		{s.ProtocolErrors, "connections protocol error"},
		{s.Timeouts, "connections timeout"},
		{s.Accepted, "connections accepted"},
		{s.Established, "connections established"},
		{s.ResetByPeer, "connections reset by peer"},
		{s.ResetByApp, "connections reset by app"},
		{s.RequestsReceived, "requests received"},
		{s.RequestsSent, "requests sent"},
		{s.ResponsesReceived, "responses received"},
		{s.ResponsesSent, "responses sent"},
	}
}
