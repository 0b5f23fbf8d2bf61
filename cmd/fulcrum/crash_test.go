package main

import (
	"context"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestCrash kills the director under traffic and starts it again. Its sessions are lost: an old
// connection may fail. New connections must work, and scheduling starts anew.
func TestCrash(t *testing.T) {
	for _, mode := range lab.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode})
			old := b.client(lab.ClientConfig{KeepAlive: true})
			if _, err := old.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			stop := b.background()
			if err := b.KillDirector(); err != nil {
				t.Fatal(err)
			}
			stop()
			b.startDirector()
			same(t, "answers after the crash", spread(b.get(60)), [3]int{20, 20, 20})
			same(t, "echoes after the crash", spread(b.echo(30)), [3]int{10, 10, 10})
			b.tryOld(old)
			// not_our_mac: sockets of net_af_packet receive from all interfaces until they are bound to one.
			b.checkOnlyDrops(b.stopDirector(), "no_session", "not_ours", "not_our_mac")
		})
	}
}

// background sends requests until it is stopped. Some of them may fail. It returns once the first
// one was answered.
func (b *bed) background() (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	client, answered, done := b.client(lab.ClientConfig{}), make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := client.Get(ctx); err == nil {
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		}
	}()
	select {
	case <-answered:
	case <-time.After(patience):
		b.t.Error("no request was answered")
	}
	return func() { cancel(); <-done; client.Close() }
}

// tryOld uses a connection from before the crash. It may get no answer.
func (b *bed) tryOld(c *lab.Client) {
	ctx, cancel := context.WithTimeout(b.t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx); err != nil {
		b.t.Logf("the connection from before the crash: %v", err)
	}
}

// checkOnlyDrops fails if a drop has another reason than those given.
func (b *bed) checkOnlyDrops(r *lab.Report, reasons ...string) {
	b.t.Helper()
	for _, reason := range reasons {
		delete(r.Drops, reason)
	}
	same(b.t, "drops of other reasons", r.Drops, map[string]uint64{})
}

// TestRestart stops the director under traffic and starts it again.
func TestRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t, lab.Config{Mode: lvs.FullNAT, Arms: 1})
	stop := b.background()
	r, err := b.RestartDirector(t.Context())
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Conserved(); err != nil {
		t.Error(err)
	}
	same(t, "answers after the restart", len(b.get(30)), 30)
	b.checkOnlyDrops(b.stopDirector(), "no_session")
}

// TestInterfaceIsTaken: a second director on the same interface refuses to start. It changes
// neither the first director nor the interface.
func TestInterfaceIsTaken(t *testing.T) {
	t.Parallel()
	b := newBed(t, lab.Config{Mode: lvs.DR, Arms: 1})
	used := b.front()
	p := b.second("run", "--config", b.directorFile())
	p.refused(1, `port "front"`, "interface front", "device or resource busy",
		"another port or director uses it")
	same(t, "the interface after the second director's try", b.front(), used)
	same(t, "answers meanwhile", len(b.get(30)), 30)
	b.stopDirector()
	unused := b.front()
	b.startDirector()
	b.stopDirector()
	same(t, "the interface after another run", b.front(), unused)
	p = b.second("run", "--config", writeFile(t, "director.toml",
		quiet(t, quietDevice, "net_af_packet0,iface=front,framesz=1")))
	if p.end() != 1 {
		t.Error("af_packet took frames of one byte")
	}
	p.checkNothingLeft()
	same(t, "the interface after a bad device string", b.front(), unused)
}

// state is the part of an interface's state that a director could change.
type state struct {
	Flags      uint32
	Promisc    int
	MTU, Queue int
	MAC        string
}

// front returns the state of the director's interface.
func (b *bed) front() (s state) {
	b.t.Helper()
	b.inside("director", func() error {
		link, err := netlink.LinkByName("front")
		if err == nil {
			a := link.Attrs()
			s = state{a.RawFlags, a.Promisc, a.MTU, a.TxQLen, a.HardwareAddr.String()}
		}
		return err
	})
	return s
}
