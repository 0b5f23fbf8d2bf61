package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// The director's MAC address in the recordings, and that of DPDK's first net_pcap device.
var (
	recordedMAC = []byte{0x02, 0, 0, 0, 1, 1}
	pcapMAC     = []byte{0x02, 'p', 'c', 'a', 'p', 0}
)

// recordedLocal are the local addresses of fullnat.
var recordedLocal = []netip.Addr{netip.MustParseAddr("10.0.0.50"), netip.MustParseAddr("10.0.0.51")}

// TestRecordings runs the program over the engine's recordings, with DPDK's net_pcap driver. It
// sends the recorded answers, byte for byte but for its own MAC address. TestFullNATRecording has
// the mode that differs.
func TestRecordings(t *testing.T) {
	needRoot(t)
	for _, mode := range []lvs.Mode{lvs.DR, lvs.IPIP, lvs.NAT} {
		t.Run(mode.String(), func(t *testing.T) {
			in, want := recording(t, mode, "in"), recording(t, mode, "out")
			got, report := replay(t, mode, in)
			compareFrames(t, withoutARP(t, got, 2*2), want)
			checkReplay(t, report, len(in), len(got), map[string]uint64{"no_session": 1})
		})
	}
}

// TestFullNATRecording: the first local port of fullnat is random, so the recorded answers of real
// servers go to ports without a session. Packets to real servers are the recorded ones except for
// the source.
func TestFullNATRecording(t *testing.T) {
	needRoot(t)
	var answers int
	in := recording(t, lvs.FullNAT, "in")
	for _, f := range in {
		if isLocal(flowOf(t, f).to.Addr()) {
			answers++
		}
	}
	var want [][]byte
	for _, f := range recording(t, lvs.FullNAT, "out") {
		if isLocal(flowOf(t, f).from.Addr()) {
			want = append(want, f)
		}
	}
	got, report := replay(t, lvs.FullNAT, in)
	compareTranslated(t, withoutARP(t, got, 2*4), want)
	checkReplay(t, report, len(in), len(got), map[string]uint64{"no_session": uint64(1 + answers)})
}

// replay runs the program over frames and returns what it sent and reported.
func replay(t *testing.T, mode lvs.Mode, in [][]byte) ([][]byte, *lab.Report) {
	t.Helper()
	folder := t.TempDir()
	inFile, outFile, reportFile := filepath.Join(folder, "in.pcap"), filepath.Join(folder, "out.pcap"),
		filepath.Join(folder, "report.json")
	writeCapture(t, inFile, in)
	device := fmt.Sprintf("net_pcap0,rx_pcap=%s,tx_pcap=%s", inFile, outFile)
	file := writeFile(t, "director.toml", oneArm(t, mode, device))
	p := newProgram(t, "run", "--config", file, "--report", reportFile, "--idle-exit", "300ms").start()
	if status := p.end(); status != 0 {
		t.Fatalf("exit status %d:\n%s", status, p.stderr.String())
	}
	p.checkNothingLeft()
	if !strings.Contains(p.stderr.String(), "director ready") ||
		!strings.Contains(p.stdout.String(), "received ") {
		t.Errorf("no director ready, or no table:\n%s\n%s", p.stderr.String(), p.stdout.String())
	}
	return readCapture(t, outFile), readReport(t, reportFile)
}

