package cli

import (
	"math"
	"testing"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{FormatFloat(.742, 3), ".742"},
		{FormatFloat(0, 3), "0.000"},
		{FormatFloat(.004, 2), "0.00"},
		{FormatFloat(-.0001, 3), "0.000"},
		{FormatFloat(-.5, 2), "-.50"},
		{FormatFloat(.9999, 2), "1.00"},
		{FormatFloat(12.345, 1), "12.3"},
		{FormatExp(153, 2), "1.53e2"},
		{FormatExp(0, 4), "0.0000e0"},
		{FormatExp(.0025, 1), "2.5e-3"},
		{FormatExp(math.Inf(1), 1), "+Inf"},
		{FormatSize(0), "0"},
		{FormatSize(1023), "1023"},
		{FormatSize(4096), "4k"},
		{FormatSize(1536), "1.50k"},
		{FormatSize(32 << 20), "32m"},
		{FormatSize(5 << 40), "5120g"},
		{FormatSize(math.MaxUint64), "17179869184.00g"},
		{FormatBase10(0), "0"},
		{FormatBase10(999), "999"},
		{FormatBase10(.5), ".50"},
		{FormatBase10(2000), "2.00K"},
		{FormatBase10(477e6), "477.00M"},
		{FormatBase10(1.41e9), "1.41G"},
		{FormatBase10(2.5e15), "2500.00T"},
		{Left("abc", 5) + "|", "abc  |"},
		{Right("abc", 5) + "|", "  abc|"},
		{Center("abc", 6) + "|", "  abc |"},
		{Center("abc", 7) + "|", "  abc  |"},
		{Left("abcdef", 3), "abc"},
		{Right("äöü", 2), "äö"},
		{Center("abc", 0), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
