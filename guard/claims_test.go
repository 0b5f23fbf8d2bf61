package guard

import (
	"net/netip"
	"testing"
)

// TestClaims: what several services claim stays until the last of them goes, and local addresses
// until no session uses them.
func TestClaims(t *testing.T) {
	c, vip := newClaims(), netip.MustParseAddr("10.0.0.100")
	local := netip.MustParseAddr("10.0.0.50")
	server := netip.MustParseAddrPort("10.0.0.11:80")
	s := Service{Matches: matches(t, "tcp 10.0.0.100:80"), Locals: []netip.Addr{local}, Routed: true,
		Answering: []netip.AddrPort{server}}
	other := s
	other.Matches = matches(t, "tcp 10.0.0.100:81")
	var first, again touched
	c.hide(&first, &s)
	c.hide(&again, &other)
	if len(first.addresses) != 4 || len(first.endpoints) != 2 || len(again.addresses) != 0 ||
		len(again.endpoints) != 1 {
		t.Errorf("touched %+v, then %+v", first, again)
	}
	if r := c.rolesOf(server.Addr()); r != answering|routed {
		t.Errorf("the real server is %b", r)
	}
	var none touched
	c.show(&none, &s)
	if len(none.addresses) != 0 || len(none.endpoints) != 1 {
		t.Errorf("one of two services went: %+v", none)
	}
	c.show(&none, &other)
	if c.rolesOf(vip) != 0 || c.rolesOf(local) != director {
		t.Errorf("both went: the VIP is %b, the local address %b", c.rolesOf(vip),
			c.rolesOf(local))
	}
	c.settle(&none, func(netip.Addr) bool { return true })
	if c.rolesOf(local) != director {
		t.Error("a local address in use was given up")
	}
	c.settle(&none, func(netip.Addr) bool { return false })
	if len(c.roles) != 0 || len(c.endpoints) != 0 || len(c.fading) != 0 {
		t.Errorf("something is left: %+v", c)
	}
}
