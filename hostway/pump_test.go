package hostway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// patience is far longer than anything here takes on a busy machine.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// notices collects what a pump says.
type notices struct {
	mu  sync.Mutex
	all []Notice
}

func (n *notices) add(one Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, one)
}

func (n *notices) list() []Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// pumping starts a pump.
func pumping(t *testing.T, workers int, all ...*Interface) (*Pump, *notices) {
	t.Helper()
	said := &notices{}
	p, err := NewPump(all, workers, said.add)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p, said
}

// next takes the next frame that the host has sent, of any worker.
func next(t *testing.T, p *Pump) (port uint16, frame []byte, worker int) {
	t.Helper()
	eventually(t, "a frame from the host", func() bool {
		for i, l := range p.Links() {
			if at, f := l.FromHost.Peek(); f != nil {
				port, frame, worker = at, bytes.Clone(f), i
				l.FromHost.Next()
				return true
			}
		}
		return false
	})
	return port, frame, worker
}

// hostDatagram waits for a datagram of the host to a port.
func hostDatagram(t *testing.T, p *Pump, to uint16) (uint16, gopacket.Packet) {
	t.Helper()
	for {
		port, f, _ := next(t, p)
		packet := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
		if u, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && uint16(u.DstPort) == to {
			return port, packet
		}
	}
}

// datagram returns a frame to a host interface.
func datagram(t *testing.T, to byte, port uint16, data string) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: []byte{10, 0, to, 9}, DstIP: []byte{10, 0, to, 1}}
	udp := &layers.UDP{SrcPort: 9999, DstPort: layers.UDPPort(port)}
	_ = udp.SetNetworkLayerForChecksum(ip) // cannot fail for IPv4
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true,
		ComputeChecksums: true}, &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 9}, DstMAC: ownMAC[:],
		EthernetType: layers.EthernetTypeIPv4}, ip, udp, gopacket.Payload(data))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// permanent tells the kernel where 10.0.N.9 is.
func permanent(t *testing.T, device, address string) {
	t.Helper()
	shell(t, "ip neighbour replace "+address+" lladdr 02:00:00:00:00:09 dev "+device)
}

// Frames pass both ways, at the port that they name, and are counted.
func TestPump(t *testing.T) {
	needRoot(t)
	p, _ := pumping(t, 2, open(t, described("ful-a", "10.0.1.1/24")), nil,
		open(t, described("ful-b", "10.0.2.1/24")))
	permanent(t, "ful-a", "10.0.1.9")
	permanent(t, "ful-b", "10.0.2.9")
	for at, address := range map[uint16]string{0: "10.0.1.", 2: "10.0.2."} {
		conn, err := net.Dial("udp", address+"9:7")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("to the network")); err != nil {
			t.Fatal(err)
		}
		if port, f := hostDatagram(t, p, 7); port != at ||
			string(f.ApplicationLayer().Payload()) != "to the network" {
			t.Errorf("port %d: %v", port, f)
		}
		socket, err := net.ListenPacket("udp4", address+"1:700")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		before := p.Counts(int(at))
		sent := datagram(t, byte(1+at/2), 700, "to the host")
		for _, l := range p.Links() {
			l.ToHost.Put(at, sent)
			l.Flush()
		}
		data := make([]byte, 100)
		for range p.Links() {
			_ = socket.SetReadDeadline(time.Now().Add(patience))
			if n, _, err := socket.ReadFrom(data); err != nil || string(data[:n]) != "to the host" {
				t.Fatalf("%q, %v", data[:n], err)
			}
		}
		eventually(t, "counts", func() bool {
			now := p.Counts(int(at))
			return now.ToHost-before.ToHost == 2 && now.FromHost > 0 &&
				now.ToHostBytes-before.ToHostBytes == 2*uint64(len(sent)) && now.FromHostBytes > 0
		})
	}
	if c := p.Counts(1); c != (Counts{}) {
		t.Errorf("a port without host interface: %+v", c)
	}
}

