package netconn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestHTTP runs Go's HTTP server and client on it, as they are.
func TestHTTP(t *testing.T) {
	each(t, func(t *testing.T, o options) {
		l := newLab(t, o)
		ln := l.listen(":80")
		mux := http.NewServeMux()
		mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Write(body)
		})
		mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.RemoteAddr) })
		srv := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		tr := &http.Transport{DialContext: l.cln.DialContext, MaxIdleConnsPerHost: 8}
		client := &http.Client{Transport: tr, Timeout: 20 * time.Second}
		url := "http://" + l.addr.String()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for j := range 20 {
					body := bytes.Repeat([]byte{byte(i), byte(j)}, 1+j*2000)
					r, err := client.Post(url+"/echo", "application/octet-stream", bytes.NewReader(body))
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(r.Body)
					r.Body.Close()
					if err != nil || !bytes.Equal(got, body) {
						t.Errorf("%d bytes of %d: %v", len(got), len(body), err)
						return
					}
				}
			}()
		}
		wg.Wait()
		req, _ := http.NewRequest("GET", url+"/hello", nil)
		req.Close = true
		r, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(r.Body); !bytes.HasPrefix(got, []byte("hello ")) {
			t.Errorf("%q", got)
		}
		r.Body.Close()
		tr.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
