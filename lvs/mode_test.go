package lvs

import (
	"slices"
	"testing"
)

// properties are the properties of a mode that others ask for.
type properties struct {
	path                                Path
	source                              Source
	owner                               Owner
	twoWay, fixedPort, onLink, mixed    bool
	tunnel, flag, long, forward, method string
}

func propertiesOf(m Mode) properties {
	return properties{
		m.Path(), m.Source(), m.Owner(), m.TwoWay(), m.FixedPort(), m.OnLink(), m.Mixed(),
		m.TunnelType(), m.Flag(), m.LongFlag(), m.Forward(), m.Method(),
	}
}

func TestPropertiesOfModes(t *testing.T) {
	for m, want := range map[Mode]properties{
		DR: {
			path: Route, fixedPort: true, onLink: true,
			flag: "-g", long: "--gatewaying", forward: "Route", method: "DR",
		},
		NAT: {
			path: Translate, owner: ClientEnd, twoWay: true,
			flag: "-m", long: "--masquerading", forward: "Masq", method: "NAT",
		},
		FullNAT: {
			path: Translate, source: Local, twoWay: true, mixed: true,
			flag: "--fullnat", long: "--fullnat", forward: "FullNat", method: "FNAT",
		},
		IPIP: {
			path: Tunnel, fixedPort: true, tunnel: "ipip",
			flag: "-i", long: "--ipip", forward: "Tunnel", method: "TUN",
		},
		NoMode: {},
	} {
		if got := propertiesOf(m); got != want {
			t.Errorf("%v: %+v, want %+v", m, got, want)
		}
	}
}

func TestNamesOfModes(t *testing.T) {
	names := map[Mode]string{DR: "dr", NAT: "nat", FullNAT: "fullnat", IPIP: "ipip", NoMode: "mode 4"}
	for m, name := range names {
		if m.String() != name {
			t.Errorf("%d is called %q, want %q", m, m, name)
		}
	}
	for _, m := range Modes() {
		for _, c := range []struct {
			name  string
			parse func(string) (Mode, bool)
		}{
			{m.String(), ParseMode},
			{m.Flag(), ParseFlag},
			{m.LongFlag(), ParseFlag},
			{m.Method(), ParseMethod},
		} {
			if got, ok := c.parse(c.name); !ok || got != m {
				t.Errorf("%q is %v, %v; want %v", c.name, got, ok, m)
			}
		}
	}
	if m, ok := ParseMethod("tun"); !ok || m != IPIP {
		t.Errorf("keepalived's tun is %v, %v", m, ok)
	}
}

func TestUnknownModes(t *testing.T) {
	for _, name := range []string{"", "DR", "tun", "mode 4", NoMode.String()} {
		if m, ok := ParseMode(name); ok || m != NoMode {
			t.Errorf("%q is the mode %v, %v", name, m, ok)
		}
	}
	for _, flag := range []string{"", "-", "g", "-G", "--nat"} {
		if m, ok := ParseFlag(flag); ok || m != NoMode {
			t.Errorf("%q is the option of %v, %v", flag, m, ok)
		}
	}
	for _, method := range []string{"", "ipip", "MASQ"} {
		if m, ok := ParseMethod(method); ok || m != NoMode {
			t.Errorf("%q is the method %v, %v", method, m, ok)
		}
	}
}

// TestReach: within a family every mode reaches real servers. Between families a tunnel does, and
// fullnat from IPv6 to IPv4.
func TestReach(t *testing.T) {
	for _, m := range Modes() {
		for _, f := range []struct{ vip6, server6, want bool }{
			{false, false, true},
			{true, true, true},
			{false, true, m == IPIP},
			{true, false, m == IPIP || m == FullNAT},
		} {
			if got := m.Reaches(f.vip6, f.server6); got != f.want {
				t.Errorf("%v reaches %v, want %+v", m, got, f)
			}
		}
	}
}

func TestOrdersOfModes(t *testing.T) {
	if got, want := Modes(), []Mode{DR, NAT, FullNAT, IPIP}; !slices.Equal(got, want) {
		t.Errorf("documented as %v, want %v", got, want)
	}
	if got, want := ModesByCost(), []Mode{DR, IPIP, NAT, FullNAT}; !slices.Equal(got, want) {
		t.Errorf("by cost %v, want %v", got, want)
	}
	if got, want := ModesWith(Mode.FixedPort), []Mode{DR, IPIP}; !slices.Equal(got, want) {
		t.Errorf("with a fixed port %v, want %v", got, want)
	}
}
