package cli

import (
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Uint consumes a decimal number without a sign.
func (in *Input) Uint(v *uint64) bool { return in.uint(v, 64) }

// Uint32 consumes a decimal number below 2^32.
func (in *Input) Uint32(v *uint32) bool {
	var n uint64
	ok := in.uint(&n, 32)
	if ok {
		*v = uint32(n)
	}
	return ok
}

// Uint16 consumes a decimal number below 65536, such as a port.
func (in *Input) Uint16(v *uint16) bool {
	var n uint64
	ok := in.uint(&n, 16)
	if ok {
		*v = uint16(n)
	}
	return ok
}

func (in *Input) uint(v *uint64, bits int) bool {
	return in.token(func(w string) bool { return parse(v, w, 10, bits) })
}

// parse sets v only when all of w is a number of that base without a sign.
func parse(v *uint64, w string, base, bits int) bool {
	n, err := strconv.ParseUint(w, base, bits)
	if err == nil {
		*v = n
	}
	return err == nil
}

// Int consumes a decimal number that may have a sign.
func (in *Input) Int(v *int) bool {
	return in.token(func(w string) bool {
		n, err := strconv.Atoi(w)
		if err == nil {
			*v = n
		}
		return err == nil
	})
}

// Hex consumes hexadecimal digits, with or without 0x in front.
func (in *Input) Hex(v *uint64) bool {
	return in.token(func(w string) bool {
		if len(w) > 2 && w[0] == '0' && (w[1] == 'x' || w[1] == 'X') {
			w = w[2:]
		}
		return parse(v, w, 16, 64)
	})
}

// Size consumes a number with an optional suffix k, m, g or t (or the capital)
// that stands for a power of 1024.
func (in *Input) Size(v *uint64) bool {
	return in.token(func(w string) bool { return ParseSuffixed(v, w, 1024) })
}

// Base10 consumes a number with an optional suffix k, m, g or t (or the capital)
// that stands for a power of 1000.
func (in *Input) Base10(v *uint64) bool {
	return in.token(func(w string) bool { return ParseSuffixed(v, w, 1000) })
}

// ParseSuffixed sets v when all of w is a number with an optional suffix k, m, g or
// t that stands for a power of unit, and the value fits.
func ParseSuffixed(v *uint64, w string, unit uint64) bool {
	scale := uint64(1)
	if w != "" {
		if i := strings.IndexByte("kmgt", w[len(w)-1]|0x20); i >= 0 {
			w = w[:len(w)-1]
			for ; i >= 0; i-- {
				scale *= unit
			}
		}
	}
	var n uint64
	if !parse(&n, w, 10, 64) || n > math.MaxUint64/scale {
		return false
	}
	*v = n * scale
	return true
}

// Float consumes 1, .5, 1e-3, with an optional sign; the value is finite.
func (in *Input) Float(v *float64) bool {
	return in.token(func(w string) bool {
		// ParseFloat knows more than users type: inf, nan, 0x1p3 and 1_000.
		if strings.Trim(w, "+-.0123456789eE") != "" {
			return false
		}
		f, err := strconv.ParseFloat(w, 64)
		if err == nil {
			*v = f
		}
		return err == nil
	})
}

// Addr consumes an IPv4 or IPv6 address.
func (in *Input) Addr(v *netip.Addr) bool {
	return in.token(func(w string) bool {
		a, err := netip.ParseAddr(w)
		if err == nil {
			*v = a
		}
		return err == nil
	})
}

// Prefix consumes an address with a length, 10.0.0.1/24. Host bits are kept.
func (in *Input) Prefix(v *netip.Prefix) bool {
	return in.token(func(w string) bool {
		p, err := netip.ParsePrefix(w)
		if err == nil {
			*v = p
		}
		return err == nil
	})
}

// MAC consumes an Ethernet address, aa:bb:cc:dd:ee:ff or aabb.ccdd.eeff.
func (in *Input) MAC(v *[6]byte) bool {
	return in.token(func(w string) bool {
		a, err := net.ParseMAC(w)
		if err != nil || len(a) != len(v) {
			return false
		}
		copy(v[:], a)
		return true
	})
}

// OnOff consumes on, enable or up (true), or off, disable or down (false).
func (in *Input) OnOff(v *bool) bool {
	return in.token(func(w string) bool {
		switch w {
		case "on", "enable", "up":
			*v = true
		case "off", "disable", "down":
			*v = false
		default:
			return false
		}
		return true
	})
}
