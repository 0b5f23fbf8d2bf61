package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"fulcrum/config"
	"fulcrum/control"
)

// client asks a running director.
type client struct{ socket string }

// flags adds what every command has that asks a director.
func (c *client) flags(command *cobra.Command) {
	command.Flags().StringVar(&c.socket, "socket", config.DefaultControl, "the director's control socket")
}

// get asks for a path. The answer is a good one; who gets it closes its body.
func (c *client) get(ctx context.Context, path string, values url.Values) (*http.Response, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.socket)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://director"+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	h := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	answer, err := h.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the director at %s: %w; is it running, and is this its socket (--socket)?", c.socket, err)
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		return nil, problemOf(answer)
	}
	return answer, nil
}

func problemOf(answer *http.Response) error {
	var p control.Problem
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil || p.Detail == "" {
		return fmt.Errorf("the director answers %s", answer.Status)
	}
	return &p
}

// read asks for a path and decodes the answer.
func (c *client) read(ctx context.Context, path string, values url.Values, into any) error {
	answer, err := c.get(ctx, path, values)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("the director's answer: %w", err)
	}
	return nil
}
