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
	"os"
	"syscall"
)

// unreachable returns an error that says why a director did not answer, and what to do about it. It
// omits what net/http adds about URLs and dials.
func (c *Client) unreachable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if o, ok := errors.AsType[*net.OpError](err); ok {
		err = o.Err
	}
	if s, ok := errors.AsType[*os.SyscallError](err); ok {
		err = s.Err
	}
	return fmt.Errorf("connect to the director at %s: %w; %s", c.where, err, unreachableRemedy(err))
}

func unreachableRemedy(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, unnamed := errors.AsType[x509.HostnameError](err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "you may not use its socket: run this command with sudo, or as a member of " +
			"director.control_group"
	case unknown:
		return "pass the certificate that signed the director's with --ca"
	case unnamed:
		return "use a name or address that is in its certificate"
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer in time: see its log"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "it ended before it answered: see its log"
	}
	return "is it running? see --socket and --remote"
}
