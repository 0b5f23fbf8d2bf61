package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Client asks a director's control API.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client for the director with a control socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{socket, &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Problem is an error that the API answers (RFC 9457).
type Problem struct {
	Status int      `json:"status"`
	Title  string   `json:"title"`
	Detail string   `json:"detail"`
	Errors []Detail `json:"errors,omitempty"`
}

// Detail is one of the things that are wrong with a request.
type Detail struct {
	Message  string `json:"message"`
	Location string `json:"location"`
}

func (p *Problem) Error() string {
	lines := []string{p.Detail}
	for _, e := range p.Errors {
		if line := e.Location + ": " + e.Message; !strings.Contains(p.Detail, e.Message) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// Do sends a request and reads the answer into out, unless that is nil. A body is sent as it is if it is bytes, else as JSON.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	response, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch out := out.(type) {
	case nil:
		return nil
	case io.Writer:
		_, err = io.Copy(out, response.Body)
	default:
		err = json.NewDecoder(response.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("read the director's answer: %w", err)
	}
	return nil
}

// Get asks for what comes bit by bit. Who gets the answer closes its body.
func (c *Client) Get(ctx context.Context, path string, values url.Values) (*http.Response, error) {
	return c.send(ctx, http.MethodGet, path+"?"+values.Encode(), nil)
}

func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	kind := "application/json"
	switch in := in.(type) {
	case nil:
	case []byte:
		body, kind = bytes.NewReader(in), "application/toml"
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://director/v1/"+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the director at %s: %w; is it running? see --socket", c.socket, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	p := Problem{Status: response.StatusCode, Detail: response.Status}
	_ = json.NewDecoder(response.Body).Decode(&p) // else the status says it
	return nil, &p
}

// ServerPath is the path of a real server of a service.
func ServerPath(service, server string) string {
	return "services/" + url.PathEscape(service) + "/real-servers/" + url.PathEscape(server)
}

// Sessions lists the sessions that a query of the API matches, one by one as they come, until take returns an error.
func (c *Client) Sessions(ctx context.Context, query url.Values, take func(*Session) error) error {
	response, err := c.Get(ctx, "sessions", query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := json.NewDecoder(response.Body)
	for {
		var s Session
		switch err := lines.Decode(&s); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the director broke off the listing: %w", err)
		}
		if err := take(&s); err != nil {
			return err
		}
	}
}
