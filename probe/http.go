package probe

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
)

// MostBody bounds how much of a page is read, in bytes.
const MostBody = 1 << 20

// HTTP asks for a page.
type HTTP struct {
	Path   string         // "/" if empty
	Host   string         // of the request; the real server's address if empty
	Method string         // GET if empty
	Status []Range        // of the answer; 200-299 if empty
	Body   *regexp.Regexp // which the body must match; nil: any
	// Digest is the MD5 sum of the body in hexadecimal digits, as keepalived's genhash prints it.
	// Empty: any.
	Digest string
	TLS    *TLS // nil: without
}

// TLS says how HTTPS is spoken.
type TLS struct {
	Name   string // for SNI and for the certificate; the request's host if empty
	Verify bool   // the certificate must be valid for the name
}

// Range is a range of numbers, both ends included.
type Range struct{ First, Last int }

func (h *HTTP) run(ctx context.Context, to Target, t *trace) (string, error) {
	c, err := dial(ctx, "tcp", to, t)
	if err != nil {
		return "", err
	}
	defer closing(ctx, c)()
	if h.TLS != nil {
		if c, err = h.secure(ctx, c, t); err != nil {
			return "", err
		}
	}
	return h.ask(ctx, c, to, t)
}

// secure makes a TLS connection. Each check has a connection and a session of its own.
func (h *HTTP) secure(ctx context.Context, c net.Conn, t *trace) (net.Conn, error) {
	name := h.TLS.Name
	if name == "" {
		name = h.host()
	}
	secured := tls.Client(c, &tls.Config{
		ServerName: name, InsecureSkipVerify: !h.TLS.Verify, NextProtos: []string{"http/1.1"},
	})
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, plain("TLS", err)
	}
	t.step("TLS", "%s", tls.VersionName(secured.ConnectionState().Version))
	return secured, nil
}

// host returns the request's host without a port; empty if it is the real server's address.
func (h *HTTP) host() string {
	if host, _, err := net.SplitHostPort(h.Host); err == nil {
		return host
	}
	return h.Host
}

func (h *HTTP) ask(ctx context.Context, c net.Conn, to Target, t *trace) (string, error) {
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}
	defer transport.CloseIdleConnections()
	request, err := h.request(ctx, to)
	if err != nil {
		return "", err
	}
	answer, err := transport.RoundTrip(request) // follows no redirect
	if err != nil {
		return "", plain("request", unwrap(err))
	}
	defer answer.Body.Close()
	t.step("answer", "status %d", answer.StatusCode)
	if !h.accepts(answer.StatusCode) {
		return "", fmt.Errorf("status %d", answer.StatusCode)
	}
	if err := h.checkBody(answer.Body, t); err != nil {
		return "", err
	}
	return fmt.Sprintf("status %d", answer.StatusCode), nil
}

func (h *HTTP) request(ctx context.Context, to Target) (*http.Request, error) {
	path := h.Path
	if path == "" {
		path = "/"
	}
	target, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", path, err)
	}
	target.Scheme, target.Host = "http", to.name().String()
	method := h.Method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Host = h.Host
	request.Header.Set("User-Agent", "fulcrum-health")
	return request, nil
}

func (h *HTTP) accepts(status int) bool {
	if len(h.Status) == 0 {
		return status >= 200 && status <= 299
	}
	for _, r := range h.Status {
		if status >= r.First && status <= r.Last {
			return true
		}
	}
	return false
}

// checkBody reads the body as far as the check needs it.
func (h *HTTP) checkBody(body io.Reader, t *trace) error {
	if h.Body == nil && h.Digest == "" {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(body, MostBody))
	if err != nil {
		return plain("body", err)
	}
	t.step("body", "%d bytes", len(text))
	if h.Body != nil && !h.Body.Match(text) {
		return fmt.Errorf("the body does not match %q", h.Body)
	}
	if sum := md5.Sum(text); h.Digest != "" && hex.EncodeToString(sum[:]) != h.Digest {
		return fmt.Errorf("the body has the digest %x", sum)
	}
	return nil
}

// unwrap takes the address and the method off an error of a request.
func unwrap(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
