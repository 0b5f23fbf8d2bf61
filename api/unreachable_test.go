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

// TestUnreachable checks that each cause has its own remedy, and that no text is repeated.
func TestUnreachable(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{
			Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/run/f.sock"},
			Err: os.NewSyscallError("connect", err),
		}
	}
	const start = "connect to the director at /run/f.sock: "
	for _, tt := range []struct {
		err  error
		want string
	}{
		{dial(syscall.ENOENT),
			start + "no such file or directory; is it running? see --socket and --remote"},
		{dial(syscall.ECONNREFUSED),
			start + "connection refused; is it running? see --socket and --remote"},
		{dial(syscall.EACCES), start + "permission denied; " +
			"you may not use its socket: run this command with sudo, or as a member of " +
			"director.control_group"},
		{io.EOF, start + "EOF; it ended before it answered: see its log"},
		{context.DeadlineExceeded,
			start + "context deadline exceeded; it does not answer in time: see its log"},
		{fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}),
			start + "tls: x509: certificate signed by unknown authority; " +
				"pass the certificate that signed the director's with --ca"},
		{x509.HostnameError{Certificate: new(x509.Certificate), Host: "x"},
			"use a name or address that is in its certificate"},
	} {
		c := &Client{where: "/run/f.sock"}
		got := c.unreachable(&url.Error{Op: "Get", URL: "http://director/v1/status", Err: tt.err}).Error()
		if !strings.HasPrefix(got, start) || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%q; want %q", got, tt.want)
		}
	}
}
