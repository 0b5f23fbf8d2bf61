package ipvsadm_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"fulcrum/ipvsadm"
	"fulcrum/lvs"
)

// procServices are services of every kind that /proc/net/ip_vs writes in its own way.
func procServices(t *testing.T) []ipvsadm.Service {
	t.Helper()
	service := func(protocol, destination string) ipvsadm.Service {
		m, err := lvs.ParseDestination(destination)
		if err != nil {
			t.Fatal(err)
		}
		m.Protocol, _ = lvs.ParseProtocol(protocol)
		return ipvsadm.Service{ID: lvs.IDOf(m), Scheduler: "rr"}
	}
	server := func(address string, mode lvs.Mode, weight, active, inactive int32) ipvsadm.Server {
		return ipvsadm.Server{Address: netip.MustParseAddrPort(address), Mode: mode, Weight: weight,
			Active: active, Inactive: inactive}
	}
	mark := ipvsadm.Service{ID: lvs.IDOfMark(7, false), Scheduler: "wlc", OnePacket: true,
		Persistence: 5 * time.Minute, Mask: 24, Servers: []ipvsadm.Server{server("10.1.0.13:0", lvs.DR, 1, 0, 0)}}
	web := service("tcp", "10.0.0.100:80")
	web.Servers = []ipvsadm.Server{server("10.1.0.12:8080", lvs.FullNAT, 0, 0, 248),
		server("10.1.0.11:8080", lvs.NAT, 100, 1234567, 2)}
	dns := service("udp", "10.0.0.100:53")
	dns.OnePacket = true
	dns.Servers = []ipvsadm.Server{server("10.1.0.11:53", lvs.DR, 1, 0, 9)}
	six := service("tcp", "[fd00::100]:443")
	six.Persistence, six.Mask = time.Minute, 128
	six.Servers = []ipvsadm.Server{server("[fd01::11]:443", lvs.IPIP, 1, 3, 0)}
	everyPort := service("tcp", "10.0.0.101:*")
	everyPort.Persistence, everyPort.Mask = time.Hour, 32
	return []ipvsadm.Service{mark, six, dns, web, everyPort,
		service("udp", "10.0.0.110-10.0.0.120:5000-5999")}
}

// proc is /proc/net/ip_vs of procServices, by the format of Linux 6.12.
const proc = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A000064:0050 rr  .
  -> 0A01000B:1F90      Masq    100    1234567    2         .
  -> 0A01000C:1F90      Masq    0      0          248       .
TCP  0A000065:0000 rr  persistent 3600 FFFFFFFF
UDP  0A000064:0035 rr ops  .
  -> 0A01000B:0035      Route   1      0          9         .
UDP  0A00006E:1388 rr  .
TCP  [fd00:0000:0000:0000:0000:0000:0000:0100]:01BB rr persistent 60 80000000
  -> [fd01:0000:0000:0000:0000:0000:0000:0011]:01BB      Tunnel  1      3          0         .
FWM  00000007 wlc ops persistent 300 FFFFFF00
  -> 0A01000D:0000      Route   1      0          0         .
`

func TestProc(t *testing.T) {
	var b strings.Builder
	if err := ipvsadm.WriteProc(&b, procServices(t), 4096); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(proc, ".\n", "\n") // a dot shows where blanks end
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// procStats is /proc/net/ip_vs_stats, by the format of Linux 6.12.
const procStats = `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
 16AA370 E33656E5        0     51D8C8883AB3 1FFFFFFFFFFFFFFF

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       4     1FB3        0          1282A8F                0
`

func TestProcStats(t *testing.T) {
	total := ipvsadm.Counters{Connections: 23765872, InPackets: 3811989221, InBytes: 89991519156915,
		OutBytes: 1<<61 - 1}
	rates := ipvsadm.Counters{Connections: 4, InPackets: 0x1FB3, InBytes: 0x1282A8F}
	var b strings.Builder
	if err := ipvsadm.WriteProcStats(&b, total, rates); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(procStats, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestProcIsReadByNodeExporter has the library of node_exporter read both files.
func TestProcIsReadByNodeExporter(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "net"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, write func(*os.File) error) {
		f, err := os.Create(filepath.Join(folder, "net", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := write(f); err != nil {
			t.Fatal(err)
		}
	}
	write("ip_vs", func(f *os.File) error { return ipvsadm.WriteProc(f, procServices(t), 4096) })
	write("ip_vs_stats", func(f *os.File) error {
		return ipvsadm.WriteProcStats(f, ipvsadm.Counters{1, 2, 3, 1 << 40, 5}, ipvsadm.Counters{})
	})

	fs, err := procfs.NewFS(folder)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := fs.IPVSStats()
	if want := (procfs.IPVSStats{Connections: 1, IncomingPackets: 2, OutgoingPackets: 3,
		IncomingBytes: 1 << 40, OutgoingBytes: 5}); err != nil || stats != want {
		t.Errorf("read %+v, %v, want %+v", stats, err, want)
	}
	servers, err := fs.IPVSBackendStatus()
	if err != nil || len(servers) != 5 {
		t.Fatalf("read %d real servers, %v", len(servers), err)
	}
	first, six, marked := servers[0], servers[3], servers[4]
	if first.LocalAddress.String() != "10.0.0.100" || first.LocalPort != 80 || first.Weight != 100 ||
		first.RemoteAddress.String() != "10.1.0.11" || first.RemotePort != 8080 ||
		first.ActiveConn != 1234567 || first.InactConn != 2 || first.Proto != "TCP" {
		t.Errorf("read %+v", first)
	}
	if six.LocalAddress.String() != "fd00::100" || six.RemoteAddress.String() != "fd01::11" ||
		six.RemotePort != 443 {
		t.Errorf("read %+v", six)
	}
	if marked.LocalMark != "00000007" || marked.RemoteAddress.String() != "10.1.0.13" {
		t.Errorf("read %+v", marked)
	}
}

func TestRates(t *testing.T) {
	after := ipvsadm.Counters{10, 100, 7, 1500, 0}
	before := ipvsadm.Counters{4, 100, 8, 0, 0}
	for between, want := range map[time.Duration]ipvsadm.Counters{
		2 * time.Second:        {3, 0, 0, 750, 0},
		500 * time.Millisecond: {12, 0, 0, 3000, 0},
		0:                      {},
		-time.Second:           {},
	} {
		if got := ipvsadm.Rates(after, before, between); got != want {
			t.Errorf("in %s: %v, want %v", between, got, want)
		}
	}
}

func TestTotal(t *testing.T) {
	services := []ipvsadm.Service{{Counters: ipvsadm.Counters{1, 2, 3, 4, 5}},
		{Counters: ipvsadm.Counters{10, 20, 30, 40, 50}}}
	if got, want := ipvsadm.Total(services), (ipvsadm.Counters{11, 22, 33, 44, 55}); got != want {
		t.Errorf("sum %v, want %v", got, want)
	}
}
