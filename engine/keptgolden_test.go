package engine

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

const (
	goldenWorkers = 2
	goldenClock   = 5_000_000 // ms: when its director starts
	goldenPort    = 8000      // of its first service
	goldenBoot    = "00000000-0000-4000-8000-000000000000"
)

// goldenFolder is the golden folder of kept sessions in this director's format.
func goldenFolder() string {
	return filepath.Join("testdata", "kept",
		fmt.Sprintf("format-%d-layout-%d", keptFormat, conntrack.LayoutVersion))
}

// bothFamilies is twoArm with the addresses of its twin.
func bothFamilies() Settings {
	four, twin := twoArm, twoArm.twin()
	n, six := four.settings(), twin.settings()
	for i := range n.Ports {
		n.Ports[i].Addresses = append(n.Ports[i].Addresses, six.Ports[i].Addresses...)
	}
	n.Routes = append(n.Routes, six.Routes...)
	n.Neighbours = append(n.Neighbours, six.Neighbours...)
	return n
}

// keptServices returns a service for each mode and protocol of both families, services whose real
// servers are of the other family, and a persistent one. Each has a port of its own.
func keptServices() (all []Service) {
	add := func(v Service) {
		port := goldenPort + uint16(len(all))
		v.Name = fmt.Sprint("on ", port)
		v.Address = netip.AddrPortFrom(v.Address.Addr(), port)
		for i := range v.RealServers {
			a := v.RealServers[i].Address.Addr()
			v.RealServers[i].Address = netip.AddrPortFrom(a, serverPort(v.Mode, v.Address))
		}
		all = append(all, v)
	}
	families := []site{twoArm, twoArm.twin()}
	for i, s := range families {
		for _, m := range allModes {
			for _, protocol := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolSCTP} {
				add(s.service(m, protocol, 2))
			}
		}
		other := &families[1-i]
		for _, m := range []modes.Mode{modes.FullNAT, modes.IPIP} {
			if !m.Reaches(s.is6, other.is6) {
				continue
			}
			v := other.web(m, 2)
			v.Address = netip.AddrPortFrom(s.web(m, 1).Address.Addr(), 0)
			add(v)
		}
		add(s.web(modes.NAT, 2).kept())
	}
	return all
}

// statesOf returns the states of a protocol's sessions.
func statesOf(p lvs.Protocol) (all []lvs.State) {
	for s := lvs.StateEstablished; s < lvs.NumStates; s++ {
		of := lvs.TCP
		switch {
		case s == lvs.StateICMP:
			continue
		case s == lvs.StateUDP:
			of = lvs.UDP
		case s > lvs.StateICMP:
			of = lvs.SCTP
		}
		if of == p {
			all = append(all, s)
		}
	}
	return all
}

// fillGolden gives each service a session of each state of its protocol.
func (b *bed) fillGolden(services []Service) {
	client := uint16(2000)
	for _, v := range services {
		for _, state := range statesOf(v.Protocol) {
			client++
			b.beginGolden(&v, client, state)
		}
	}
	b.turn()
	b.collectAll()
	b.dropped("")
}

// beginGolden has a client begin a session, which gets a state.
func (b *bed) beginGolden(v *Service, port uint16, state lvs.State) {
	b.Helper()
	b.now += 7
	from := netip.AddrPortFrom(at4(client).Addr(), port)
	if v.Address.Addr().Is6() {
		from = sixPort(from)
	}
	var f []byte
	mac, own := b.site.gateway.mac, b.site.ports[0].mac
	switch v.Protocol {
	case lvs.TCP:
		f = tcp(client, webVIP, "S").from(from).to(v.Address).frame(mac, own)
	case lvs.UDP:
		f = udp(client, webVIP, "?").from(from).to(v.Address).frame(mac, own)
	default:
		f = sctpPacket{from, v.Address, 64, 1}.frame(mac, own)
	}
	b.receive(0, f)
	k := packet.Key{Protocol: uint8(v.Protocol), Flow: packet.Flow{
		Src: packet.AddrOf(from.Addr()), SrcPort: port,
		Dst: packet.AddrOf(v.Address.Addr()), DstPort: v.Address.Port(),
	}}
	for _, w := range b.engine.workers {
		if ref, ok := w.lookup(&k); ok {
			s := w.sessions.At(ref.Slot())
			was := s.State
			w.sessions.SetState(ref.Slot(), state, b.now)
			recount(w.snap.servers[s.Server], conntrack.Transition{From: was, To: state})
			return
		}
	}
	b.Fatalf("no session from %v to %v", from, v.Address)
}

