package cli

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FormatFloat prints f with prec decimals the way VPP does: a fraction between -1
// and 1 has no zero in front (.742, -.5), what rounds to zero is 0.000.
func FormatFloat(f float64, prec int) string {
	s := strconv.FormatFloat(f, 'f', prec, 64)
	switch {
	case strings.Trim(s, "-0.") == "":
		return strings.TrimPrefix(s, "-")
	case strings.HasPrefix(s, "0."):
		return s[1:]
	case strings.HasPrefix(s, "-0."):
		return "-" + s[2:]
	}
	return s
}

// FormatExp prints f with prec decimals and an exponent the way VPP does: 1.53e2,
// 0.00e0, 2.5e-3.
func FormatExp(f float64, prec int) string {
	s := strconv.FormatFloat(f, 'e', prec, 64)
	mantissa, exp, ok := strings.Cut(s, "e")
	if !ok { // NaN, Inf
		return s
	}
	n, _ := strconv.Atoi(exp)
	return mantissa + "e" + strconv.Itoa(n)
}

// FormatSize prints a number of bytes as VPP prints memory: 4096 is 4k, 33554432 is
// 32m, 1536 is 1.50k, 100 is 100. The suffixes k, m, g are powers of 1024.
func FormatSize(n uint64) string {
	const suffixes = "kmg"
	unit, i := uint64(1), -1
	for i+1 < len(suffixes) && n >= unit<<10 {
		unit <<= 10
		i++
	}
	switch {
	case i < 0:
		return strconv.FormatUint(n, 10)
	case n%unit == 0:
		return strconv.FormatUint(n/unit, 10) + suffixes[i:i+1]
	}
	return strconv.FormatFloat(float64(n)/float64(unit), 'f', 2, 64) + suffixes[i:i+1]
}

// FormatBase10 prints an amount as VPP prints totals and rates: 1.41G, 477.00M,
// 2.00K, 999. The suffixes K, M, G, T are powers of 1000.
func FormatBase10(f float64) string {
	const suffixes = "KMGT"
	i := -1
	for i+1 < len(suffixes) && f >= 1000 {
		f /= 1000
		i++
	}
	if i < 0 {
		if f == math.Trunc(f) {
			return strconv.FormatFloat(f, 'f', 0, 64)
		}
		return FormatFloat(f, 2)
	}
	return strconv.FormatFloat(f, 'f', 2, 64) + suffixes[i:i+1]
}

// Left, Right and Center make a table cell of exactly width characters, as VPP's
// format does: too long a text is cut, and when centring leaves an odd blank it
// stands on the left.
func Left(s string, width int) string { return cell(s, width, 0, 1) }

// Right puts the text at the right end of the cell; see Left.
func Right(s string, width int) string { return cell(s, width, 1, 1) }

// Center puts the text in the middle of the cell; see Left.
func Center(s string, width int) string { return cell(s, width, 1, 2) }

// cell puts num/den of the spare blanks, rounded up, in front of s.
func cell(s string, width, num, den int) string {
	n := utf8.RuneCountInString(s)
	if n > width {
		return string([]rune(s)[:max(width, 0)])
	}
	front := ((width-n)*num + den - 1) / den
	return strings.Repeat(" ", front) + s + strings.Repeat(" ", width-n-front)
}
