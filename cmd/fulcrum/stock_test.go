package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestStockMethods: stock keepalived drives a director in each of its methods, and real clients are
// served all the while: checks of all kinds fail and succeed, the quorum is lost to a sorry server
// and regained, keepalived reloads, and either side is killed and comes back. A service of the file
// in mode fullnat gets its real servers from keepalived by NAT.
func TestStockMethods(t *testing.T) {
	for _, mode := range soaking(lvs.NAT, lvs.FullNAT) {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			change := bare
			if mode == lvs.FullNAT {
				change = unmanned
			}
			b := newStockBed(t, lab.Config{Mode: mode, Servers: 5}, true, change)
			b.drive(mode)
		})
	}
}

func (b *stockBed) drive(mode lvs.Mode) {
	t := b.hostBed.t
	file, checks := filepath.Join(t.TempDir(), "keepalived.conf"), b.checkups()
	b.write(file, b.stockFile(mode, checks, 1))
	k := b.keep(file)
	b.has("all real servers", 1, 1, 1, 1, -1)
	b.check(mode)
	lost := b.requests(func() {
		for _, c := range checks {
			c.up(false)
		}
		b.has("the sorry server alone", -1, 0, -1, -1, 1)
		for _, c := range checks {
			c.up(true)
		}
		b.has("all real servers again", 1, 1, 1, 1, -1)
	})
	t.Logf("checks failed: %d requests failed", lost)
	lost = b.requests(func() {
		b.write(file, b.stockFile(mode, checks[:3], 2))
		k.signal(syscall.SIGHUP)
		b.has("what the new file says", 2, 2, 2, -1, -1)
	})
	t.Logf("keepalived reloaded: %d requests failed", lost)
	k = b.keepalivedDies(k, file, checks)
	b.directorDies(checks)
	k.signal(syscall.SIGTERM)
	if status := k.end(); status != 0 {
		t.Errorf("keepalived ended with status %d", status)
	}
	b.has("nothing of keepalived's", -1, -1, -1, -1, -1)
	b.undirect()
}

// check checks that real servers are served in a mode, and that ipvsadm lists real sessions.
func (b *stockBed) check(mode lvs.Mode) {
	t := b.hostBed.t
	t.Helper()
	for _, s := range b.services() {
		for _, rs := range s.RealServers {
			want := mode
			if mode == lvs.FullNAT {
				want = lvs.NAT // messages have no other word for it
			}
			same(t, "the mode of "+rs.Address.String(), s.ModeOf(rs), want)
		}
	}
	seen := map[string]int{}
	for _, a := range b.get(40) {
		seen[a.Name]++
	}
	same(t, "answers", seen, map[string]int{"rs1": 10, "rs2": 10, "rs3": 10, "rs4": 10})
	list, _ := b.says(0, "ipvsadm", "-Lnc")
	if n := strings.Count(list, " "+b.VIP().String()+":80 "); n < 40 {
		t.Errorf("ipvsadm -Lnc has %d of 40 sessions:\n%s", n, list)
	}
}

// keepalivedDies kills keepalived with its checkers, and starts it again. The director goes on
// meanwhile, and the next one finds its services there.
func (b *stockBed) keepalivedDies(k *program, file string, checks []checkup) *program {
	t := b.hostBed.t
	lost := b.requests(func() {
		killGroup(k)
		k.end()
		b.has("the services of the dead", 2, 2, 2, -1, -1)
		checks[0].up(false)
		k = b.keep(file)
		b.has("what the next one finds", -1, 2, 2, -1, -1)
		checks[0].up(true)
		b.has("all of them", 2, 2, 2, -1, -1)
	})
	t.Logf("keepalived was killed: %d requests failed", lost)
	return k
}

// directorDies kills the director, and starts it again. It has what keepalived had made, and
// hears later what has happened meanwhile.
func (b *stockBed) directorDies(checks []checkup) {
	lost := b.requests(func() {
		b.run.kill()
		checks[0].up(false)
		checks[1].up(false)
		b.direct()
		b.has("what happened meanwhile", -1, 0, 2, -1, -1)
		checks[0].up(true)
		checks[1].up(true)
		b.has("what was there before", 2, 2, 2, -1, -1)
	})
	b.hostBed.t.Logf("the director was killed: %d requests failed", lost)
}

