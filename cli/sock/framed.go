package sock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vpphost/cli"
)

const (
	maxWords     = 1000
	completeTime = 2 * time.Second
)

// serveFrames serves our own client.
func (c *client) serveFrames() error {
	writeJSON(c.out, frameHello, helloFrame{Version: 1, Prompt: c.srv.cfg.Prompt, Banner: c.srv.cfg.Banner})
	lines := make(chan lineFrame)
	readErr := make(chan error, 1)
	go func() {
		defer c.cancel() // it hung up
		readErr <- c.readFrames(lines)
	}()
	for {
		select {
		case l := <-lines:
			if c.runFrame(l) {
				return nil
			}
		case err := <-readErr:
			return err
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
}

// runFrame runs a line and tells how it ended; true if that ends the session.
func (c *client) runFrame(l lineFrame) (quit bool) {
	if l.Terminal != nil {
		c.session.UpdateTerminal(func(t *cli.Terminal) { *t = *l.Terminal })
		c.session.Remember(l.Line)
	}
	err := c.exec(l.Line, outputFrames{c.out}, cli.Options{JSON: l.JSON, Layout: l.Layout})
	end := endFrame{Quit: errors.Is(err, cli.ErrQuit)}
	if t := c.session.Terminal(); l.Terminal != nil && t != *l.Terminal {
		end.Terminal = &t
	}
	if err != nil && !end.Quit {
		end.Status, end.Error, end.JSON = cli.ExitStatus(err), clipText(err.Error()), cli.IsJSON(err)
	}
	writeJSON(c.out, frameEnd, end)
	return end.Quit
}

// readFrames acts on what the client sends, also while a command runs.
func (c *client) readFrames(lines chan<- lineFrame) (err error) {
	defer func() {
		if r := recover(); r != nil { // of a Complete
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	for {
		kind, payload, err := readFrame(c.in)
		if err != nil {
			return err
		}
		switch kind {
		case frameLine:
			var l lineFrame
			if err := json.Unmarshal(payload, &l); err != nil {
				return err
			}
			select {
			case lines <- l:
			case <-c.ctx.Done():
				return c.ctx.Err()
			}
		case frameInterrupt:
			c.interrupt()
		case frameComplete:
			var q completeFrame
			if err := json.Unmarshal(payload, &q); err != nil {
				return err
			}
			c.answerWords(q)
		default:
			return fmt.Errorf("frame of unknown type %q", kind)
		}
	}
}

func (c *client) answerWords(q completeFrame) {
	ctx, cancel := context.WithTimeout(c.ctx, completeTime)
	defer cancel()
	words := c.srv.cfg.Engine.Complete(ctx, q.Line)
	answer := wordsFrame{ID: q.ID}
	for size := 0; len(words) > 0 && len(answer.Words) < maxWords; words = words[1:] {
		w := words[0]
		if size += len(w.Text) + len(w.Help); size > maxLine {
			break
		}
		answer.Words = append(answer.Words, [2]string{w.Text, w.Help})
	}
	writeJSON(c.out, frameWords, answer)
}

// clipText bounds a text that goes into a frame.
func clipText(s string) string {
	if len(s) > maxLine {
		s = s[:maxLine] + "…"
	}
	return s
}
