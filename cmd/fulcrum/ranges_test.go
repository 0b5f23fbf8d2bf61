package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/lab"
)

// TestRangesOnLink: the director answers ARP, neighbour discovery and pings for the first and last
// addresses of ranges on its subnet, and those between.
func TestRangesOnLink(t *testing.T) {
	needRoot(t)
	needTime(t)
	f, err := lab.ReadFile(writeFile(t, "director.toml", ports6+rangeServices))
	if err != nil {
		t.Fatal(err)
	}
	c := lab.Config{Binary: ownBinary(t)}
	l, err := f.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{l, t, c}
	t.Cleanup(b.remove)
	b.startDirector()
	b.inside("client", func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0)
	})
	for _, text := range []string{
		"10.0.0.240", "10.0.0.247", "10.0.0.254", "10.0.0.130", "10.0.0.139", "10.0.0.150",
		"10.0.0.159", "fd00::1:0", "fd00::1:8000", "fd00::1:ffff", "fd00::130", "fd00::139",
	} {
		a := netip.MustParseAddr(text)
		b.inside("client", func() error { return ping(a) })
		same(t, text+": the MAC", b.resolved(a), b.resolved(netip.MustParseAddr("10.0.0.240")))
	}
	b.stopDirector()
}

// resolved returns the MAC address that the client has for an address.
func (b *bed) resolved(a netip.Addr) (mac string) {
	b.t.Helper()
	b.inside("client", func() error {
		all, err := netlink.NeighList(0, 0)
		for _, n := range all {
			if n.IP.Equal(net.IP(a.AsSlice())) {
				mac = n.HardwareAddr.String()
			}
		}
		if mac == "" {
			err = errors.Join(err, errors.New(a.String()+" is not resolved"))
		}
		return err
	})
	return mac
}

// ping sends an echo request and waits for the reply.
func ping(a netip.Addr) error {
	family, protocol, request := unix.AF_INET, unix.IPPROTO_ICMP, byte(8)
	var to unix.Sockaddr
	if a.Is4() {
		to = &unix.SockaddrInet4{Addr: a.As4()}
	} else {
		family, protocol, request = unix.AF_INET6, unix.IPPROTO_ICMPV6, 128
		to = &unix.SockaddrInet6{Addr: a.As16()}
	}
	s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.Connect(s, to))
	if err != nil {
		return err
	}
	if _, err := unix.Write(s, []byte{request, 0, 0, 0, 0, 0, 0, 1}); err != nil {
		return err
	}
	n, err := unix.Read(s, make([]byte, 64))
	if err == nil && n != 8 {
		return errors.New("a reply of another length")
	}
	return err
}
