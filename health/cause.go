package health

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// cause is why a real server was ejected.
type cause struct {
	clients     [Mute + 1]int // that it failed, by kind
	unreachable bool
}

func (c *cause) sum() (n int) {
	for _, clients := range c.clients {
		n += clients
	}
	return n
}

// String returns the cause as in "3 clients got no answer, 1 client was refused".
func (c *cause) String() string {
	if c.unreachable {
		return "it does not answer ARP or neighbour discovery"
	}
	var parts []string
	if n := c.clients[Unanswered] + c.clients[Mute]; n > 0 {
		parts = append(parts, plural(n)+" got no answer")
	}
	switch n := c.clients[Refused]; {
	case n == 1:
		parts = append(parts, plural(n)+" was refused")
	case n > 1:
		parts = append(parts, plural(n)+" were refused")
	}
	return strings.Join(parts, ", ")
}

func plural(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

// Ejection is what is known of the ejections of a real server.
type Ejection struct {
	Out    bool
	Reason string    // of the last ejection; empty if there was none
	Until  time.Time // when it ends or ended; valid with Reason
	// Lasts is how long it is meant to last, and Times how many there were since the real server was
	// last calm.
	Lasts time.Duration
	Times int
	Back  string // why it ended; empty before the first has
}

// Ejection returns what is known of the ejections of a real server.
func (p *Passive) Ejection(server netip.AddrPort) Ejection {
	o := p.servers[server]
	if o == nil || o.lasted == 0 {
		return Ejection{}
	}
	return Ejection{
		Out: o.out, Reason: o.cause.String(), Until: o.until, Lasts: o.lasted, Times: o.times,
		Back: o.why,
	}
}
