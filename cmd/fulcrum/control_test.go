package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/gopacket/pcapgo"
)

// withControl returns the configuration of the quiet director with a control socket of its own.
// changes are pairs of an old and a new text.
func withControl(t *testing.T, changes ...string) (file, socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "control.sock")
	text := quiet(t, "workers = 1", fmt.Sprintf("workers = 1\ncontrol = %q", socket))
	text = strings.NewReplacer(changes...).Replace(text)
	return writeFile(t, "director.toml", text), socket
}

// ask runs a command to its end and returns its output.
func ask(t *testing.T, status int, arguments ...string) (stdout, stderr string) {
	t.Helper()
	p := newProgram(t, arguments...).start()
	if got := p.end(); got != status {
		t.Fatalf("fulcrum %v ended with %d, want %d:\n%s%s", arguments, got, status, p.stdout.String(),
			p.stderr.String())
	}
	return p.stdout.String(), p.stderr.String()
}

// TestExplainsWhileRunning explains a packet to a service and a packet to an unknown address.
func TestExplainsWhileRunning(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t)
	newProgram(t, "run", "--config", file).start().awaitReady()
	said, _ := ask(t, 0, "explain", "tcp", "10.0.0.9:4242", "10.0.0.100:80", "--socket", socket)
	for _, words := range []string{"service      web (dr, rr)\n", "real server  10.0.0.11:80\n",
		"next hop     10.0.0.11, ", "verdict      "} {
		if !strings.Contains(said, words) {
			t.Errorf("no %q in\n%s", words, said)
		}
	}
	said, _ = ask(t, 0, "explain", "udp", "10.0.0.9:4242", "10.0.0.100:80", "--socket", socket,
		"-o", "json")
	if !strings.Contains(said, `"reason": "no_service"`) {
		t.Errorf("it says %s", said)
	}
	_, complaint := ask(t, 1, "explain", "tcp", "10.0.0.9", "10.0.0.100:80", "--socket", socket)
	if !strings.Contains(complaint, "from: ") {
		t.Errorf("it complains: %s", complaint)
	}
}

// TestCapturesWhileRunning captures from a device that never runs dry. The director drops all its
// packets.
func TestCapturesWhileRunning(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t, "net_null0,no-rx=1", "net_null0,size=64")
	newProgram(t, "run", "--config", file).start().awaitReady()
	recorded := filepath.Join(t.TempDir(), "drops.pcapng")
	_, said := ask(t, 0, "capture", "--stage", "rx,drop", "-c", "200", "-w", recorded, "--socket",
		socket, "ether", "src", "0:0:0:0:0:0", "and", "greater", "60")
	if !strings.HasPrefix(said, "200 packets, ") || !strings.Contains(said, " missed") {
		t.Errorf("at the end it says %q", said)
	}
	packets := packetsIn(t, recorded)
	if packets != 200 {
		t.Errorf("%d packets, want 200", packets)
	}
	data, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), "not_ip: ") &&
		!strings.Contains(string(data), "not_our_mac: ") {
		t.Error("no packet has a reason")
	}
	_, complaint := ask(t, 1, "capture", "--filter", "tpc", "-w", recorded, "--socket", socket)
	if !strings.Contains(complaint, `word 1 is "tpc"`) {
		t.Errorf("it complains: %s", complaint)
	}
	_, complaint = ask(t, 1, "capture", "-w", recorded, "--socket", socket, "tcp[")
	if !strings.Contains(complaint, `expression "tcp[": `) ||
		!strings.Contains(complaint, "syntax error: see man pcap-filter") {
		t.Errorf("it complains: %s", complaint)
	}
	ask(t, 2, "capture", "--socket", socket)
}