// TestStockWithoutState: a director without a state folder says that it loses what keepalived
// makes. It comes back empty, and keepalived adds everything again when it starts anew.
func TestStockWithoutState(t *testing.T) {
	t.Parallel()
	b := newStockBed(t, lab.Config{Mode: lvs.DR}, false, bare)
	status, _ := ask(t, 0, "status", "--socket", b.ControlSocket())
	if want := "a restart loses what was done live: "; !strings.Contains(status, want) {
		t.Errorf("no %q in\n%s", want, status)
	}
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	b.write(file, b.stockFile(lvs.DR, []checkup{{}, {}}, 1))
	k := b.keep(file)
	b.has("both real servers", 1, 1, -1)
	b.run.kill()
	b.direct()
	k.signal(syscall.SIGHUP)
	eventually(t, "a reload", func() bool { return strings.Contains(k.stderr.String()+k.stdout.String(), "Reload complete") })
	b.has("nothing, as keepalived believes it there", -1, -1, -1)
	k.signal(syscall.SIGTERM)
	k.end()
	b.keep(file)
	b.has("both real servers again", 1, 1, -1)
	same(t, "answers", len(b.get(10)), 10)
	b.undirect()
}

// TestStockVRRP: two directors, and on each a stock keepalived that has both the VIP's virtual
// router and its real servers. The services stand in the files, for what messages cannot say: the
// host owns their VIP. Clients move with it when the master's keepalived stops, and back.
func TestStockVRRP(t *testing.T) {
	t.Parallel()
	b := newStockBed(t, lab.Config{Mode: lvs.FullNAT}, true, func(text string) string {
		return owned(unmanned(text))
	})
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	two := preloaded{t: t, path: filepath.Join(folder, "ipvs.sock"), library: preload(t)}
	b.library = two.library
	run := b.directorTwo(replaced(string(text), b.path, two.path,
		filepath.Join(filepath.Dir(b.path), "state"), filepath.Join(folder, "state")))
	first := b.keepBoth("director", &b.preloaded, 150)
	b.awaitVIP("director", true)
	b.keepBoth("two", &two, 100)
	vip := netip.AddrPortFrom(b.VIP(), 80)
	for _, s := range []*preloaded{&b.preloaded, &two} {
		eventually(t, "real servers", func() bool { return len(s.weights(vip)) == 2 })
	}
	same(t, "answers by the first", len(b.get(12)), 12)
	lost := b.requests(func() {
		_ = first.command.Process.Signal(os.Interrupt)
		b.awaitVIP("two", true)
		b.awaitVIP("director", false)
	})
	t.Logf("the master's keepalived stopped: %d requests failed", lost)
	b.keepBoth("director", &b.preloaded, 200) // it waits, as the other one is there
	eventually(t, "its real servers again", func() bool { return len(b.weights(vip)) == 2 })
	lost = b.requests(func() {
		run.kill()
		b.hostBed.run("router", "ip link set plug-two down")
		b.awaitVIP("director", true)
	})
	t.Logf("the other director died: %d requests failed", lost)
	same(t, "answers by the first again", len(b.get(12)), 12)
	b.undirect()
}

// keepBoth starts keepalived with VRRP and checkers beside a director.
func (b *stockBed) keepBoth(role string, s *preloaded, priority int) keeper {
	t := b.hostBed.t
	t.Helper()
	folder := t.TempDir()
	b.write(filepath.Join(folder, "keepalived.conf"),
		vrrpFile(priority)+b.stockFile(lvs.FullNAT, []checkup{{}, {}}, 1))
	return b.keeps(role, fmt.Sprintf("exec %s ipvs-shim --socket %s --library %s -- keepalived -n -l -D "+
		"-f %[4]s/keepalived.conf -p %[4]s/pid -r %[4]s/vrrp.pid -c %[4]s/checkers.pid",
		ownBinary(t), s.path, s.library, folder))
}