// listing describes all sessions, sorted, and the number of templates.
func (b *bed) listing() string {
	var lines []string
	for _, s := range b.listed(1 << 20) {
		by := ""
		if s.Local.IsValid() {
			by = fmt.Sprint(" from ", s.Local)
		}
		lines = append(lines, fmt.Sprintf("%s %v > %v %v %v%s %v idle=%v in=%d out=%d\n",
			lvs.Protocol(s.Protocol), s.Client, s.VIP, s.Mode, s.RealServer, by, s.State,
			s.Idle, s.PacketsIn, s.PacketsOut))
	}
	slices.Sort(lines)
	return strings.Join(lines, "") +
		fmt.Sprintf("%d templates\n", b.engine.Report().Templates.Templates)
}

// goldenGoesOn expects a packet of each established connection at its real server.
func (b *bed) goldenGoesOn() {
	b.Helper()
	mac, own := b.site.gateway.mac, b.site.ports[0].mac
	for i, s := range b.listed(1 << 20) {
		if s.State != lvs.StateEstablished {
			continue
		}
		b.receive(0, tcp(client, webVIP, "PA").from(s.Client).to(s.VIP).carrying("on").frame(mac, own))
		server := slices.IndexFunc(twoArm.servers, func(h host) bool {
			return h.addr == s.RealServer.Addr() || six(h.addr) == s.RealServer.Addr()
		})
		b.arrived(fmt.Sprintf("packets of session %d", i), twoArm.servers[server].mac, 1)
	}
	b.dropped("")
}

// recordKept makes the golden folder anew: the files of a run, and what sessions they have.
func recordKept(t *testing.T, golden string) {
	folder, services := t.TempDir(), keptServices()
	n := bothFamilies()
	n.Services = services
	b := newBed(t, twoArm, n, keptIn(folder, goldenWorkers), startingAt(goldenClock))
	b.fillGolden(services)
	listing := b.listing()
	b.close()
	if err := os.MkdirAll(golden, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(runFolder(folder, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(runFolder(folder, 0), f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(bootID()), []byte(goldenBoot))
		writeGolden(t, filepath.Join(golden, f.Name()+".gz"), text)
	}
	path := filepath.Join(golden, "sessions.txt")
	if err := os.WriteFile(path, []byte(listing), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeGolden(t *testing.T, path string, text []byte) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readGolden returns what writeGolden wrote.
func readGolden(t *testing.T, path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unpackGolden makes a folder of kept sessions of the golden one, as of this boot.
func unpackGolden(t *testing.T, golden string) (folder string) {
	folder = t.TempDir()
	run := runFolder(folder, 0)
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(golden, "*.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden folder %s, %v: the format or the layout has changed; have the former one "+
			"read or named, and record this one: go test ./engine -run TestKeptGolden -update", golden, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".gz")
		if err := os.WriteFile(filepath.Join(run, name), readGolden(t, f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := edit(filepath.Join(run, "about"), goldenBoot, bootID()); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestKeptGolden: a folder that an earlier director has left, of all modes and states, is read as
// it always was: session by session, and again from the folder of the director that has read it.
// With -update it is recorded anew; do that for a new format or layout alone.
func TestKeptGolden(t *testing.T) {
	golden := goldenFolder()
	if *update {
		recordKept(t, golden)
	}
	folder := unpackGolden(t, golden)
	want, err := os.ReadFile(filepath.Join(golden, "sessions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	n := bothFamilies()
	n.Services = keptServices()
	clock := goldenClock + uint32(bytes.Count(want, []byte(" idle=")))*7
	for round := range 2 {
		b := newBed(t, twoArm, n, keptIn(folder, goldenWorkers), startingAt(clock))
		if got := b.listing(); got != string(want) {
			t.Errorf("sessions\n%swant\n%s", got, want)
		}
		b.keptReport(strings.Count(string(want), " idle="), nil)
		if round == 1 {
			b.goldenGoesOn()
		}
		b.close()
	}
}
