package ethtool

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestFeature sets a feature of an interface and reads it, in a namespace of its own.
func TestFeature(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	runtime.LockOSThread() // without Unlock: the thread ends with its namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	for _, want := range []uint32{1, 0, 1} {
		if err := Set(socket, "near", unix.ETHTOOL_SGRO, want); err != nil {
			t.Fatal(err)
		}
		if got, err := Get(socket, "near", unix.ETHTOOL_GGRO); got != want || err != nil {
			t.Errorf("GRO is %d, %v; want %d", got, err, want)
		}
	}
	for _, name := range []string{"nothing", "", "near" + strings.Repeat("\x00", 12)} {
		if _, err := Get(socket, name, unix.ETHTOOL_GGRO); !errors.Is(err, unix.ENODEV) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
