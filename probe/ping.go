package probe

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Ping sends an echo request. It needs a raw socket, which root has.
type Ping struct{}

func (Ping) run(ctx context.Context, to Target, t *trace) (string, error) {
	c, request, err := openPing(ctx, to)
	if err != nil {
		return "", plain("open", err)
	}
	defer closing(ctx, c)()
	if deadline, ok := ctx.Deadline(); ok {
		c.SetDeadline(deadline)
	}
	echo := &icmp.Echo{ID: rand.IntN(1 << 16), Seq: 1, Data: []byte("fulcrum health")}
	b, err := (&icmp.Message{Type: request, Body: echo}).Marshal(nil)
	if err != nil {
		return "", err
	}
	if _, err := c.Write(b); err != nil {
		return "", plain("send", err)
	}
	t.step("send", "%d bytes", len(b))
	if err := awaitEcho(c, request, echo); err != nil {
		return "", err
	}
	t.step("answer", "")
	return "an echo", nil
}

// openPing opens a socket that gets what comes from the real server only.
func openPing(ctx context.Context, to Target) (*net.IPConn, icmp.Type, error) {
	a := to.Address.Addr()
	d := net.Dialer{Control: to.control()}
	if to.Source.IsValid() {
		d.LocalAddr = &net.IPAddr{IP: to.Source.AsSlice(), Zone: to.Source.Zone()}
	}
	network, request := "ip4:icmp", icmp.Type(ipv4.ICMPTypeEcho)
	if a.Is6() {
		network, request = "ip6:ipv6-icmp", ipv6.ICMPTypeEchoRequest
	}
	c, err := d.DialContext(ctx, network, a.String())
	if err != nil {
		return nil, request, err
	}
	return c.(*net.IPConn), request, nil
}

// awaitEcho reads until the answer to a request comes.
func awaitEcho(c *net.IPConn, request icmp.Type, echo *icmp.Echo) error {
	protocol, reply := 1, icmp.Type(ipv4.ICMPTypeEchoReply)
	if request == ipv6.ICMPTypeEchoRequest {
		protocol, reply = 58, ipv6.ICMPTypeEchoReply
	}
	b := make([]byte, 1500)
	for {
		n, _, err := c.ReadFrom(b) // not Read, which returns the IP header too
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.New("answer: timeout")
		} else if err != nil {
			return plain("answer", err)
		}
		m, err := icmp.ParseMessage(protocol, b[:n])
		if err != nil || m.Type != reply {
			continue
		}
		if got, ok := m.Body.(*icmp.Echo); ok && got.ID == echo.ID && got.Seq == echo.Seq {
			return nil
		}
	}
}
