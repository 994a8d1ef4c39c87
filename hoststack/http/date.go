package http

import (
	"bytes"
	"time"
)

const (
	dayNames   = "SunMonTueWedThuFriSat"
	monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// AppendTime appends a time, in seconds since 1970, as an IMF-fixdate (RFC 9110 5.6.7).
func AppendTime(dst []byte, unix int64) []byte {
	t := time.Unix(unix, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	d, m := 3*int(t.Weekday()), 3*int(month-1)
	dst = append(dst, dayNames[d:d+3]...)
	dst = append(dst, ',', ' ', byte('0'+day/10), byte('0'+day%10), ' ')
	dst = append(dst, monthNames[m:m+3]...)
	dst = append(dst, ' ', byte('0'+year/1000%10), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), ' ')
	dst = append(dst, byte('0'+hour/10), byte('0'+hour%10), ':', byte('0'+minute/10), byte('0'+minute%10), ':')
	return append(dst, byte('0'+second/10), byte('0'+second%10), ' ', 'G', 'M', 'T')
}

// ParseTime reads a time in any of the three forms of RFC 9110 5.6.7, in seconds since
// 1970. It does not look at the name of the day.
func ParseTime(b []byte) (unix int64, ok bool) {
	r := timeReader{b: b, ok: true}
	var year, month, day, hour, minute, second int
	switch comma := bytes.IndexByte(b, ','); {
	case comma < 0: // asctime: Sun Nov  6 08:49:37 1994
		r.skip(3, " ")
		month = r.month()
		r.word(" ")
		if r.ok && len(r.b) > 0 && r.b[0] == ' ' {
			r.b = r.b[1:]
			day = r.number(1)
		} else {
			day = r.number(2)
		}
		r.word(" ")
		hour, minute, second = r.clock()
		r.word(" ")
		year = r.number(4)
	case comma == 3: // Sun, 06 Nov 1994 08:49:37 GMT
		r.skip(3, ", ")
		day = r.number(2)
		r.word(" ")
		month = r.month()
		r.word(" ")
		year = r.number(4)
		r.word(" ")
		hour, minute, second = r.clock()
		r.word(" GMT")
	default: // Sunday, 06-Nov-94 08:49:37 GMT
		r.skip(comma, ", ")
		day = r.number(2)
		r.word("-")
		month = r.month()
		r.word("-")
		// Two digits that look like more than 50 years ahead are of the past. That needs
		// to know the year; such dates are all old.
		if year = 1900 + r.number(2); year < 1970 {
			year += 100
		}
		r.word(" ")
		hour, minute, second = r.clock()
		r.word(" GMT")
	}
	if !r.ok || len(r.b) != 0 || day < 1 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day && second != 60 {
		return 0, false // such as February 30
	}
	return t.Unix(), true
}

// timeReader takes the parts of a date off b; ok becomes false when one is missing.
type timeReader struct {
	b  []byte
	ok bool
}

// skip takes n letters and then word.
func (r *timeReader) skip(n int, word string) {
	if n > len(r.b) {
		r.ok = false
		return
	}
	for _, c := range r.b[:n] {
		if c = lower[c]; c < 'a' || c > 'z' {
			r.ok = false
		}
	}
	r.b = r.b[n:]
	r.word(word)
}

func (r *timeReader) word(w string) {
	if len(r.b) < len(w) || string(r.b[:len(w)]) != w {
		r.ok = false
		return
	}
	r.b = r.b[len(w):]
}

// number takes n digits.
func (r *timeReader) number(n int) (v int) {
	if len(r.b) < n || !digits(r.b[:n]) {
		r.ok = false
		return 0
	}
	for _, c := range r.b[:n] {
		v = v*10 + int(c-'0')
	}
	r.b = r.b[n:]
	return v
}

func (r *timeReader) month() int {
	if len(r.b) >= 3 {
		for i := 0; i < len(monthNames); i += 3 {
			if string(r.b[:3]) == monthNames[i:i+3] {
				r.b = r.b[3:]
				return i/3 + 1
			}
		}
	}
	r.ok = false
	return 0
}

func (r *timeReader) clock() (hour, minute, second int) {
	hour = r.number(2)
	r.word(":")
	minute = r.number(2)
	r.word(":")
	return hour, minute, r.number(2)
}
