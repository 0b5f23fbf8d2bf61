package dpdk

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestMissingCapabilitiesAreNamed(t *testing.T) {
	for _, c := range []struct {
		devices []string
		has     []capability
		missing string // empty for none
	}{
		{[]string{"net_null0", "net_pcap0", "0000:3b:00.0"}, nil, ""},
		{[]string{"net_af_packet0,iface=a"}, nil, "CAP_NET_RAW and CAP_NET_ADMIN"},
		{[]string{"net_af_packet0,iface=a"}, []capability{netRaw}, "without CAP_NET_ADMIN:"},
		{[]string{"net_af_packet0,iface=a", "net_tap0"}, []capability{netRaw, netAdmin}, ""},
		{[]string{"net_null0", "net_tap0", "net_tap1"}, nil, "without CAP_NET_ADMIN:"},
		{[]string{"net_af_xdp0,iface=a"}, []capability{netRaw, netAdmin}, "without CAP_BPF:"},
	} {
		err := requireRights(c.devices, func(asked capability) bool {
			for _, h := range c.has {
				if h == asked {
					return true
				}
			}
			return false
		})
		if (err == nil) != (c.missing == "") || err != nil && !strings.Contains(err.Error(), c.missing) {
			t.Errorf("%q with %v: %v", c.devices, c.has, err)
		}
		if err != nil && !errors.Is(err, os.ErrPermission) {
			t.Errorf("%v is no lack of permission", err)
		}
	}
}

func TestRuntimeDirectoryOfAnotherUser(t *testing.T) {
	needRoot(t)
	parent := t.TempDir()
	if err := os.Chown(parent, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := newRuntimeDirectory(parent); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("the error is %v", err)
	}
}

func TestRuntimeBase(t *testing.T) {
	none := func(string) string { return "" }
	all := func(name string) string { return "/" + name }
	xdg := func(name string) string { return strings.TrimPrefix(all(name), "/RUNTIME_DIRECTORY") }
	for _, c := range []struct {
		root   bool
		getenv func(string) string
		want   string
	}{
		{true, none, "/var/run"}, {false, none, "/tmp"}, {true, all, "/RUNTIME_DIRECTORY"},
		{true, xdg, "/var/run"}, {false, xdg, "/XDG_RUNTIME_DIR"},
	} {
		if got := runtimeBase(c.root, c.getenv); got != c.want {
			t.Errorf("root %t: %s, want %s", c.root, got, c.want)
		}
	}
}
