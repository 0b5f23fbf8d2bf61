package director

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/hostnet"
)

// readAgain is how long a host interface that could not be read is left alone.
const readAgain = time.Second

// following is the part that reads what host interfaces have before the engine is created. Without
// host interfaces it does nothing.
type following struct {
	*Director
	names   []string         // of the host interfaces, by port; "" for none
	below   []string         // of the interfaces below ports with a host interface, likewise
	watcher *hostnet.Watcher // nil without host interfaces
	hosts   control.Hosts
}

func (f *following) Start() (err error) {
	f.names, f.below = nil, nil
	for _, p := range f.cfg.Config.Ports {
		f.names, f.below = append(f.names, p.Host), append(f.below, belowHost(&p))
	}
	if !f.cfg.Config.HasHost() {
		return nil
	}
	if f.watcher, err = hostnet.Watch(f.names, f.below); err != nil {
		return err
	}
	var held [][]netip.Addr
	if held, f.hosts.Below, err = f.watcher.Held(); err == nil {
		f.hosts.Interfaces, err = f.watcher.Read()
	}
	if err != nil {
		return errors.Join(err, f.Stop())
	}
	f.hosts.Held = control.NewHeld(f.names, held)
	f.settings = f.hosts.Settings(f.keeping.config())
	return nil
}

// belowHost returns the interface below a port with a host interface, which should have no
// addresses; "" for none. That of a VLAN is not known by its name.
func belowHost(p *config.Port) string {
	if p.Host == "" || p.VLAN != 0 {
		return ""
	}
	return p.Below()
}

func (f *following) Stop() error {
	if f.watcher != nil {
		f.watcher.Close()
	}
	return nil
}

// resume tells the running configuration what the engine was created with.
func (f *following) resume(r *control.Running) {
	if f.watcher != nil {
		r.BeginWith(f.hosts)
	}
}

// tracking is the part that tells the running configuration what changes on host interfaces.
type tracking struct {
	*following
	done sync.WaitGroup
	stop chan struct{}

	mu   sync.Mutex // guards the watcher of following while the part runs
	ends bool       // Stop was called

	pace    hostnet.Pace
	failing string // the last error that was logged; empty after a success
}

func (t *tracking) Start() error {
	if t.watcher == nil {
		return nil
	}
	t.stop = make(chan struct{})
	t.done.Go(t.track)
	return nil
}

func (t *tracking) Stop() error {
	if t.stop == nil {
		return nil
	}
	t.mu.Lock()
	t.ends = true
	t.watcher.Close()
	t.mu.Unlock()
	close(t.stop)
	t.done.Wait()
	return nil
}

func (t *tracking) track() {
	for {
		e, err := t.watcher.Next(t.wait())
		if errors.Is(err, net.ErrClosed) || err != nil && !t.watchAgain(err) {
			return
		}
		if err != nil {
			e = hostnet.Everything
		}
		t.pace.Note(e, time.Now())
		t.look()
	}
}

// wait returns how long to wait for the next event: 0 is for ever.
func (t *tracking) wait() time.Duration {
	at, ok := t.pace.Next()
	if !ok {
		return 0
	}
	return max(time.Until(at), time.Millisecond)
}

// look looks at what is due.
func (t *tracking) look() {
	began := time.Now()
	what := t.pace.Due(began)
	if what == 0 {
		return
	}
	err := t.hold()
	if err == nil && what == hostnet.Everything {
		err = t.follow()
	}
	now := time.Now()
	t.pace.Done(what, now, now.Sub(began))
	if err != nil {
		t.pace.Again(now, readAgain)
	}
	t.log(err)
}

// log logs an error once.
func (t *tracking) log(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != t.failing {
		t.cfg.Log.Warn("host interfaces are not followed", "error", err)
	}
	t.failing = text
}

// hold reads which addresses host interfaces have.
func (t *tracking) hold() error {
	all, below, err := t.watcher.Held()
	if err != nil {
		return err
	}
	t.running.NoteBelow(below)
	return t.running.HoldVIPs(context.Background(), control.NewHeld(t.names, all))
}

// follow reads what else they have.
func (t *tracking) follow() error {
	all, err := t.watcher.Read()
	if err != nil {
		return err
	}
	return t.running.FollowHosts(context.Background(), all)
}

// watchAgain opens another watcher in place of one that failed. It returns false if the part is
// stopped first.
func (t *tracking) watchAgain(why error) bool {
	t.cfg.Log.Warn("host interfaces are watched anew", "error", why)
	for {
		select {
		case <-t.stop:
			return false
		case <-time.After(readAgain):
		}
		if w, err := hostnet.Watch(t.names, t.below); err == nil {
			return t.use(w)
		}
	}
}

func (t *tracking) use(w *hostnet.Watcher) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watcher.Close()
	t.watcher = w
	if t.ends {
		w.Close()
	}
	return !t.ends
}
