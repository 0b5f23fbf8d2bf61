package director

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/control"
)

// keptBed is a bed whose director keeps its sessions and what was done live in folders. Its service
// has three real servers; the last one's check looks for a file that is not there.
func keptBed(t *testing.T, state, keep, interval string) *bed {
	t.Helper()
	good := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(good, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBedOf(t, fmt.Sprintf("state = %q\n", state))
	b.rewrite("max = 1000\n", fmt.Sprintf("max = 1000\nkeep = %q\n", keep))
	for i := 12; i <= 14; i++ {
		b.rewrite("[[service]]\n", fmt.Sprintf("[[neighbour]]\naddress = \"10.0.0.%d\"\n"+
			"mac = \"02:00:00:00:00:%d\"\n[[service]]\n", i, i))
	}
	b.rewrite("  weight = 1\n", "  weight = 1\n  [[service.real_server]]\n  address = \"10.0.0.12:53\"\n"+
		"  weight = 1\n  [[service.real_server]]\n  address = \"10.0.0.13:53\"\n  weight = 1\n"+
		"    [service.real_server.health]\n    path = \"/no/such/file\"\n")
	b.rewrite("mode = \"nat\"\n", fmt.Sprintf("mode = \"nat\"\n  [service.health]\n  type = \"file\"\n"+
		"  path = %q\n  interval = %q\n  timeout = \"10ms\"\n  fall = 1\n", good, interval))
	b.load()
	return b
}

// changeLive changes a weight, drains a real server and adds one.
func (b *bed) changeLive() {
	b.Helper()
	ctx, weight := context.Background(), 3
	if _, err := b.running.ChangeRealServer(ctx, control.ServerID{Service: "dns", Server: "10.0.0.11:53"},
		control.RealServerChange{Weight: &weight}); err != nil {
		b.Fatal(err)
	}
	added := control.RealServerAddition{Address: "10.0.0.14:53"}
	if _, err := b.running.AddRealServer(ctx, "dns", added); err != nil {
		b.Fatal(err)
	}
	if _, err := b.running.Drain(ctx, control.ServerID{Service: "dns", Server: "10.0.0.12:53"},
		control.DrainRequest{DeadlineSeconds: 3600}); err != nil {
		b.Fatal(err)
	}
}

// servers describes the real servers: address, weight, state and sessions.
func (b *bed) servers() string {
	var text strings.Builder
	for _, s := range b.Report().Services[0].RealServers {
		fmt.Fprintf(&text, "%s %d %s %d\n", s.Address, s.Weight, s.State, s.Active+s.Inactive)
	}
	return text.String()
}

// reach returns the real servers to which the clients with some ports come.
func (b *bed) reach(first, n uint16) (all []string) {
	b.Helper()
	for port := first; port < first+n; port++ {
		ip := b.send(port).Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		all = append(all, ip.DstIP.String())
	}
	return all
}

// copyOf copies a folder as a process leaves it that is killed now.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(left, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return left
}

// TestAllOutlivesTheDirector: what was done live, what checks have found, and the sessions survive
// together, over a kill and over a stop. Sessions stay at real servers that are drained or down,
// and new ones come to neither.
func TestAllOutlivesTheDirector(t *testing.T) {
	state, keep := t.TempDir(), filepath.Join(t.TempDir(), "keep")
	b := keptBed(t, state, keep, "1h").start()
	was := b.reach(1000, 6)
	b.stop()
	b = keptBed(t, state, keep, "10ms").start()
	b.eventually("a real server that is down", func() bool {
		return b.Report().Services[0].RealServers[2].State == "down"
	})
	b.changeLive()
	const changed = "10.0.0.11:53 3 up 2\n10.0.0.12:53 0 draining 2\n10.0.0.13:53 1 down 2\n" +
		"10.0.0.14:53 1 up 0\n"
	b.eventually("all changes", func() bool { return b.servers() == changed })
	b.eventually("the verdict in the folder", func() bool {
		text, _ := os.ReadFile(filepath.Join(state, "down"))
		return strings.Contains(string(text), "10.0.0.13:53")
	})
	killed := [2]string{copyOf(t, state), copyOf(t, keep)}
	b.stop()
	for how, left := range map[string][2]string{"stopped": {state, keep}, "killed": killed} {
		t.Run(how, func(t *testing.T) {
			b := keptBed(t, left[0], left[1], "1h").start()
			if got := b.servers(); got != changed {
				t.Errorf("real servers\n%swant\n%s", got, changed)
			}
			if k := b.Report().Kept; k.Kept != 6 || k.Found != 6 || len(k.Aside) != 0 {
				t.Errorf("%+v", k)
			}
			if got := b.reach(1000, 6); fmt.Sprint(got) != fmt.Sprint(was) {
				t.Errorf("old sessions at %v, want %v", got, was)
			}
			for _, server := range b.reach(2000, 8) {
				if server != "10.0.0.11" && server != "10.0.0.14" {
					t.Errorf("a new session at %s", server)
				}
			}
			if d := b.running.Drains(); len(d) != 1 || d[0].State != control.Draining || d[0].Left != 2 {
				t.Errorf("drains %+v", d)
			}
		})
	}
}
