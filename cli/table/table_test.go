package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"vpphost/cli"
)

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	err := Write(&b, []string{"MTU (L3/IP4/IP6/MPLS)", "rx_packets", "Name of it"}, [][]string{
		{"9000/0/0/0", "12", "memif0/0 with a name that is longer than most terminals are wide, and is not to be wrapped at all"},
		{"0/0/0/0", "1234567", ""},
		{"", "-1.5"},
	})
	want := `
+-----------------------+------------+---------------------------------------------------------------------------------------------------+
| MTU (L3/IP4/IP6/MPLS) | rx_packets | Name of it                                                                                        |
+-----------------------+------------+---------------------------------------------------------------------------------------------------+
| 9000/0/0/0            |         12 | memif0/0 with a name that is longer than most terminals are wide, and is not to be wrapped at all |
| 0/0/0/0               |    1234567 |                                                                                                   |
|                       |       -1.5 |                                                                                                   |
+-----------------------+------------+---------------------------------------------------------------------------------------------------+
`
	if got := "\n" + b.String(); err != nil || got != want {
		t.Errorf("%v; got%s", err, got)
	}
}

func TestWriteLong(t *testing.T) {
	rows := make([][]string, maxRows+5)
	for i := range rows {
		rows[i] = []string{"x"}
	}
	var b bytes.Buffer
	if err := Write(&b, []string{"a"}, rows); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != maxRows+5 || !strings.HasSuffix(b.String(), "\n... 5 rows more\n") {
		t.Errorf("%d lines", n)
	}
}

var errBroken = errors.New("broken pipe")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteError(t *testing.T) {
	if err := Write(brokenWriter{}, []string{"a"}, [][]string{{"b"}}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// result is JSON that a command returns.
type result string

func (r result) MarshalJSON() ([]byte, error) { return []byte(r), nil }
func (result) Text(w io.Writer, _ cli.Layout) error {
	_, err := io.WriteString(w, "text\n")
	return err
}

func TestFormat(t *testing.T) {
	for in, want := range map[string]string{
		`[{"z":1,"a":"x"},{"z":22,"b":true}]`: `
+----+---+------+
|  z | a | b    |
+----+---+------+
|  1 | x |      |
| 22 |   | true |
+----+---+------+
`,
		`{"name":"memif0/0","stats":{"rx":5,"tx":null},"addrs":["6.0.1.1/24","6.0.2.1/24"],"queues":[{"id":0,"at":{"w":1}}],"none":[]}`: `
+----------+------------------------+
| field    | value                  |
+----------+------------------------+
| name     | memif0/0               |
| stats.rx | 5                      |
| stats.tx |                        |
| addrs    | 6.0.1.1/24, 6.0.2.1/24 |
+----------+------------------------+
queues:
+----+------+
| id | at.w |
+----+------+
|  0 |    1 |
+----+------+
none:
none
`,
		`["a\nb",[{"x":1,"y":"z"}]]`: `
+---------+
| value   |
+---------+
| a b     |
| x=1 y=z |
+---------+
`,
		`12345678901234567890`: `
+----------------------+
|                value |
+----------------------+
| 12345678901234567890 |
+----------------------+
`,
		`[]`: "\nnone\n",
		`{}`: "\n",
	} {
		var b bytes.Buffer
		if err := show(&b, result(in), cli.Layout{}); err != nil || "\n"+b.String() != want {
			t.Errorf("%s: %v; got\n%s", in, err, b.String())
		}
	}
}

// TestPipe types the pipe.
func TestPipe(t *testing.T) {
	r := cli.NewRegistry()
	r.AddFormat(Format())
	r.Add(&cli.Command{Path: "show it", Help: "it", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
		return result(`[{"id":1},{"id":2}]`), nil
	}}, &cli.Command{Path: "show bad", Help: "bad", Run: func(*cli.Ctx, *cli.Input) (cli.Result, error) {
		return result(`{`), nil
	}})
	for line, want := range map[string]string{
		"show it":                     "text\n",
		"show it | table | include 2": "|  2 |\n",
		"echo hello | table":          "hello\n",
		"echo hello | json | table":   "table must come first",
	} {
		var b bytes.Buffer
		err := r.Exec(context.Background(), line, &b, cli.Options{})
		if err != nil {
			b.WriteString(err.Error())
		}
		if b.String() != want {
			t.Errorf("%s: got %q, want %q", line, b.String(), want)
		}
	}
	err := r.Exec(context.Background(), "show bad | table", io.Discard, cli.Options{})
	var syntax *json.MarshalerError
	if !errors.As(err, &syntax) {
		t.Errorf("malformed JSON: %v", err)
	}
}

// TestCSV: rows of one shape stand under one header, also when they come one by one.
func TestCSV(t *testing.T) {
	s := &sheet{}
	var b bytes.Buffer
	for _, r := range []string{
		`{"start":0,"tx":100,"name":"a,b"}`,
		`{"start":1,"tx":200,"name":"say \"x\""}`,
		`[{"start":2,"tx":300,"name":""},{"start":3,"tx":400,"name":"c"}]`,
		`{"total":5,"rtt":{"min":0.5,"max":2},"list":[{"id":1},{"id":2}],"words":["x","y"]}`,
		`[]`,
		`{"text":"two\nlines\n"}`,
	} {
		if err := s.show(&b, result(r), cli.Layout{}); err != nil {
			t.Fatal(err)
		}
	}
	want := `start,tx,name
0,100,"a,b"
1,200,"say ""x"""
2,300,
3,400,c

total,rtt.min,rtt.max,words
5,0.5,2,"x, y"

list,id
list,1
list,2

text
two lines
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := s.show(brokenWriter{}, result(`{"a":1}`), cli.Layout{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// TestCSVPipe: what one line has written is forgotten by the next.
func TestCSVPipe(t *testing.T) {
	r := cli.NewRegistry()
	r.AddFormat(CSV())
	r.Add(&cli.Command{Path: "show x", Help: "Show x", Run: func(c *cli.Ctx, in *cli.Input) (cli.Result, error) {
		if err := c.Emit(result(`{"a":1}`)); err != nil {
			return nil, err
		}
		return result(`{"a":2}`), in.End()
	}})
	for range 2 {
		var b bytes.Buffer
		if err := r.Exec(context.Background(), "show x | csv", &b, cli.Options{}); err != nil || b.String() != "a\n1\n2\n" {
			t.Errorf("%v: %q", err, b.String())
		}
	}
}
