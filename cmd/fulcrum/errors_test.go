package main

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestPing pings the VIP and the director's own addresses from the client, across the router.
func TestPing(t *testing.T) {
	t.Parallel()
	b := newBed(t, lab.Config{Mode: lvs.FullNAT, Arms: 2})
	targets := append(b.LocalAddresses(), b.VIP(), b.PortAddress("front"), b.PortAddress("back"))
	icmp := b.listenICMP()
	for _, target := range targets {
		icmp.send(target, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: 77, Seq: 1})
		icmp.await(target, layers.ICMPv4TypeEchoReply, 0)
	}
	r := b.stopDirector()
	same(t, "drops", r.Drops, map[string]uint64{})
	if n := uint64(len(targets)); r.Consumed < n || r.Originated < n {
		t.Errorf("consumed %d, originated %d after %d pings", r.Consumed, r.Originated, n)
	}
}

// TestTracerouteSeesTheDirector sends packets whose TTL ends at the director. It answers from its
// own address.
func TestTracerouteSeesTheDirector(t *testing.T) {
	for _, mode := range lab.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Arms: 1})
			icmp := b.listenICMP()
			const toDirector = 2 // the router is the first hop
			b.probe("udp4", 7, toDirector)
			icmp.await(b.PortAddress("front"), layers.ICMPv4TypeTimeExceeded, layers.ICMPv4CodeTTLExceeded)
			b.probe("tcp4", 80, toDirector)
			icmp.await(b.PortAddress("front"), layers.ICMPv4TypeTimeExceeded, layers.ICMPv4CodeTTLExceeded)
			same(t, "answers", len(b.get(3)), 3)
			r := b.stopDirector()
			if r.Drops["ttl_exceeded"] < 2 {
				t.Errorf("drops %v", r.Drops)
			}
			b.checkOnlyDrops(r, "ttl_exceeded")
		})
	}
}

// probe sends a datagram or a SYN to the VIP with a given TTL. It waits for no answer.
func (b *bed) probe(network string, port uint16, ttl int) {
	b.t.Helper()
	b.inside("client", func() error {
		kind := unix.SOCK_STREAM
		if network == "udp4" {
			kind = unix.SOCK_DGRAM
		}
		socket, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		b.t.Cleanup(func() { unix.Close(socket) })
		if err := unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_TTL, ttl); err != nil {
			return err
		}
		err = unix.Connect(socket, &unix.SockaddrInet4{Port: int(port), Addr: b.VIP().As4()})
		if network == "tcp4" && errors.Is(err, unix.EINPROGRESS) {
			return nil
		}
		_, wrote := unix.Write(socket, []byte("probe"))
		return errors.Join(err, wrote)
	})
}

// TestNoRealServer: a client whose service has only weights of 0 gets an ICMP error at once.
func TestNoRealServer(t *testing.T) {
	for _, mode := range lab.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.WLC, Weights: []int{0, 0, 0}})
			c := b.client(lab.ClientConfig{})
			if _, err := c.Get(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("TCP: %v", err)
			}
			if _, err := c.Echo(t.Context(), []byte("anyone?")); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("UDP: %v", err)
			}
			r := b.stopDirector()
			same(t, "drops", r.Drops, map[string]uint64{"no_real_server": 2})
			same(t, "sessions", r.Services[0].Connections+r.Services[1].Connections, 0)
		})
	}
}

// icmpSocket receives the ICMP messages that arrive at a host.
type icmpSocket struct {
	bed  *bed
	conn net.PacketConn
}

func (b *bed) listenICMP() *icmpSocket { return b.listenICMPAt("client") }

func (b *bed) listenICMPAt(role string) *icmpSocket {
	b.t.Helper()
	s := &icmpSocket{bed: b}
	b.inside(role, func() (err error) {
		s.conn, err = net.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	b.t.Cleanup(func() { s.conn.Close() })
	return s
}

func (s *icmpSocket) send(to netip.Addr, message *layers.ICMPv4) {
	s.bed.t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(buffer, options, message, gopacket.Payload("are you there?"))
	if err == nil {
		_, err = s.conn.WriteTo(buffer.Bytes(), &net.IPAddr{IP: to.AsSlice()})
	}
	if err != nil {
		s.bed.t.Fatal(err)
	}
}

// await waits for an ICMP message with a type and a code from an address.
func (s *icmpSocket) await(from netip.Addr, typ, code uint8) {
	s.bed.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.bed.t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	for {
		n, sender, err := s.conn.ReadFrom(buffer)
		if err != nil {
			s.bed.t.Fatalf("no ICMP message of type %d and code %d from %s: %v", typ, code, from, err)
		}
		if n >= 8 && sender.String() == from.String() && buffer[0] == typ && buffer[1] == code {
			return
		}
	}
}
