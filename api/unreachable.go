package api

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"syscall"
)

// unreachable says why a director did not answer, and what to do about it. HTTP's own words about it (of URLs and dials) are left out.
func (c *Client) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if o, ok := errors.AsType[*net.OpError](err); ok {
		err = o.Err
	}
	return fmt.Errorf("ask the director at %s: %w; %s", c.where, err, unreachableRemedy(err))
}

func unreachableRemedy(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, unnamed := errors.AsType[x509.HostnameError](err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "only the director's own user may use its socket: run this with sudo"
	case unknown:
		return "give the certificate that signed the director's with --ca"
	case unnamed:
		return "ask for it by a name or address that its certificate has"
	case errors.Is(err, context.DeadlineExceeded):
		return "it is there and does not answer: see its log"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it ended before it had answered: see its log"
	}
	return "is it running? see --socket and --remote"
}
