package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestInterfaceMadeAgain: a director whose interface is deleted says so and goes on; when the
// interface is made again it ends, and the next one opens it.
func TestInterfaceMadeAgain(t *testing.T) {
	b := newBed(t, lab.Config{Mode: lvs.DR, Arms: 1})
	const device = "again0"
	b.makeInterface(device)
	socket := filepath.Join(t.TempDir(), "control.sock")
	text := quiet(t, "workers = 1", fmt.Sprintf("workers = 1\ncontrol = %q", socket))
	text = strings.Replace(text, quietDevice, "net_af_packet0,iface="+device, 1)
	file := writeFile(t, "director.toml", text)
	p := b.second("run", "--config", file).awaitReady()
	b.inside("director", func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	eventually(t, "a line in the log", func() bool {
		return strings.Contains(p.stderr.String(), "the port's network interface is gone")
	})
	if said, _ := ask(t, 0, "status", "--socket", socket); !strings.Contains(said, "interface is gone") {
		t.Errorf("the status is %s", said)
	}
	b.makeInterface(device)
	if status := p.end(); status != statusStartAgain {
		t.Errorf("it ended with %d", status)
	}
	const reason = "was deleted and made again, and the director cannot use the new one"
	if !strings.Contains(p.stderr.String(), reason) {
		t.Errorf("it says %s", p.stderr.String())
	}
	p = b.second("run", "--config", file).awaitReady()
	p.signal(syscall.SIGINT)
	if status := p.end(); status != 0 {
		t.Errorf("the next one ended with %d:\n%s", status, p.stderr.String())
	}
}

// makeInterface makes a veth pair in the director's namespace and sets it up.
func (b *bed) makeInterface(name string) {
	b.t.Helper()
	b.inside("director", func() error {
		pair := netlink.NewVeth(netlink.LinkAttrs{Name: name, TxQLen: 1000})
		pair.PeerName = name + "peer"
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		return netlink.LinkSetUp(pair)
	})
}