// oneArm returns the configuration that the recordings were made with.
func oneArm(t *testing.T, mode lvs.Mode, device string) string {
	t.Helper()
	values := struct {
		Mode              lvs.Mode
		Device, Local     string
		WebPort, EchoPort int
	}{Mode: mode, Device: device, WebPort: 80, EchoPort: 7}
	if mode.TwoWay() {
		values.WebPort, values.EchoPort = 8080, 8007
	}
	if mode == lvs.FullNAT {
		values.Local = "10.0.0.50-10.0.0.51"
	}
	var text strings.Builder
	if err := template.Must(template.ParseFiles("testdata/one-arm.toml.tmpl")).Execute(&text, values); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// checkReplay compares the report with the known counts.
func checkReplay(t *testing.T, r *lab.Report, in, out int, drops map[string]uint64) {
	t.Helper()
	if diff := cmp.Diff(drops, r.Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
	ports := []lab.PortReport{{Name: "wire", Received: uint64(in), Transmitted: uint64(out)}}
	if diff := cmp.Diff(ports, r.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	connections := [2]uint64{r.Services[0].Connections, r.Services[1].Connections}
	if want := [2]uint64{2, 3}; connections != want || r.Consumed != 0 || r.Held != 0 {
		t.Errorf("connections %v, want %v; consumed %d, held %d, want none", connections, want,
			r.Consumed, r.Held)
	}
	if announced := uint64(out) - forwarded(r); r.Originated != announced {
		t.Errorf("originated %d, want %d", r.Originated, announced)
	}
}

// forwarded returns the number of packets of sessions.
func forwarded(r *lab.Report) uint64 {
	var n uint64
	for _, s := range r.Services {
		n += s.InPackets + s.OutPackets
	}
	return n
}

// withoutARP removes the frames that announce the director's own addresses, which come first: two
// for each address.
func withoutARP(t *testing.T, frames [][]byte, announcements int) [][]byte {
	t.Helper()
	for i, f := range frames {
		isARP := binary.BigEndian.Uint16(f[12:]) == 0x0806
		if isARP != (i < announcements) {
			t.Fatalf("frame %d of %d; the first %d are to be ARP, and no other\n%s", i+1, len(frames),
				announcements, dump(f))
		}
	}
	return frames[announcements:]
}

func compareFrames(t *testing.T, got, want [][]byte) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("frame %d is\n%swant\n%s", i+1, dump(got[i]), dump(want[i]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d frames were sent, want %d", len(got), len(want))
	}
}

// compareTranslated compares frames except for source address, source port and checksums. Each
// recorded source must have exactly one counterpart.
func compareTranslated(t *testing.T, got, want [][]byte) {
	t.Helper()
	sources := map[netip.AddrPort]netip.AddrPort{}
	var rest [2][][]byte
	for i := range min(len(got), len(want)) {
		is, was := flowOf(t, got[i]), flowOf(t, want[i])
		checkChecksums(t, got[i])
		if known, again := sources[was.from]; again && known != is.from || !isLocal(is.from.Addr()) {
			t.Errorf("frame %d comes from %v; the session's others from %v", i+1, is.from, known)
		}
		sources[was.from] = is.from
		rest[0], rest[1] = append(rest[0], withoutSource(t, got[i])),
			append(rest[1], withoutSource(t, want[i]))
	}
	compareFrames(t, rest[0], rest[1])
	if len(got) != len(want) {
		t.Fatalf("%d frames were sent, want %d", len(got), len(want))
	}
	distinct := map[netip.AddrPort]bool{}
	for _, from := range sources {
		distinct[from] = true
	}
	if len(distinct) != len(sources) {
		t.Errorf("%d sessions came from %d sources", len(sources), len(distinct))
	}
}

func isLocal(a netip.Addr) bool { return a == recordedLocal[0] || a == recordedLocal[1] }

// withoutSource returns a copy of a frame with zeros for source address, source port and checksums.
func withoutSource(t *testing.T, frame []byte) []byte {
	t.Helper()
	f := bytes.Clone(frame)
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.NoCopy)
	header := p.NetworkLayer().LayerContents()
	clear(header[10:16])
	transport := p.TransportLayer().LayerContents()
	clear(transport[:2])
	if p.Layer(layers.LayerTypeTCP) != nil {
		clear(transport[16:18])
	} else if !bytes.Equal(transport[6:8], []byte{0, 0}) { // a datagram without checksum keeps none
		copy(transport[6:8], []byte{0xff, 0xff})
	}
	return f
}

// checkChecksums compares the checksums with those that gopacket computes.
func checkChecksums(t *testing.T, frame []byte) {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	ip := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	all := []gopacket.SerializableLayer{ip}
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		_ = l.SetNetworkLayerForChecksum(ip) // cannot fail for IPv4
		all = append(all, l, gopacket.Payload(l.Payload))
	case *layers.UDP:
		if l.Checksum == 0 {
			return
		}
		_ = l.SetNetworkLayerForChecksum(ip)
		all = append(all, l, gopacket.Payload(l.Payload))
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	if sent := frame[14 : 14+int(ip.Length)]; !bytes.Equal(sent, b.Bytes()) {
		t.Errorf("a checksum is wrong:\n%sand right:\n% x", dump(frame), b.Bytes())
	}
}

// recording reads a recording of the engine, with the MAC address that the director has here.
func recording(t *testing.T, mode lvs.Mode, direction string) [][]byte {
	t.Helper()
	frames := readCapture(t, filepath.Join("../../engine/testdata",
		mode.String()+"-"+direction+".pcap"))
	for _, f := range frames {
		for _, at := range [][]byte{f[0:6], f[6:12]} {
			if bytes.Equal(at, recordedMAC) {
				copy(at, pcapMAC)
			}
		}
	}
	return frames
}