// TestCaptureThatIsInterrupted: status and other captures name it while it runs. On SIGINT it ends
// in order, and says what it has recorded.
func TestCaptureThatIsInterrupted(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t)
	newProgram(t, "run", "--config", file).start().awaitReady()
	recorded := filepath.Join(t.TempDir(), "none.pcapng")
	p := newProgram(t, "capture", "-w", recorded, "--socket", socket, "tcp port 80").start()
	awaitStatus(t, socket, `of "tcp port 80", since `)
	_, refused := ask(t, 1, "capture", "-w", "-", "--socket", socket)
	who := fmt.Sprintf(`(process %d of user %d)`, p.command.Process.Pid, os.Getuid())
	if !strings.Contains(refused, `of "tcp port 80", by fulcrum`) || !strings.Contains(refused, who) {
		t.Errorf("a second capture is refused: %s, want %s", refused, who)
	}
	awaitFile(t, recorded)
	p.signal(syscall.SIGINT)
	if status := p.end(); status != 0 || p.stderr.String() != "0 packets, 0 missed\n" {
		t.Errorf("exit status %d, and it says %s", status, p.stderr.String())
	}
}

// TestCaptureOfADirectorThatFails: the command says that it did not come to its end.
func TestCaptureOfADirectorThatFails(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t)
	director := newProgram(t, "run", "--config", file).start().awaitReady()
	recorded := filepath.Join(t.TempDir(), "none.pcapng")
	p := newProgram(t, "capture", "-w", recorded, "--socket", socket).start()
	awaitFile(t, recorded)
	director.signal(syscall.SIGKILL)
	director.end()
	status, said := p.end(), p.stderr.String()
	if status != 1 || !strings.Contains(said, "the director broke off the capture") ||
		!strings.Contains(said, "0 packets; the director did not say how many were missed") {
		t.Errorf("exit status %d, and it says %s", status, said)
	}
}

// awaitStatus waits until fulcrum status shows a text.
func awaitStatus(t *testing.T, socket, text string) {
	t.Helper()
	eventually(t, text, func() bool {
		said, _ := ask(t, 0, "status", "--socket", socket)
		return strings.Contains(said, text)
	})
}

// awaitFile waits until a file has contents.
func awaitFile(t *testing.T, name string) {
	t.Helper()
	eventually(t, name, func() bool {
		info, err := os.Stat(name)
		return err == nil && info.Size() > 0
	})
}

func packetsIn(t *testing.T, name string) (packets int) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := r.ReadPacketData(); err != nil {
			return packets
		}
		packets++
	}
}

// TestSocketIsOursAlone: only the owner may use the socket, it is removed with the director, and a
// second director does not take it.
func TestSocketIsOursAlone(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t)
	p := newProgram(t, "run", "--config", file).start().awaitReady()
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, said := ask(t, 1, "run", "--config", file); !strings.Contains(said, "in director.control") {
		t.Errorf("the second says %s", said)
	}
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	_, said := ask(t, 1, "explain", "tcp", "10.0.0.9:4242", "10.0.0.100:80", "--socket", socket)
	if !strings.Contains(said, "is it running") {
		t.Errorf("it says %s", said)
	}
}

// TestRemoteFlagsGoTogether: a missing flag is reported before a request is sent.
func TestRemoteFlagsGoTogether(t *testing.T) {
	for _, tt := range []struct {
		status    int
		arguments []string
		want      string
	}{
		{2, []string{"status", "--remote", "https://127.0.0.1:1"}, "--token-file"},
		{2, []string{"sessions", "--ca", "x.pem"}, "need --remote"},
		{2, []string{"status", "--socket", "x.sock", "--remote", "https://127.0.0.1:1"}, "exclude each other"},
		{1, []string{"drain", "web", "10.0.0.11:80", "--remote", "127.0.0.1:1", "--token-file", "x"}, "write https://"},
		{1, []string{"top", "--remote", "https://127.0.0.1:1", "--token-file", "/nonexistent"}, "/nonexistent"},
	} {
		if _, said := ask(t, tt.status, tt.arguments...); !strings.Contains(said, tt.want) {
			t.Errorf("%v: %s, want %q", tt.arguments, said, tt.want)
		}
	}
}