// TestNoOffloads: what the kernel sends is complete: no frame is longer than the MTU, and all
// checksums are right, also those of a program that writes a megabyte at a time.
func TestNoOffloads(t *testing.T) {
	needRoot(t)
	for _, family := range []string{"10.0.1.", "fd01::"} {
		t.Run(family, func(t *testing.T) {
			a := open(t, described("ful-a", "10.0.1.1/24", "fd01::1/64"))
			p, _ := pumping(t, 1, a)
			permanent(t, "ful-a", family+"9")
			r := &receiver{t: t, link: p.Links()[0]}
			done := make(chan error, 1)
			go func() { done <- upload(net.JoinHostPort(family+"9", "80")) }()
			r.take(megabyte)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

const megabyte = 1 << 20

// upload sends a megabyte and does not wait for the end of the connection.
func upload(to string) error {
	conn, err := net.DialTimeout("tcp", to, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(make([]byte, megabyte))
	return err
}

// receiver is a station that takes whatever a connection brings.
type receiver struct {
	t    *testing.T
	link *Link
	got  uint32 // bytes of the stream
	isn  uint32
}

// take answers the segments of a connection until it has so many bytes, and judges each frame.
func (r *receiver) take(bytes uint32) {
	r.t.Helper()
	eventually(r.t, "all bytes", func() bool {
		_, f := r.link.FromHost.Peek()
		if f != nil {
			r.judge(f)
			r.link.FromHost.Next()
		}
		return r.got >= bytes
	})
}

func (r *receiver) judge(f []byte) {
	if len(f) > 1400+ethernetSize {
		r.t.Fatalf("a frame of %d bytes", len(f))
	}
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok {
		return
	}
	want := tcp.Checksum
	eth, ip := p.LinkLayer().(*layers.Ethernet), p.NetworkLayer()
	if got := checksum(r.t, ip, tcp); got != want {
		r.t.Fatalf("checksum %#x, want %#x: %v", want, got, p)
	}
	switch {
	case tcp.SYN:
		r.isn = tcp.Seq + 1
	case len(tcp.Payload) > 0:
		r.got = max(r.got, tcp.Seq+uint32(len(tcp.Payload))-r.isn)
	}
	r.answer(eth, ip, tcp)
}

// checksum computes a segment's checksum by another implementation.
func checksum(t *testing.T, ip gopacket.NetworkLayer, tcp *layers.TCP) uint16 {
	t.Helper()
	copied := *tcp
	_ = copied.SetNetworkLayerForChecksum(ip) // cannot fail for IP
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{ComputeChecksums: true}, &copied,
		gopacket.Payload(tcp.Payload))
	if err != nil {
		t.Fatal(err)
	}
	return copied.Checksum
}

// answer acknowledges a segment.
func (r *receiver) answer(eth *layers.Ethernet, ip gopacket.NetworkLayer, tcp *layers.TCP) {
	back := &layers.TCP{SrcPort: tcp.DstPort, DstPort: tcp.SrcPort, ACK: true, SYN: tcp.SYN,
		Seq: 1000, Ack: tcp.Seq + uint32(len(tcp.Payload)), Window: 65535}
	if tcp.SYN {
		back.Ack++
	} else {
		back.Seq++
	}
	var network gopacket.SerializableLayer
	switch ip := ip.(type) {
	case *layers.IPv4:
		n := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ip.DstIP,
			DstIP: ip.SrcIP}
		_ = back.SetNetworkLayerForChecksum(n)
		network = n
	case *layers.IPv6:
		n := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: ip.DstIP,
			DstIP: ip.SrcIP}
		_ = back.SetNetworkLayerForChecksum(n)
		network = n
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true,
		ComputeChecksums: true}, &layers.Ethernet{SrcMAC: eth.DstMAC, DstMAC: eth.SrcMAC,
		EthernetType: eth.EthernetType}, network, back)
	if err != nil {
		r.t.Fatal(err)
	}
	r.link.ToHost.Put(0, b.Bytes())
	r.link.Flush()
}

// What cannot pass is counted under a name of its own.
func TestPumpDrops(t *testing.T) {
	needRoot(t)
	p, _ := pumping(t, 1, open(t, described("ful-a", "10.0.1.1/24")))
	permanent(t, "ful-a", "10.0.1.9")
	conn, err := net.Dial("udp", "10.0.1.9:7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	counted := func(d Drop) {
		t.Helper()
		eventually(t, d.String(), func() bool { return p.Counts(0).Drops[d] > 0 })
	}
	for p.Counts(0).Drops[RingFull] == 0 { // nobody takes them
		_, _ = conn.Write([]byte("x"))
	}
	for p.Links()[0].FromHost.Empty() {
		runtime.Gosched()
	}
	drain(p)
	shell(t, "ip link set ful-a mtu 4000")
	if _, err := conn.Write(make([]byte, 3000)); err != nil {
		t.Fatal(err)
	}
	counted(TooLong)
	put := func(f []byte) {
		p.Links()[0].ToHost.Put(0, f)
		p.Links()[0].Flush()
	}
	put([]byte{1, 2, 3}) // no Ethernet header
	counted(RefusedDrop)
	shell(t, "ip link set ful-a down")
	put(datagram(t, 1, 700, "x"))
	counted(DownDrop)
	for d := range NumDrops {
		if strings.Trim(d.String(), "abcdefghijklmnopqrstuvwxyz_") != "" || d.String() == "" {
			t.Errorf("name %q", d)
		}
	}
}

func drain(p *Pump) {
	for _, l := range p.Links() {
		for !l.FromHost.Empty() {
			l.FromHost.Next()
		}
	}
}

// An interface that is deleted is made again with all that the port has. While its name is taken,
// frames to it are counted.
func TestPumpRestores(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-a", "10.0.1.1/24"))
	p, said := pumping(t, 1, i)
	if err := i.SetAddresses(described("", "10.0.1.2/24").Addresses); err != nil {
		t.Fatal(err)
	}
	shell(t, "ip link del ful-a")
	eventually(t, "an interface that was made again", func() bool { return len(said.list()) == 2 })
	has(t, "ful-a", "10.0.1.2/24")
	want := []Notice{{Interface: "ful-a"}, {Interface: "ful-a", Restored: true}}
	if got := said.list(); !slices.Equal(got, want) {
		t.Errorf("said %+v", got)
	}
	permanent(t, "ful-a", "10.0.1.9")
	conn, err := net.Dial("udp", "10.0.1.9:7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("again")); err != nil {
		t.Fatal(err)
	}
	hostDatagram(t, p, 7)
}

// While an interface cannot be made again, its frames are counted, and the thread goes on.
func TestPumpCannotRestore(t *testing.T) {
	needRoot(t)
	p, said := pumping(t, 1, open(t, described("ful-a", "10.0.1.1/24")))
	shell(t, "ip link set ful-a name ful-c")
	shell(t, "ip tuntap add dev ful-a mode tun") // the name is another's now
	shell(t, "ip link del ful-c")
	eventually(t, "an error", func() bool { return len(said.list()) == 2 })
	if n := said.list()[1]; n.Restored || n.Err == nil || !strings.Contains(n.Err.Error(), "no TAP") {
		t.Errorf("%+v", n)
	}
	p.Links()[0].ToHost.Put(0, datagram(t, 1, 700, "x"))
	p.Links()[0].Flush()
	eventually(t, "a counted frame", func() bool { return p.Counts(0).Drops[GoneDrop] > 0 })
	shell(t, "ip link del ful-a")
	eventually(t, "an interface that was made again", func() bool { return len(said.list()) == 3 })
	has(t, "ful-a", "10.0.1.1/24")
}

// A connection of the host lives on when the process ends and the next one takes the interface
// over.
func TestConnectionSurvives(t *testing.T) {
	needRoot(t)
	c := described("ful-a", "10.0.1.1/24")
	near, err := NewPump([]*Interface{open(t, c)}, 1, func(Notice) {})
	if err != nil {
		t.Fatal(err)
	}
	far := open(t, described("ful-b", "10.0.2.1/24"))
	defer far.Close()
	near.Start()
	permanent(t, "ful-a", "10.0.1.9")
	r := &receiver{t: t, link: near.Links()[0]}
	dialled := make(chan net.Conn, 1)
	go func() {
		conn, err := net.DialTimeout("tcp", "10.0.1.9:80", patience)
		if err != nil {
			t.Error(err)
		}
		dialled <- conn
	}()
	var conn net.Conn
	eventually(t, "a connection", func() bool {
		if _, f := r.link.FromHost.Peek(); f != nil {
			r.judge(f)
			r.link.FromHost.Next()
		}
		select {
		case conn = <-dialled:
			return true
		default:
			return false
		}
	})
	if conn == nil {
		t.FailNow()
	}
	defer conn.Close()
	if err := near.Stop(); err != nil {
		t.Fatal(err)
	}
	p, _ := pumping(t, 1, open1(t, c))
	r.link = p.Links()[0]
	if _, err := conn.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	r.take(uint32(len("still here")))
	_ = conn.SetReadDeadline(time.Now())
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		t.Error("the connection has ended")
	}
}

// A pump that was never started gives everything back, and what workers have sent last is written.
func TestPumpStops(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-a", "10.0.1.1/24"))
	p, err := NewPump([]*Interface{i}, 2, func(Notice) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range p.Links() {
		for range ringFrames {
			l.ToHost.Put(0, datagram(t, 1, 700, "x"))
		}
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := p.Counts(0).ToHost; n != 2*ringFrames {
		t.Errorf("%d frames were written", n)
	}
	again := open1(t, described("ful-a"))
	again.Close()
}

// Moving frames allocates nothing.
func TestPumpAllocatesNothing(t *testing.T) {
	needRoot(t)
	p, err := NewPump([]*Interface{open(t, described("ful-a", "10.0.1.1/24"))}, 1, func(Notice) {})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	f := datagram(t, 1, 700, "x")
	if n := testing.AllocsPerRun(100, func() {
		p.links[0].ToHost.Put(0, f)
		p.receive(p.wait())
		p.send()
		drain(p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
