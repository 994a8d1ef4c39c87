package conf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vpphost/cli"
)

// reader reads one value into a target that it knows.
type reader = func(*Reader) error

// turnOn sets v to true when its key stands there.
func turnOn(v *bool) reader { return func(*Reader) error { *v = true; return nil } }

// both reads with each of them in turn.
func both(readers ...reader) reader {
	return func(r *Reader) error {
		for _, read := range readers {
			if err := read(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// text reads any word; what says of what kind.
func text(v *string, what string) reader {
	return func(r *Reader) error {
		return r.Word(what, func(w string) bool { *v = w; return true })
	}
}

// more appends any word to v.
func more(v *[]string, what string) reader {
	return func(r *Reader) error {
		return r.Word(what, func(w string) bool { *v = append(*v, w); return true })
	}
}

// oneOf reads one of the words.
func oneOf(v *string, words ...string) reader {
	what := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	return func(r *Reader) error {
		return r.Word(what, func(w string) bool {
			if slices.Contains(words, w) {
				*v = w
				return true
			}
			return false
		})
	}
}

type number interface {
	~int | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// num reads a decimal number from low to high.
func num[T number](v *T, low, high uint64) reader {
	return func(r *Reader) error {
		return r.Word(fmt.Sprintf("a number from %d to %d", low, high), func(w string) bool {
			n, err := strconv.ParseUint(w, 10, 64)
			if err != nil || n < low || n > high {
				return false
			}
			*v = T(n)
			return true
		})
	}
}

// size reads a number of bytes from low to high, which may have the suffix k, m or g.
func size[T number](v *T, low, high uint64) reader {
	what := fmt.Sprintf("a size from %s to %s", cli.FormatSize(low), cli.FormatSize(high))
	return func(r *Reader) error {
		return r.Word(what, func(w string) bool {
			var n uint64
			if !cli.ParseSuffixed(&n, w, 1024) || n < low || n > high {
				return false
			}
			*v = T(n)
			return true
		})
	}
}

// span reads a time given as a whole number of units, from low to high of them.
func span(v *time.Duration, unit time.Duration, low, high uint64) reader {
	name := map[time.Duration]string{
		time.Second: "seconds", time.Millisecond: "milliseconds", time.Microsecond: "microseconds",
	}[unit]
	return func(r *Reader) error {
		return r.Word(fmt.Sprintf("%s from %d to %d", name, low, high), func(w string) bool {
			n, err := strconv.ParseUint(w, 10, 64)
			if err != nil || n < low || n > high || n > math.MaxInt64/uint64(unit) {
				return false
			}
			*v = time.Duration(n) * unit
			return true
		})
	}
}

// maxCore bounds core numbers, so that a list of ranges stays small.
const maxCore = 1023

// cores reads a list such as 2-3,18-19 into ascending numbers.
func cores(v *[]int) reader {
	return func(r *Reader) error {
		return r.Word(fmt.Sprintf("a list of cores from 0 to %d such as 2-3,18", maxCore), func(w string) bool {
			list, ok := parseCores(w)
			if ok {
				*v = list
			}
			return ok
		})
	}
}

func parseCores(w string) (list []int, ok bool) {
	for part := range strings.SplitSeq(w, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA != nil || errB != nil || a > b || b > maxCore {
			return nil, false
		}
		for ; a <= b; a++ {
			list = append(list, int(a))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), true
}

// coreMask reads a hexadecimal mask of cores into ascending numbers.
func coreMask(v *[]int) reader {
	return func(r *Reader) error {
		return r.Word("a hexadecimal mask of cores", func(w string) bool {
			digits := strings.TrimPrefix(w, "0x")
			var list []int
			for i := range len(digits) {
				bits, err := strconv.ParseUint(digits[len(digits)-1-i:len(digits)-i], 16, 8)
				if err != nil {
					return false
				}
				for b := range 4 {
					if bits>>b&1 != 0 {
						list = append(list, 4*i+b)
					}
				}
			}
			if len(list) == 0 || list[len(list)-1] > maxCore {
				return false
			}
			*v = list
			return true
		})
	}
}

// group reads { key value … }.
func group(keys ...Key) reader {
	return func(r *Reader) error { return r.Keys(keys) }
}

// maybeGroup does too, but the braces may be missing.
func maybeGroup(keys ...Key) reader {
	return func(r *Reader) error {
		if !r.Group() {
			return nil
		}
		return r.Keys(keys)
	}
}

// unused is a key that VPP has and we have no use for: it is accepted with a warning.
// n words follow it; a group counts as one.
func unused(name string, n int) Key {
	return Key{Name: name, Read: func(r *Reader) error {
		for range n {
			if r.Group() {
				if err := r.skipGroup(); err != nil {
					return err
				}
			} else if err := text(new(string), "a value")(r); err != nil {
				return err
			}
		}
		return nil
	}}
}

// unusedKeys are several such keys, each followed by n words.
func unusedKeys(n int, names ...string) []Key {
	keys := make([]Key, len(names))
	for i, name := range names {
		keys[i] = unused(name, n)
	}
	return keys
}
