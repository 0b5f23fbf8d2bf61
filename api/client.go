package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"fulcrum/control"
)

// Client asks a director's control API.
type Client struct {
	where string // for people
	base  string // of all addresses
	token string // "" is none
	http  *http.Client
}

// NewClient returns a client for the director with a control socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{where: socket, base: "http://director", http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// NewRemoteClient returns a client for the director that serves its API over TCP at an address such as https://10.9.0.1:9443. The
// director's certificate must be signed by one in the file ca or, if that is "", by one that this machine trusts; the file tokenFile has the token.
func NewRemoteClient(address, ca, tokenFile string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("the director's address %q: write https:// with a host and a port, such as https://10.9.0.1:9443", address)
	}
	trusted, err := readAuthorities(ca)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	token, err := readToken(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the director's token: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS13}}
	return &Client{where: u.Host, base: "https://" + u.Host, token: token, http: &http.Client{Transport: transport}}, nil
}

// readAuthorities returns nil, which is what the machine trusts, without a file.
func readAuthorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM form", file)
	}
	return pool, nil
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

// Is makes the answer to an overtaken change control.ErrOvertaken.
func (p *Problem) Is(target error) bool {
	return target == control.ErrOvertaken && p.Status == http.StatusPreconditionFailed
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
	request, err := c.request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	return c.answer(request)
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
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
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/v1/"+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return request, nil
}

func (c *Client) answer(request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	p := Problem{Status: response.StatusCode, Detail: response.Status}
	_ = json.NewDecoder(response.Body).Decode(&p) // else the status says it
	return nil, &p
}

// Config returns the running configuration as a file's text, and the tag of its revision for ApplyOver.
func (c *Client) Config(ctx context.Context) (text []byte, tag string, err error) {
	request, err := c.request(ctx, http.MethodGet, "config", nil)
	if err != nil {
		return nil, "", err
	}
	response, err := c.answer(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	if text, err = io.ReadAll(response.Body); err != nil {
		return nil, "", fmt.Errorf("read the director's answer: %w", err)
	}
	return text, response.Header.Get("ETag"), nil
}

// ApplyOver makes a configuration the running one if that still has a tag, else the error is control.ErrOvertaken.
func (c *Client) ApplyOver(ctx context.Context, tag string, text []byte) error {
	request, err := c.request(ctx, http.MethodPost, "apply", text)
	if err != nil {
		return err
	}
	request.Header.Set("If-Match", tag)
	response, err := c.answer(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
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
