package httpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vpphost/dataplane/worker"
	"vpphost/hoststack/http"
)

// get fetches what the options name, goes where it is sent when they say so, and is the
// last answer. With an error beside it the answer has what there was until then.
func (c *Client) get(ctx context.Context, name string, o *options) (*Response, error) {
	if err := c.layer.Enable(); err != nil {
		return nil, err
	}
	up, err := o.newUpload()
	if err != nil {
		return nil, err
	}
	defer up.close()
	method, uri, body := o.method, o.uri, up.body
	for hops := 0; ; hops++ {
		res, err := c.getOne(ctx, name, o, uri, method, body)
		if res != nil {
			res.Redirects = hops
		}
		if err != nil || res.next == "" {
			return res, err
		}
		if hops == o.maxHops {
			return nil, fmt.Errorf("error: more than %d redirects", o.maxHops)
		}
		if uri, err = follow(uri, res.next); err != nil {
			return nil, err
		}
		if method, _ = redirected(res.Status, method); method == http.GET {
			body = nil
		}
	}
}

// getOne makes one request on a connection of its own.
func (c *Client) getOne(ctx context.Context, name string, o *options, uri http.URI, m http.Method, body []byte) (*Response, error) {
	f := &fetch{note: worker.NewNotifier(), timeout: o.timeout, request: o.request(m, uri, body)}
	var err error
	if f.pipe, err = newPipe(o.fifo); err != nil {
		return nil, err
	}
	defer f.pipe.close()
	f.client, err = c.engine.NewClient(name, http.ClientConfig{Handler: f, RxFIFO: o.fifo, TxFIFO: o.fifo,
		Scope: o.scope, ConnectTimeout: o.timeout})
	if err != nil {
		return nil, err
	}
	defer f.client.Close() // before the pipe: callbacks write into it
	if err := f.client.OpenFrom(uri, 0); err != nil {
		return nil, failure(err, true)
	}
	if err := f.await(ctx, fetchBody); err != nil {
		return nil, err
	}
	res := newResponse(uri, f)
	if _, ok := redirected(f.status, m); ok && o.redirect {
		if res.next = res.field("location"); res.next != "" {
			return res, nil // nobody wants the body of this one
		}
	}
	if o.saveTo != "" {
		err = c.save(ctx, f, o, res)
	} else {
		var text strings.Builder
		res.Bytes, err = f.body(ctx, &text, o.maxBody)
		res.setBody(text.String())
	}
	f.farewell()
	res.LatencyMs = float64(f.latency) / 1e6
	if errors.Is(err, errTooLarge) {
		err = fmt.Errorf("%w (%d bytes): use save-to", err, o.maxBody)
	}
	return res, err
}

// save writes the body to the file that the options name.
func (c *Client) save(ctx context.Context, f *fetch, o *options, res *Response) error {
	path := filepath.Join(saveDir, o.saveTo)
	// The folder is everybody's: a link that somebody has put there is not followed.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return fmt.Errorf("error: save-to: %w", err)
	}
	limit := uint64(0)
	if o.limited {
		limit = o.maxBody
	}
	res.File = path
	res.Bytes, err = f.body(ctx, file, limit)
	if cerr := file.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil && !strings.HasPrefix(err.Error(), "error: ") {
		err = fmt.Errorf("error: save-to: %w", err)
	}
	if err != nil {
		err = fmt.Errorf("%w (%d bytes of the body are in %s)", err, res.Bytes, path)
	}
	return err
}
