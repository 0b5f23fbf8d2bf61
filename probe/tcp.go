package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// TCP checks that a connection is accepted. It then resets it, so that nothing stays in TIME_WAIT.
type TCP struct{}

func (TCP) run(ctx context.Context, to Target, t *trace) (string, error) {
	c, err := dial(ctx, "tcp", to, t)
	if err != nil {
		return "", err
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	return "connected", nil
}

// dial connects, and has the connection end at the context's deadline.
func dial(ctx context.Context, network string, to Target, t *trace) (net.Conn, error) {
	d := net.Dialer{LocalAddr: local(network, to.Source), KeepAlive: -1, Control: to.control()}
	c, err := d.DialContext(ctx, network, to.Address.String())
	if err != nil {
		return nil, plain("connect", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	t.step("connect", "from %v", c.LocalAddr())
	return c, nil
}

func local(network string, a netip.Addr) net.Addr {
	switch {
	case !a.IsValid():
		return nil
	case network == "udp":
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0))
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0))
}

// plain returns an error of the network without the addresses, which the reader knows.
func plain(step string, err error) error {
	var code syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errors.New(step + ": timeout")
	case errors.As(err, &code):
		return errors.New(step + ": " + code.Error())
	}
	return errors.New(step + ": " + err.Error())
}

// aLongTimeAgo is a deadline that ends every wait of a connection.
var aLongTimeAgo = time.Unix(1, 0)

// closing has a connection end when ctx does. The caller calls the returned function when it has
// done with the connection, which closes it.
func closing(ctx context.Context, c net.Conn) func() {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(aLongTimeAgo) })
	return func() {
		stop()
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
}
