package netconn_test

import (
	"fmt"
	"io"
	"log"
	"net/http"

	"vpphost/hoststack/netconn"
	"vpphost/hoststack/session"
	"vpphost/hoststack/simtest"
)

// instance stands for the instance that a program runs in: its session layer.
func instance() (*session.Layer, func()) {
	w := simtest.NewThreads(1)
	a, err := w.NewHost("a", simtest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	return a.Sessions, func() { _ = w.Close() }
}

// Go's own HTTP server and client, over the stack instead of the kernel.
func Example_http() {
	layer, stop := instance()
	defer stop()

	// AllScope: what this instance listens on is reached without a packet.
	n, err := netconn.New(layer, netconn.Config{Options: session.Options{Scope: session.AllScope}})
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()

	ln, err := n.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	})}
	go srv.Serve(ln)
	defer srv.Close()

	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext}}
	r, err := client.Get("http://127.0.0.1:8080/hello")
	if err != nil {
		log.Fatal(err)
	}
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	client.CloseIdleConnections()
	fmt.Println(r.Status, string(body))
	// Output: 200 OK GET /hello
}

// An echo server, as for package net.
func ExampleNet_Listen() {
	layer, stop := instance()
	defer stop()
	n, err := netconn.New(layer, netconn.Config{Name: "echo", Options: session.Options{Scope: session.AllScope, Server: true}})
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	ln, err := n.Listen("tcp", ":7")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()

	c, err := n.Dial("tcp", "127.0.0.1:7")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	c.(*netconn.Conn).CloseWrite()
	answer, _ := io.ReadAll(c)
	fmt.Println(string(answer))
	// Output: hello
}
