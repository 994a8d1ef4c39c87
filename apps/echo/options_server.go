package echo

import "vpphost/cli"

// parseServer reads the line of a server.
func parseServer(in *cli.Input) (*options, error) {
	o := &options{fifo: defaultFIFO, echo: true}
	var uri string
	var more []string
	var lg legacy
	var ignored string
	var n uint64
	for !in.Done() {
		switch {
		case in.Match("uri"):
			if uri != "" {
				more = append(more, uri)
			}
			if !in.Word(&uri) {
				return nil, in.Expect("a URI after uri")
			}
		case in.Match("fifo-size"):
			if err := o.fifoSize(in, &lg); err != nil {
				return nil, err
			}
		case in.Match("report-interval"):
			if err := o.reportInterval(in); err != nil {
				return nil, err
			}
		case in.Match("raw"):
			o.raw = true
		case in.Match("stop"):
			o.stop = true
		case in.Match("no-echo"):
			lg.seen, o.echo = true, false
		case in.Match("test-bytes"):
			o.check = true
		case o.scopeWord(in):
		case in.Match("private-segment-size"), in.Match("private-segment-count"),
			in.Match("prealloc-fifos"), in.Match("rcv-buf-size"):
			if !in.Size(&n) {
				return nil, in.Expect("a number")
			}
			ignored = "segments and FIFOs are made as needed"
		default:
			return nil, in.Unknown()
		}
	}
	if ignored != "" {
		o.notes = append(o.notes, "note: "+ignored)
	}
	if uri == "" && !o.stop {
		o.notes = append(o.notes, "No uri provided! Using default: "+defaultServerURI)
		uri = defaultServerURI
	}
	if err := o.finish(uri, lg); err != nil {
		return nil, err
	}
	for _, u := range more {
		proto, ep, err := o.endpoint(u)
		if err != nil {
			return nil, err
		}
		o.more = append(o.more, place{proto, ep})
	}
	return o, nil
}
