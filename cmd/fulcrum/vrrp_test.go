package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestHostVRRP: two directors, each with keepalived on its host interface. The VIP is the host's
// (vip_owner), so that it moves with VRRP: when the master's keepalived stops, and when the master
// dies. Clients reach it then by the other one.
func TestHostVRRP(t *testing.T) {
	needProgram(t, "keepalived")
	t.Parallel()
	b := newHostBed(t, lab.Config{Mode: lvs.FullNAT, Arms: 1})
	two := b.secondDirector()
	b.apply(owned)
	first := b.keepalived("director", 150)
	b.awaitVIP("director", true)
	second := b.keepalived("two", 100)
	eventually(t, "a backup", func() bool { return strings.Contains(second.said.String(), "Entering BACKUP STATE") })
	same(t, "answers by the first", len(b.get(12)), 12)
	b.awaitVIP("two", false)

	lost := b.requests(func() {
		_ = first.command.Process.Signal(os.Interrupt) // it gives the VIP up
		b.awaitVIP("two", true)
		b.awaitVIP("director", false)
	})
	t.Logf("keepalived stopped: %d requests failed", lost)
	first = b.keepalived("director", 150) // nopreempt: it is the backup now
	eventually(t, "a backup", func() bool { return strings.Contains(first.said.String(), "Entering BACKUP STATE") })

	lost = b.requests(func() {
		two.kill()
		_ = second.command.Process.Kill()
		b.run("router", "ip link set plug-two down") // the kernel of the dead machine is silent too
		b.awaitVIP("director", true)
	})
	t.Logf("the master died: %d requests failed", lost)
	same(t, "answers by the first again", len(b.get(12)), 12)
	b.stopDirector()
}

// owned has the VIPs of a configuration owned by the host.
func owned(text string) string {
	text = strings.ReplaceAll(text, "mode      = ", "vip_owner = \"host\"\nmode      = ")
	return text
}

// secondDirector starts another director beside the lab's, on the same network.
func (b *hostBed) secondDirector() *program {
	b.t.Helper()
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		b.t.Fatal(err)
	}
	return b.directorTwo(owned(string(text)))
}

// directorTwo starts a second director on the configuration of the first.
func (b *hostBed) directorTwo(text string) *program {
	b.t.Helper()
	name := "fulcrum-" + b.ID() + "-two"
	line := fmt.Sprintf("ip netns add %[1]s && ip netns exec fulcrum-%[2]s-router sh -c "+
		"'ip link add plug-two type veth peer name front netns %[1]s && "+
		"ip link set plug-two master br-front up' && ip -n %[1]s link set front up && "+
		"ip -n %[1]s link set lo up", name, b.ID())
	b.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		b.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	file := strings.NewReplacer(b.own().String()+"/24", "10.0.0.3/24", "10.0.0.50", "10.0.0.60",
		"10.0.0.51", "10.0.0.61", "10.0.0.52", "10.0.0.62", "10.0.0.53", "10.0.0.63",
		b.ControlSocket(), filepath.Join(b.t.TempDir(), "two.sock")).Replace(text)
	p := newProgram(b.t, "run", "--config", writeFile(b.t, "two.toml", file))
	b.inside("two", func() error { return p.command.Start() })
	return p.adopt().awaitReady()
}

// keeper is a running keepalived.
type keeper struct {
	command *exec.Cmd
	said    *output
}

// keepalived starts keepalived in a director's namespace. It is the VIP's backup until it hears no
// other.
func (b *hostBed) keepalived(role string, priority int) keeper {
	b.t.Helper()
	folder := b.t.TempDir()
	file := filepath.Join(folder, "keepalived.conf")
	if err := os.WriteFile(file, []byte(vrrpFile(priority)), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return b.keeps(role, fmt.Sprintf(
		"exec keepalived -n -l -D -P -f %[1]s/keepalived.conf -p %[1]s/pid -r %[1]s/vrrp.pid", folder))
}

// vrrpFile has a virtual router of the VIP.
func vrrpFile(priority int) string {
	return fmt.Sprintf(`global_defs {
  vrrp_startup_delay 0.1
  script_user root
}
vrrp_instance vip {
  interface ful-front
  version 3
  state BACKUP
  nopreempt
  virtual_router_id 51
  priority %d
  advert_int 0.1
  garp_master_delay 1
  virtual_ipaddress {
    10.0.0.100/32 dev ful-front
  }
}
`, priority)
}

// keeps runs keepalived by a command line in a director's namespace.
func (b *hostBed) keeps(role, line string) keeper {
	b.t.Helper()
	c := b.command(role, line)
	k := keeper{c, &output{}}
	c.Stdout, c.Stderr = k.said, k.said
	if err := c.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt) // its child ends with it
		_ = c.Wait()
		if b.t.Failed() {
			b.t.Logf("keepalived of %s:\n%s", role, k.said)
		}
	})
	return k
}

// awaitVIP waits until the host interface of a director has the VIP, or has it not.
func (b *hostBed) awaitVIP(role string, has bool) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("the VIP at %s: %t", role, has), func() bool {
		out, err := b.command(role, "ip -o address show dev ful-front").Output()
		return err == nil && strings.Contains(string(out), "10.0.0.100/32") == has
	})
}

// requests asks the VIP all the time while something is done, and until it is answered again. It
// returns how many requests failed.
func (b *hostBed) requests(while func()) int {
	b.t.Helper()
	c := b.client(lab.ClientConfig{})
	ctx, stop := context.WithCancel(b.t.Context())
	defer stop()
	var failed, answered atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			one, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			if _, err := c.Get(one); err == nil {
				answered.Add(1)
			} else if ctx.Err() == nil {
				failed.Add(1)
			}
			cancel()
		}
	}()
	eventually(b.t, "answers before", func() bool { return answered.Load() > 5 })
	while()
	before := answered.Load()
	eventually(b.t, "answers afterwards", func() bool { return answered.Load() > before+5 })
	stop()
	<-done
	return int(failed.Load())
}
