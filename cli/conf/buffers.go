package conf

// Buffers is the packet memory.
type Buffers struct {
	PerNUMA  uint32 // packet buffers; 16384
	DataSize uint32 // bytes of packet in each, without headroom; 2048
}

func defaultBuffers() Buffers {
	return Buffers{PerNUMA: 16384, DataSize: 2048}
}

func (b *Buffers) section() Section {
	return Section{Name: "buffers", Help: "packet memory", Keys: []Key{
		{"buffers-per-numa", "<n>", "packet buffers (16384)", num(&b.PerNUMA, 512, 16<<20)},
		{"default data-size", "<n>", "bytes of packet in each (2048)", size(&b.DataSize, 256, 65000)},
		unused("page-size", 1),
		unused("layout", 1),
		unused("numa", 2),
	}}
}
