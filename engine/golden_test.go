package engine

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"fulcrum/modes"
	"fulcrum/packet"
)

var update = flag.Bool("update", false, "record testdata/*.pcap and testdata/kept anew")

// captured is a packet of a capture file.
type captured struct {
	at    time.Time
	frame []byte
}

// captureStart is when the recorded traffic begins; the bed's clock starts with it.
var captureStart = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// goldenSettings serve TCP and UDP through one arm, so that one file shows all input and one all
// output.
func goldenSettings(m modes.Mode) Settings {
	return oneArm.serving(oneArm.web(m, 2), oneArm.echo(m, 1))
}

// TestGoldens replays testdata/<mode>-in.pcap and compares the output with
// testdata/<mode>-out.pcap, byte for byte. With -update it records both anew; check the difference
// in Wireshark.
func TestGoldens(t *testing.T) {
	for _, m := range allModes {
		t.Run(m.String(), func(t *testing.T) {
			in, out := goldenFile(m, "in"), goldenFile(m, "out")
			if *update {
				writeCapture(t, in, record(t, m))
				writeCapture(t, out, replay(t, m, readCapture(t, in)))
			}
			got := encodeCapture(t, replay(t, m, readCapture(t, in)))
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				compareCaptures(t, decodeCapture(t, got), decodeCapture(t, want))
			}
		})
	}
}

func goldenFile(m modes.Mode, direction string) string {
	return filepath.Join("testdata", m.String()+"-"+direction+".pcap")
}

// replay gives every packet to a new director at its time and returns the output with the same
// times.
func replay(t *testing.T, m modes.Mode, in []captured) []captured {
	b := newBed(t, oneArm, goldenSettings(m))
	start := b.now
	var out []captured
	for _, c := range in {
		b.now = start + uint32(c.at.Sub(captureStart).Milliseconds())
		b.receive(0, c.frame)
		for _, f := range b.ports[0].Collect(0) {
			judge(t, f)
			out = append(out, captured{c.at, f})
		}
	}
	b.dropped("no_session=1")
	return out
}

// recorder plays the clients and real servers of the goldens, and records all that they send.
type recorder struct {
	bed *bed
	in  []captured
	got [][]byte // the director's output after the last packet
}

// send delivers a packet one millisecond after the last.
func (r *recorder) send(p pkt, from host) {
	f := p.frame(from.mac, oneArm.ports[0].mac)
	r.bed.now++
	at := captureStart.Add(time.Duration(len(r.in)+1) * time.Millisecond)
	r.in = append(r.in, captured{at, f})
	r.bed.receive(0, f)
	r.got = r.bed.ports[0].Collect(0)
}

func (r *recorder) client(p pkt) { r.send(p, oneArm.gateway) }

// server answers from a real server to the source of the session's first packet, if answers pass
// the director.
func (r *recorder) server(m modes.Mode, first []byte, flags, payload string,
	changes ...func(*pkt)) {
	if !m.TwoWay() {
		return
	}
	src, dst := flowOf(first)
	asked := pkt{src: src, dst: dst, protocol: first[23]}
	out := asked.reply(flags, payload)
	for _, change := range changes {
		change(&out)
	}
	r.send(out, oneArm.serverAt(dst.Addr()))
}

func (s *site) serverAt(a netip.Addr) host {
	for _, rs := range s.servers {
		if rs.addr == a {
			return rs
		}
	}
	return host{}
}

// flowOf returns source and destination of a frame's TCP or UDP packet.
func flowOf(frame []byte) (src, dst netip.AddrPort) {
	read := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	network, transport := read.NetworkLayer().NetworkFlow(), read.TransportLayer().TransportFlow()
	return addrPort(network.Src(), transport.Src()), addrPort(network.Dst(), transport.Dst())
}

func addrPort(a, p gopacket.Endpoint) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(a.Raw())
	return netip.AddrPortFrom(addr, uint16(p.Raw()[0])<<8|uint16(p.Raw()[1]))
}

// record plays a TCP connection, one with IP options, a stray segment, and datagrams with and
// without checksum and padding.
func record(t *testing.T, m modes.Mode) []captured {
	r := &recorder{bed: newBed(t, oneArm, goldenSettings(m))}
	r.connection(m, client, nil)
	r.connection(m, "10.0.0.9:4001", func(p *pkt) {
		p.tos, p.df = 0x28, true
		p.options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4,
			OptionData: []byte{0, 0}}}
	})
	r.client(tcp("192.168.5.9:4002", webVIP, "A"))
	r.datagrams(m, "192.168.5.9:5000", func(*pkt) {})
	r.datagrams(m, "192.168.5.9:5001", func(p *pkt) { p.noChecksum = true })
	r.datagrams(m, "192.168.5.9:5002",
		func(p *pkt) { p.padding = 60 - packet.EthernetLen - len(p.ip()) })
	return r.in
}

func (r *recorder) connection(m modes.Mode, from string, change func(*pkt)) {
	if change == nil {
		change = func(*pkt) {}
	}
	r.client(tcp(from, webVIP, "S").with(change))
	first := r.got[0]
	r.server(m, first, "SA", "", change)
	r.client(tcp(from, webVIP, "A").with(change))
	r.client(tcp(from, webVIP, "PA").carrying("GET / HTTP/1.0\r\n\r\n").with(change))
	r.server(m, first, "PA", "HTTP/1.0 204 No Content\r\n\r\n", change)
	r.server(m, first, "FA", "", change)
	r.client(tcp(from, webVIP, "FA").with(change))
	r.server(m, first, "A", "", change)
}

func (r *recorder) datagrams(m modes.Mode, from string, change func(*pkt)) {
	r.client(udp(from, echoVIP, "ping").with(change))
	first := r.got[0]
	r.server(m, first, "", "pong!", change)
	r.client(udp(from, echoVIP, "odd").with(change))
}

func encodeCapture(t *testing.T, packets []captured) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, c := range packets {
		info := gopacket.CaptureInfo{Timestamp: c.at, CaptureLength: len(c.frame),
			Length: len(c.frame)}
		if err := w.WritePacket(info, c.frame); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func writeCapture(t *testing.T, name string, packets []captured) {
	if err := os.WriteFile(name, encodeCapture(t, packets), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readCapture(t testing.TB, name string) []captured {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return decodeCapture(t, b)
}

func decodeCapture(t testing.TB, b []byte) []captured {
	r, err := pcapgo.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var packets []captured
	for {
		frame, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return packets
		}
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, captured{info.Timestamp, frame})
	}
}

// compareCaptures fails with the first difference.
func compareCaptures(t *testing.T, got, want []captured) {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("packet %d was not sent:\n%s", i+1, dump(want[i].frame))
		case i >= len(want):
			t.Fatalf("packet %d was sent beyond the golden's end:\n%s", i+1, dump(got[i].frame))
		case !got[i].at.Equal(want[i].at) || !bytes.Equal(got[i].frame, want[i].frame):
			t.Fatalf("packet %d sent at %v\n%swant at %v\n%s", i+1, got[i].at, dump(got[i].frame),
				want[i].at, dump(want[i].frame))
		}
	}
	t.Fatal("the capture files differ, but not in their packets")
}
