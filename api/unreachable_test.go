package api

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestUnreachable: each cause has its own remedy, and nothing is said twice.
func TestUnreachable(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/run/f.sock"}, Err: os.NewSyscallError("connect", err)}
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{dial(syscall.ENOENT), "connect: no such file or directory; is it running? see --socket and --remote"},
		{dial(syscall.ECONNREFUSED), "connect: connection refused; is it running? see --socket and --remote"},
		{dial(syscall.EACCES), "connect: permission denied; only the director's own user may use its socket: run this with sudo"},
		{io.EOF, "EOF; it ended before it had answered: see its log"},
		{context.DeadlineExceeded, "context deadline exceeded; it is there and does not answer: see its log"},
		{fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), "tls: x509: certificate signed by unknown authority; give the certificate that signed the director's with --ca"},
		{x509.HostnameError{Certificate: new(x509.Certificate), Host: "x"}, "ask for it by a name or address that its certificate has"},
	} {
		c := &Client{where: "/run/f.sock"}
		got := c.unreachable(&url.Error{Op: "Get", URL: "http://director/v1/status", Err: tt.err}).Error()
		if !strings.HasPrefix(got, "ask the director at /run/f.sock: ") || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%q; want %q", got, tt.want)
		}
	}
}
