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
	"slices"
	"strings"

	"fulcrum/control"
)

// Client sends requests to a director's control API. It is safe for concurrent use.
type Client struct {
	where string // the director's socket or host, for error messages
	base  string // what every URL begins with
	token string // empty at a socket
	http  *http.Client
}

// NewClient returns a client that connects to a director's control socket. It does not connect yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	return &Client{where: socket, base: "http://director", http: client}
}

// NewRemoteClient returns a client for a director that serves its API over TCP, at an address such
// as https://10.9.0.1:9443. A certificate in the PEM file ca must have signed the director's; with
// an empty ca, one that this machine trusts. The token is read from tokenFile.
func NewRemoteClient(address, ca, tokenFile string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("invalid address of the director %q: "+
			"write https:// with a host and a port, such as https://10.9.0.1:9443", address)
	}
	trusted, err := readAuthorities(ca)
	if err != nil {
		return nil, fmt.Errorf("read the trusted certificates: %w", err)
	}
	token, err := readToken(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the director's token: %w", err)
	}
	secure := &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS13}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: secure}}
	return &Client{where: u.Host, base: "https://" + u.Host, token: token, http: client}, nil
}

// readAuthorities reads the certificates of a file. Without a file it returns nil, which stands for
// the certificates that the machine trusts.
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
		return nil, fmt.Errorf("%s contains no certificate in PEM form", file)
	}
	return pool, nil
}

// Problem is an error that the API returned (RFC 9457).
type Problem struct {
	Status int      `json:"status"` // the HTTP status
	Title  string   `json:"title"`
	Detail string   `json:"detail"`
	Errors []Detail `json:"errors,omitempty"`
}

// Detail is one mistake in a request or in a configuration file.
type Detail struct {
	Message  string `json:"message"`
	Location string `json:"location"` // a parameter, a field of the body, or a key of the file
}

// Error returns the problem's detail, followed by one line for each mistake that the detail does
// not contain. Characters that a terminal may obey are escaped: some of the text is from outside.
func (p *Problem) Error() string {
	lines := []string{p.Detail}
	for _, e := range p.Errors {
		if line := e.Location + ": " + e.Message; !strings.Contains(p.Detail, e.Message) {
			lines = append(lines, line)
		}
	}
	return printable(strings.Join(lines, "\n"))
}

// Is reports that a response of status 412 is control.ErrOvertaken, and that one about refuse_last
// is control.ErrLastServer.
func (p *Problem) Is(target error) bool {
	switch target {
	case control.ErrOvertaken:
		return p.Status == http.StatusPreconditionFailed
	case control.ErrLastServer:
		about := func(d Detail) bool { return d.Location == refuseLastLocation }
		return p.Status == http.StatusConflict && slices.ContainsFunc(p.Errors, about)
	}
	return false
}

// Do sends a request for a path below /v1/, with in as its body. It sends a []byte as TOML, any
// other value as JSON, and nil as no body. It copies the response to out if that is an io.Writer,
// decodes it as JSON into another out, and ignores it if out is nil. An error that the API returned
// is a *Problem. After ErrOutcomeUnknown a change may have been made or not.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	request, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	return c.do(request, out)
}

// do sends a request and takes its response as Do does.
func (c *Client) do(request *http.Request, out any) error {
	response, err := c.answer(request)
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
		err = fmt.Errorf("read the director's response: %w", err)
		if isChange(response.Request) {
			err = fmt.Errorf("the change was made; %w", err)
		}
	}
	return err
}

// Get requests a stream. The caller closes the response's body.
func (c *Client) Get(ctx context.Context, path string, values url.Values) (*http.Response, error) {
	request, err := c.request(ctx, http.MethodGet, path+"?"+values.Encode(), nil)
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
	request, sent := watched(request)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, unknownIf(sent.Load() && isChange(request), c.unreachable(err))
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	p := Problem{Status: response.StatusCode, Detail: response.Status}
	_ = json.NewDecoder(response.Body).Decode(&p) // without a problem document the status is enough
	return nil, &p
}

// Config returns the running configuration as the text of a file. ApplyOver takes its tag.
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
		return nil, "", fmt.Errorf("read the director's response: %w", err)
	}
	return text, response.Header.Get("ETag"), nil
}

// ApplyOver applies changes of the running configuration as overrides, if it still has the tag.
// Otherwise it returns an error for which errors.Is(err, control.ErrOvertaken) holds.
func (c *Client) ApplyOver(
	ctx context.Context, tag string, text []byte,
) (plan control.Plan, err error) {
	request, err := c.request(ctx, http.MethodPost, "apply?live=true", text)
	if err != nil {
		return plan, err
	}
	request.Header.Set("If-Match", tag)
	err = c.do(request, &plan)
	return plan, err
}

// Saved tells the director that its file has a text now. overtaken is true if the configuration
// has another revision meanwhile: then nothing is changed.
func (c *Client) Saved(ctx context.Context, f *ConfigFile) (overtaken bool, err error) {
	query := url.Values{"name": {f.File}, "overrides": {string(control.DropOverrides)}}
	request, err := c.request(ctx, http.MethodPost, "apply?"+query.Encode(), []byte(f.Text))
	if err != nil {
		return false, err
	}
	request.Header.Set("If-Match", f.Revision)
	response, err := c.answer(request)
	if err != nil {
		return errors.Is(err, control.ErrOvertaken), err
	}
	return false, response.Body.Close()
}

// ServerPath returns the path of a real server, for Client.Do.
func ServerPath(service, server string) string {
	return "services/" + url.PathEscape(service) + "/real-servers/" + url.PathEscape(server)
}

// Sessions passes the sessions that match a query to take, one by one as they arrive. It stops at
// the first error of take and returns it.
func (c *Client) Sessions(ctx context.Context, query url.Values, take func(*Session) error) error {
	return listed(ctx, c, "sessions", query, take)
}

// Templates is Sessions for persistence templates.
func (c *Client) Templates(
	ctx context.Context, query url.Values, take func(*Template) error,
) error {
	return listed(ctx, c, "templates", query, take)
}

// listed passes the lines of a listing to take.
func listed[T any](
	ctx context.Context, c *Client, path string, query url.Values, take func(*T) error,
) error {
	response, err := c.Get(ctx, path, query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := json.NewDecoder(response.Body)
	for {
		var line T
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the director aborted the listing: %w", err)
		}
		if err := take(&line); err != nil {
			return err
		}
	}
}
