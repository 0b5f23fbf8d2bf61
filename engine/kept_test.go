package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// keptIn keeps sessions in a folder.
func keptIn(folder string, workers int) func(*bedConfig) {
	return func(c *bedConfig) { c.keep, c.workers = folder, workers }
}

// startingAt starts a director's clock at a time in ms.
func startingAt(clock uint32) func(*bedConfig) { return func(c *bedConfig) { c.now = clock } }

// restart ends a director and starts another one in the same folder. The clock goes on.
func (b *bed) restart(n Settings, folder string, workers int, changes ...func(*bedConfig)) *bed {
	b.Helper()
	b.close()
	return newBed(b.TB, b.site, n, append(changes, keptIn(folder, workers))...)
}

// keptReport expects what became of the sessions.
func (b *bed) keptReport(kept int, dropped map[string]int) {
	b.Helper()
	r := b.engine.Kept()
	if r.Kept != kept || !maps.Equal(r.Dropped, dropped) || len(r.Aside) != 0 {
		b.Fatalf("%+v, want %d kept, %v dropped", r, kept, dropped)
	}
}

// trail is how a packet left the director.
type trail struct {
	port     int
	mac      packet.MAC
	src, dst netip.AddrPort
}

func (t trail) String() string { return fmt.Sprint(t.port, t.mac, t.src, t.dst) }

// ask has a client send a packet, and returns how it reached a real server.
func (b *bed) ask(m modes.Mode, p pkt) trail {
	b.Helper()
	b.fromClient(p)
	for port, frames := range b.collectAll() {
		if len(frames) == 0 {
			continue
		}
		f := frames[0]
		t := trail{port: port, mac: packet.Ethernet(f).Dst()}
		if m == modes.IPIP {
			f = b.site.untunnelled(f)
		}
		t.src, t.dst = flowOf(f)
		return t
	}
	b.Fatalf("nothing was sent; dropped %q", b.drops())
	return trail{}
}

// reply has the real server answer what left by a trail, and expects it at the client.
func (b *bed) reply(t trail, client string) {
	b.Helper()
	p := tcp(client, webVIP, "PA").carrying("still here")
	p.src, p.dst = t.dst, t.src
	b.receive(b.site.back, p.frame(t.mac, b.site.ports[b.site.back].mac))
	got := collect(b.ports[b.site.front])
	if len(got) != 1 {
		b.Fatalf("%d answers; dropped %q", len(got), b.drops())
	}
	want := b.site.in(tcp(client, webVIP, ""))
	if src, dst := flowOf(got[0]); src != want.dst || dst != want.src {
		b.Fatalf("the client got %v -> %v", src, dst)
	}
}

// inMemory returns a folder for kept sessions, in memory if the machine has such a place: a disk
// takes most of the time of these tests.
func inMemory(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "fulcrum-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// eachKept runs a test in all modes, topologies and families with one worker and with three.
func eachKept(t *testing.T, test func(t *testing.T, s site, m modes.Mode, workers int)) {
	for i, s := range sites {
		for j, m := range allModes {
			for k, workers := range []int{1, 3} {
				if testing.Short() && (i+j+k)%2 == 1 {
					continue // each pair of site, mode and workers is still there
				}
				t.Run(fmt.Sprintf("%s/%v/%d", s.name, m, workers), func(t *testing.T) {
					t.Parallel()
					test(t, s, m, workers)
				})
			}
		}
	}
}

// TestSessionsOutliveTheProcess: connections go on at another director, at their real servers and
// from their local ports, and count there.
func TestSessionsOutliveTheProcess(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := inMemory(t), s.serving(s.web(m, 3), s.echo(m, 3))
		b := newBed(t, s, n, keptIn(folder, workers))
		before := map[string]trail{}
		for i := range 12 {
			at := b.ask(m, tcp(clientAt(i), webVIP, "S"))
			if before[clientAt(i)] = at; m.TwoWay() {
				b.reply(at, clientAt(i))
			}
			b.ask(m, tcp(clientAt(i), webVIP, "A"))
		}
		datagram := b.ask(m, udp(clientAt(99), echoVIP, "?"))
		loads := func(b *bed) (all []int32) {
			for service := range 2 {
				for i := range 3 {
					load := b.poolOf(service).At(i).Load
					all = append(all, load.Active(), load.Inactive())
				}
			}
			return all
		}
		counted := loads(b)
		for round := range 3 {
			b = b.restart(n, folder, workers)
			b.keptReport(13, nil)
			b.sessions(13)
			if got := loads(b); !slices.Equal(got, counted) {
				t.Errorf("connections %v, want %v", got, counted)
			}
			for client, was := range before {
				at := b.ask(m, tcp(client, webVIP, "PA").carrying("still here?"))
				if at != was {
					t.Fatalf("round %d: %+v, want %+v", round, at, was)
				}
				if m.TwoWay() {
					b.reply(at, client)
				}
			}
			if at := b.ask(m, udp(clientAt(99), echoVIP, "?")); at != datagram {
				t.Errorf("%+v, want %+v", at, datagram)
			}
			b.sessions(13)
			b.dropped("")
		}
	})
}

