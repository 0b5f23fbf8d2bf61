package director

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
)

// TestMovesAreLogged: the first refused move at once, and then one line in ten seconds with all
// that came since.
func TestMovesAreLogged(t *testing.T) {
	var said strings.Builder
	d := &Director{cfg: Config{
		Log:    slog.New(slog.NewTextHandler(&said, nil)),
		Config: &config.Config{Ports: []config.Port{{Name: "front"}, {Name: "back"}}},
	}}
	m := &moves{Director: d}
	last := engine.RefusedMove{
		Address: netip.MustParseAddr("10.1.0.11"), Port: 1, MAC: [6]byte{2, 1}, Claimant: [6]byte{2, 6},
	}
	now := time.Unix(1000, 0)
	for i, total := range []uint64{0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11} {
		m.look(now.Add(time.Duration(i)*time.Second), total, &last)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "claims=1") ||
		!strings.HasSuffix(lines[1], "claims=10") {
		t.Fatalf("it said\n%s", said.String())
	}
	for _, part := range []string{
		"address=10.1.0.11", "port=back", "mac=02:01:00:00:00:00", "claimed_by=02:06:00:00:00:00",
	} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("no %s in %s", part, lines[0])
		}
	}
}

// TestForgedClaimReachesTheLog: from the wire to the log of the running director.
func TestForgedClaimReachesTheLog(t *testing.T) {
	b := newBed(t)
	b.rewrite("[[neighbour]]\naddress = \"10.0.0.11\"\nmac = \"02:00:00:00:00:11\"\n", "")
	said := make(lines, 100)
	c, err := config.Load(b.file)
	if err != nil {
		t.Fatal(err)
	}
	b.Director, err = New(Config{Config: c, File: b.file, Devices: b.devices,
		Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	server, forger := [6]byte{2, 0, 0, 0, 0, 0x11}, [6]byte{2, 0, 0, 0, 6, 0x66}
	deadline := time.After(30 * time.Second)
	for found := false; !found; {
		for _, mac := range [][6]byte{server, forger, server} {
			b.devices.port.Receive(isAt(mac))
		}
		select {
		case line := <-said:
			found = strings.Contains(line, "claimed_by=02:00:00:00:06:66")
		case <-time.After(100 * time.Millisecond):
		case <-deadline:
			t.Fatal("no line about the claim")
		}
	}
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
}

// lines takes what a logger writes.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	select {
	case l <- string(line):
	default:
	}
	return len(line), nil
}

// isAt is an ARP reply to the director: 10.0.0.11 has a MAC.
func isAt(mac [6]byte) []byte {
	f := make([]byte, 60)
	copy(f, portMAC[:])
	copy(f[6:], mac[:])
	copy(f[12:], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 2})
	copy(f[22:], mac[:])
	copy(f[28:], []byte{10, 0, 0, 11})
	copy(f[32:], portMAC[:])
	copy(f[38:], []byte{10, 0, 0, 1})
	return f
}
