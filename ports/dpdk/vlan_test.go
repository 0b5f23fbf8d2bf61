package dpdk

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// withTag inserts a VLAN tag into a frame.
func withTag(frame []byte, vlan byte) []byte {
	return slices.Insert(bytes.Clone(frame), 12, 0x81, 0, 0, vlan)
}

// TestVLANsOverVeth shares an interface between two VLANs and untagged packets. The kernel of the
// test may have no VLAN support, so the other end is a raw socket. It receives a tag separately
// from the frame.
func TestVLANsOverVeth(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		all := splitDevice(t, PortConfig{Name: "near", Device: "net_af_packet0,iface=" + near.Name},
			ports.Logical{Name: "five", VLAN: 5}, ports.Logical{Name: "plain"}, ports.Logical{Name: "six", VLAN: 6})
		peer := taggedSocket(t, far)
		for number, vlan := range []byte{5, 0, 6} {
			plain := frame(near.HardwareAddr, far.HardwareAddr, fmt.Sprintf("to VLAN %d", vlan))
			inbound := plain
			if vlan != 0 {
				inbound = withTag(plain, vlan)
			}
			if err := unix.Send(peer, inbound, 0); err != nil {
				t.Fatal(err)
			}
			rx := receiveFromAll(t, all, number)
			if got := rx.Packets[0].Bytes(); !bytes.Equal(got, plain) {
				t.Errorf("VLAN %d: received %x, not %x", vlan, got, plain)
			}
			copy(rx.Packets[0].Bytes(), frame(far.HardwareAddr, near.HardwareAddr, "back"))
			send(t, all[number].Queue(0), &rx)
			got, tag := receiveTagged(t, peer)
			want := frame(far.HardwareAddr, near.HardwareAddr, "back")
			if !bytes.HasPrefix(got, want[:18]) || tag != int(vlan) {
				t.Errorf("VLAN %d: the peer received %x of VLAN %d", vlan, got, tag)
			}
		}
	})
}

// splitDevice opens logical ports and closes them at the end of the test.
func splitDevice(t *testing.T, c PortConfig, logical ...ports.Logical) []ports.Port {
	t.Helper()
	device, err := sharedEAL(t).OpenPort(c)
	if err != nil {
		t.Fatal(err)
	}
	all, err := ports.Split(device, logical, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range all {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return all
}

// receiveFromAll polls all ports in turn until one has a test frame, and frees everything else.
func receiveFromAll(t *testing.T, all []ports.Port, number int) ports.Burst {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		var match ports.Burst
		for i, p := range all {
			var rx, rest ports.Burst
			p.Queue(0).Exchange(nil, nil, &rx)
			for j := range rx.Slice() {
				if got := &rx.Packets[j]; i == number && isTestFrame(got) {
					match.Push(got)
				} else {
					rest.Push(got)
				}
			}
			p.Queue(0).Exchange(nil, &rest, nil)
		}
		if match.N > 0 {
			return match
		}
	}
	t.Fatalf("port %q received nothing", all[number].Name())
	return ports.Burst{}
}

// taggedSocket is a packetSocket that receives frames of every type together with their VLAN.
func taggedSocket(t *testing.T, i *net.Interface) int {
	t.Helper()
	const every = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, every)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: every, Ifindex: i.Index}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		t.Fatal(err)
	}
	return fd
}

// receiveTagged returns the next incoming test frame without its tag, and its VLAN, which is 0
// without a tag.
func receiveTagged(t *testing.T, fd int) (frame []byte, vlan int) {
	t.Helper()
	buffer, control := make([]byte, 2048), make([]byte, 256)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		n, nc, _, from, err := unix.Recvmsg(fd, buffer, control, 0)
		link, ok := from.(*unix.SockaddrLinklayer)
		if err != nil || !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if f := buffer[:n]; len(f) > 14 && f[12] == testEtherType>>8 && f[13] == testEtherType&0xff {
			return f, auxiliaryVLAN(t, control[:nc])
		}
	}
	t.Fatal("the peer received nothing")
	return nil, 0
}

// auxiliaryVLAN reads a struct tpacket_auxdata (packet(7)): the status is in the first four bytes,
// the tag control information in the two at offset 16.
func auxiliaryVLAN(t *testing.T, control []byte) int {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA &&
			m.Data[0]&unix.TP_STATUS_VLAN_VALID != 0 {
			return int(m.Data[16]) | int(m.Data[17])<<8
		}
	}
	return 0
}

// TestVLANsConserveOverRing checks that packets sent in a VLAN come back in it and that all
// buffers are freed.
func TestVLANsConserveOverRing(t *testing.T) {
	const rounds = 50
	all := splitDevice(t, PortConfig{Name: "ring", Device: "net_ring7"},
		ports.Logical{Name: "plain"}, ports.Logical{Name: "five", VLAN: 5}, ports.Logical{Name: "six", VLAN: 6})
	received := make([]int, len(all))
	for round := range rounds {
		for number, p := range all {
			var tx, rx ports.Burst
			for range 1 + (round+number)%20 {
				copy(allocate(t, p.Queue(0), &tx, make([]byte, 60)).Bytes()[12:], []byte{8, 0, byte(number)})
			}
			p.Queue(0).Exchange(&tx, nil, &rx)
			received[number] += checkOrigin(t, &rx, number)
			p.Queue(0).Exchange(nil, &rx, nil)
			if tx.N > 0 {
				t.Fatalf("the ring is full: %d packets left", tx.N)
			}
		}
	}
	for range rounds {
		for number, p := range all {
			var rx ports.Burst
			p.Queue(0).Exchange(nil, nil, &rx)
			received[number] += checkOrigin(t, &rx, number)
			p.Queue(0).Exchange(nil, &rx, nil)
		}
	}
	for number, p := range all {
		stats, err := p.Stats()
		if err != nil || stats.TxPackets != uint64(received[number]) ||
			stats.RxPackets != stats.TxPackets || stats.RxBytes != 60*stats.RxPackets {
			t.Errorf("port %q: %d received, counted %+v, %v", p.Name(), received[number], stats, err)
		}
	}
}

// checkOrigin counts packets and checks that a port received its own.
func checkOrigin(t *testing.T, b *ports.Burst, number int) int {
	t.Helper()
	for i := range b.Slice() {
		if got := b.Packets[i].Bytes(); got[14] != byte(number) || len(got) != 60 {
			t.Fatalf("port %d received %x", number, got)
		}
	}
	return b.N
}

// TestVLANCaptures reads and writes capture files: received frames lose their tag, sent frames get
// it, and all others stay as they were.
func TestVLANCaptures(t *testing.T) {
	plain := frame(net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}, "plain")
	frames := [][]byte{withTag(plain, 5), plain, withTag(withTag(plain, 6), 5), withTag(plain, 7)}
	in, out := captureFiles(t, frames)
	name := fmt.Sprintf("net_pcap7,rx_pcap=%s,tx_pcap=%s", in, out)
	device, err := sharedEAL(t).OpenPort(PortConfig{Name: "capture", Device: name})
	if err != nil {
		t.Fatal(err)
	}
	all, err := ports.Split(device, []ports.Logical{{Name: "five", VLAN: 5}, {Name: "plain"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, p := range all {
			var b ports.Burst
			p.Queue(0).Exchange(nil, nil, &b)
			send(t, p.Queue(0), &b)
		}
	}
	for _, p := range all {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	want := [][]byte{frames[0], frames[2], frames[1], frames[3]} // frames of VLAN 5 first
	if got := readCapture(t, out); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("sent %x; want %x", got, want)
	}
}