// TestSessionsOfOthers: what fits no more is dropped by name.
func TestSessionsOfOthers(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := inMemory(t), s.serving(s.web(m, 3), s.echo(m, 1))
		b := newBed(t, s, n, keptIn(folder, workers))
		for i := range 9 {
			b.ask(m, tcp(clientAt(i), webVIP, "S"))
		}
		b.ask(m, udp(clientAt(99), echoVIP, "?"))
		less := s.serving(s.web(m, 2), s.echo(m, 1))
		b = b.restart(less, folder, workers)
		b.keptReport(7, map[string]int{keptRemoved: 3})
		b = b.restart(s.serving(s.web(m, 3)), folder, workers)
		b.keptReport(6, map[string]int{keptRemoved: 1})
		b.close()
		b = newBed(t, s, n, keptIn(folder, workers), func(c *bedConfig) { c.sessions = workers * 2 })
		r := b.engine.Kept()
		if r.Kept+r.Dropped[keptFull] != 6 || r.Kept == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestKeptFolder: a folder that another director has, or that has nonsense, costs no start.
func TestKeptFolder(t *testing.T) {
	s, folder := oneArm, inMemory(t)
	n := s.serving(s.web(modes.NAT, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.ask(modes.NAT, tcp(client, webVIP, "S"))
	c := b.engine.cfg
	c.Ports = b.engine.cfg.Ports
	if _, err := New(c, n); err == nil || !strings.Contains(err.Error(), "another director keeps its sessions there") {
		t.Errorf("two directors: %v", err)
	}
	b.close()
	run := filepath.Join(folder, "run-0")
	for name, damage := range map[string]func(run string) error{
		"another boot": func(run string) error {
			return edit(filepath.Join(run, "about"), bootID(), "another")
		},
		"another format": func(run string) error { return edit(filepath.Join(run, "about"), `"format":1`, `"format":2`) },
		"nonsense":       func(run string) error { return os.WriteFile(filepath.Join(run, "about"), []byte("{"), 0o600) },
		"no names":       func(run string) error { return os.Remove(filepath.Join(run, "names")) },
		"no table":       func(run string) error { return os.Remove(filepath.Join(run, "table-0")) },
		"half a table":   func(run string) error { return os.Truncate(filepath.Join(run, "table-0"), 5000) },
	} {
		t.Run(name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "keep")
			if err := os.CopyFS(filepath.Join(copied, "run-0"), os.DirFS(run)); err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(copied, "run-0")); err != nil {
				t.Fatal(err)
			}
			b := newBed(t, s, n, keptIn(copied, 1))
			if r := b.engine.Kept(); r.Kept != 0 || len(r.Aside) != 1 {
				t.Errorf("%+v", r)
			}
			b.ask(modes.NAT, tcp(client, webVIP, "S"))
			b = b.restart(n, copied, 1)
			b.keptReport(1, nil)
		})
	}
}

// edit replaces a text in a file.
func edit(path, old, changed string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Replace(string(b), old, changed, 1)), 0o600)
}
