package main

import (
	"vpphost/apps/httpd"
)

// facts are what the JSON pages of "http static server" tell.
func (in *instance) facts() httpd.Facts {
	return httpd.Facts{
		Version: func() (version, built string) {
			b := about()
			return b.Version, b.Date
		},
		Interfaces: func() (list []httpd.Interface, err error) {
			for _, i := range in.ifs.All() {
				c, err := in.ifs.Counters(i)
				if err != nil {
					return nil, err
				}
				list = append(list, httpd.Interface{Name: i.Name, Counters: []httpd.Counter{
					{Name: "rx_packets", Value: c.RxPackets}, {Name: "rx_bytes", Value: c.RxBytes},
					{Name: "tx_packets", Value: c.TxPackets}, {Name: "tx_bytes", Value: c.TxBytes},
					{Name: "drops", Value: c.Drops}, {Name: "punts", Value: c.Punts}, {Name: "ip4", Value: c.IP4}, {Name: "ip6", Value: c.IP6},
					{Name: "rx_no_buf", Value: c.RxNoBuf}, {Name: "rx_miss", Value: c.RxMissed},
					{Name: "rx_error", Value: c.RxErrors}, {Name: "tx_error", Value: c.TxErrors},
				}})
			}
			return list, nil
		},
	}
}
