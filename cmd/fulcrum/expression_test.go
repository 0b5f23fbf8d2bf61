package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/pcapgo"

	"fulcrum/lvs"
)

// expressions are of every kind that tcpdump's manual has.
var expressions = []string{
	"tcp", "ip", "ip6", "arp", "udp", "sctp", "icmp", "icmp6", "icmp or arp", "not tcp",
	"tcp port 80", "src port 80", "dst port 80", "portrange 79-8080", "port http",
	"host 10.0.0.100", "src host 10.0.0.100", "net 10.0.0.0/8", "dst net 192.168 and not arp",
	"tcp or udp and port 53", "tcp port 80 and host 10.0.0.100 and tcp[tcpflags] & tcp-syn != 0",
	"tcp[tcpflags] & (tcp-fin|tcp-rst) != 0", "tcp[13] = 2", "ip[8] < 64", "ip[2:2] > 60",
	"greater 60", "less 60", "len = 54", "ether host 02:00:00:00:01:01", "ether dst 02:00:00:00:01:01",
	"ether proto 0x0806", "ether broadcast", "ether multicast", "ip multicast", "ip proto 4", "proto 4",
	"ip[6:2] & 0x1fff != 0", "ip[6:2] & 0x3fff = 0", "icmp[icmptype] = icmp-unreach",
	"ip6 proto 6", "vlan", "mpls",
	"ether[12:2] = 0x0800 and ether[14] & 0xf = 5", "tcp[0:2] % 2 = 0", "tcp[0:2] / 3 > 100",
	"(tcp[0:2] ^ tcp[2:2]) << 1 > 8", "ip[len - 15] >= 0", "ip[(ip[0] & 0xf) * 4] != 0",
	"not (tcp port 80 or udp) and not arp", "tcp[tcpflags] == 0x12 || icmp && !ip6",
}

// TestExpressionsSelectAsTcpdump: on recordings of all modes, and on each of their packets cut off
// at any length, expressions select the packets that tcpdump selects.
func TestExpressionsSelectAsTcpdump(t *testing.T) {
	tcpdump := needTcpdump(t)
	var frames [][]byte
	for mode := range lvs.NumModes {
		for _, way := range []string{"in", "out"} {
			frames = append(frames, recording(t, mode, way)...)
		}
	}
	for _, f := range slices.Clone(frames)[:min(len(frames), 8)] {
		for n := 1; n < len(f); n++ {
			frames = append(frames, f[:n])
		}
	}
	file := filepath.Join(t.TempDir(), "frames.pcap")
	writeCapture(t, file, frames)
	for _, e := range expressions {
		program, err := compileFilter(e)
		if err != nil {
			t.Errorf("%q: %v", e, err)
			continue
		}
		got := slices.DeleteFunc(slices.Clone(frames), func(f []byte) bool { return !program.Match(f) })
		want := selected(t, tcpdump, file, e)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q selects %d packets, tcpdump selects %d", e, len(got), len(want))
		}
	}
}

// needTcpdump returns tcpdump's path, or skips a test unless CI runs it.
func needTcpdump(t *testing.T) string {
	t.Helper()
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("CI has to run this test with tcpdump: see third_party/install.sh")
	}
	if err != nil {
		t.Skip("no tcpdump here")
	}
	return tcpdump
}

// selected returns the packets of a file that tcpdump selects.
func selected(t *testing.T, tcpdump, file, expression string) (frames [][]byte) {
	t.Helper()
	command := exec.Command(tcpdump, "-r", file, "-w", "-", expression)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("tcpdump %q: %v", expression, err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for {
		f, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
}

// TestBadExpressions: the words are libpcap's, and those for what only a kernel can tell are ours.
func TestBadExpressions(t *testing.T) {
	for _, tt := range []struct{ expression, want string }{
		{"tcp[", "syntax error"},
		{"tcp port 99999", "illegal port number 99999 > 65535"},
		{"inbound", "--stage tells directions"},
		{"-ip[0] = 5", "unary minus is not supported: write 0 - X"},
		{"ip6 protochain 17", "it has a loop, as protochain does: use proto"},
		{"tcp\x00 or udp", "NUL"},
		{strings.Repeat("not ", 2000) + "tcp", "8003 characters: at most 4096"},
		{strings.Repeat("(", 4000), "syntax error"},
	} {
		if _, err := compileFilter(tt.expression); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %q", tt.expression, err, tt.want)
		}
	}
}

// BenchmarkExpression measures the cost of a packet that does not match.
func BenchmarkExpression(b *testing.B) {
	frame, err := os.ReadFile("../../engine/testdata/nat-in.pcap")
	if err != nil {
		b.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(frame))
	if err != nil {
		b.Fatal(err)
	}
	first, _, err := r.ReadPacketData()
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range []string{"tcp port 9999", "tcp and host 10.9.9.9 and not port 22"} {
		program, err := compileFilter(e)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(e, func(b *testing.B) {
			for b.Loop() {
				program.Match(first)
			}
		})
	}
}

// FuzzExpression checks that no expression makes libpcap or a worker fail. Names of hosts are left
// out: looking them up takes long.
func FuzzExpression(f *testing.F) {
	for _, e := range expressions {
		f.Add(e, make([]byte, 60))
	}
	f.Fuzz(func(_ *testing.T, expression string, frame []byte) {
		if strings.Contains(expression, "host") || strings.Contains(expression, "net") ||
			strings.Contains(expression, "gateway") {
			return
		}
		if program, err := compileFilter(expression); err == nil {
			program.Match(frame)
		}
	})
}
