package director

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/handover"
	"fulcrum/ports"
)

// handing is inMemory that can be handed over: a successor's ports are others in the same memory.
type handing struct {
	*inMemory
	offered, late, yielded int // calls
	fail                   map[string]error
}

func (h *handing) Handover() ([]byte, []*os.File, error) {
	h.offered++
	mark, err := os.Open(os.DevNull)
	return []byte(`{"ports":1}`), []*os.File{mark}, errors.Join(err, h.fail["offer"])
}

func (h *handing) Prepare(
	c *config.Config, cpu int, state []byte, files []*os.File,
) ([]ports.Port, error) {
	if string(state) != `{"ports":1}` || len(files) != 1 {
		h.t.Errorf("the offer is %s with %d files", state, len(files))
	}
	for _, f := range files {
		f.Close()
	}
	all, err := h.Open(c, cpu)
	return all, errors.Join(err, h.fail["open"])
}

func (h *handing) TakeOver() error { h.late++; return h.fail["late"] }
func (h *handing) Yield() error    { h.yielded++; return h.fail["yield"] }

// upgradeBed is a director whose successors are in this process.
type upgradeBed struct {
	*bed
	own, next *handing
	successor *Director // the last one
	failed    chan error
	state     string
	procs     int // GOMAXPROCS
}

func newUpgradeBed(t *testing.T) *upgradeBed {
	t.Helper()
	u := &upgradeBed{state: t.TempDir(), failed: make(chan error, 1), procs: runtime.GOMAXPROCS(0)}
	u.bed = newBedOf(t, "ipvs = \""+filepath.Join(t.TempDir(), "ipvs")+"\"\nstate = \""+u.state+"\"\n")
	u.rewrite("max = 1000\n", "max = 1000\nkeep = \""+t.TempDir()+"\"\n")
	u.own = &handing{inMemory: u.devices, fail: map[string]error{}}
	u.next = &handing{inMemory: &inMemory{t: t}, fail: map[string]error{}}
	u.Director = u.director(u.own, nil)
	return u
}

// director returns a director of the file.
func (u *upgradeBed) director(d *handing, before *handover.Predecessor) *Director {
	u.Helper()
	c, err := config.Load(u.file)
	if err != nil {
		u.Fatal(err)
	}
	made, err := New(Config{
		Config: c, File: u.file, Devices: d, Log: slog.New(slog.DiscardHandler), Predecessor: before, Launch: u.launch,
	})
	if err != nil {
		u.Fatal(err)
	}
	return made
}

// launch starts a successor in this process.
func (u *upgradeBed) launch(program string, files handover.Files) (*handover.Successor, error) {
	if program == "missing" {
		return nil, errors.New("there is no such program")
	}
	s, join, err := handover.Within(files)
	if err != nil {
		return nil, err
	}
	all := u.Director.cpus.all
	go func() {
		// As in a process of its own, all CPUs are there.
		runtime.GOMAXPROCS(u.procs)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := unix.SchedSetaffinity(0, &all)
		var before *handover.Predecessor
		if err == nil {
			before, err = join()
		}
		if err == nil {
			u.successor = u.director(u.next, before)
			err = u.successor.Start()
		}
		u.failed <- err
	}()
	return s, nil
}

// upgrade has a successor take over by the API.
func (u *upgradeBed) upgrade(program string) (s control.Succession, err error) {
	u.Helper()
	err = u.client.Do(u.Context(), http.MethodPost, "upgrade", api.UpgradeRequest{Program: program}, &s)
	return s, err
}

// TestUpgrade: a successor goes on with sessions, sockets and what was done live.
func TestUpgrade(t *testing.T) {
	u := newUpgradeBed(t)
	u.start()
	for port := range uint16(20) {
		u.send(4000 + port)
	}
	weight := 7
	path, change := api.ServerPath("dns", "10.0.0.11:53"), control.RealServerChange{Weight: &weight}
	if err := u.client.Do(t.Context(), http.MethodPatch, path, change, nil); err != nil {
		t.Fatal(err)
	}
	s, err := u.upgrade("")
	if err == nil {
		err = <-u.failed
	}
	if err != nil || s.Kept == nil || s.Kept.Kept != 20 || s.Process != os.Getpid() || s.Version != control.Version {
		t.Fatalf("%+v, %v", s, err)
	}
	<-u.Done()
	if u.Successor() == 0 || u.Lost() != nil {
		t.Errorf("successor %d, lost %v", u.Successor(), u.Lost())
	}
	u.stop()
	if u.own.yielded != 1 || u.next.late != 1 {
		t.Errorf("%+v, %+v", u.own, u.next)
	}
	after := &upgradeBed{bed: &bed{T: t, Director: u.successor, devices: u.next.inMemory, file: u.file,
		socket: u.socket, pages: u.pages, client: u.client}}
	after.send(4000)
	var status api.Status
	if err := u.client.Do(t.Context(), http.MethodGet, "status", nil, &status); err != nil {
		t.Fatal(err)
	}
	if status.Sessions != 20 || status.Overrides != 1 || status.StateProblem != "" {
		t.Errorf("%+v", status)
	}
	weight = 9
	if err := u.client.Do(t.Context(), http.MethodPatch, path, change, nil); err != nil {
		t.Fatal(err)
	}
	if page := after.page(); !strings.Contains(page, `real_server="10.0.0.11:53"} 9`) {
		t.Errorf("Prometheus reads\n%s", page)
	}
	if conn, err := net.Dial("unixpacket", u.successor.cfg.Config.Director.IPVS); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	if err := u.successor.Stop(); err != nil {
		t.Error(err)
	}
}

// TestUpgradeAgain: the successor has a successor.
func TestUpgradeAgain(t *testing.T) {
	u := newUpgradeBed(t)
	u.start()
	u.send(4242)
	for range 3 {
		before := u.Director
		if s, err := u.upgrade(""); err != nil || s.Kept.Kept != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if err := errors.Join(<-u.failed, before.Stop()); err != nil {
			t.Fatal(err)
		}
		u.Director, u.devices = u.successor, u.next.inMemory
		u.own, u.next = u.next, &handing{inMemory: &inMemory{t: t}, fail: map[string]error{}}
		u.send(4242)
	}
	if err := u.Director.Stop(); err != nil {
		t.Error(err)
	}
}

// TestUpgradeFails: the director goes on if its successor fails before it takes over.
func TestUpgradeFails(t *testing.T) {
	for name, spoil := range map[string]func(u *upgradeBed) (program, want string){
		"no program": func(*upgradeBed) (string, string) { return "missing", "there is no such program" },
		"no ports": func(u *upgradeBed) (string, string) {
			u.next.fail["open"] = errors.New("no memory for ports")
			return "", "no memory for ports"
		},
		"no offer": func(u *upgradeBed) (string, string) {
			u.own.fail["offer"] = errors.New("what ports?")
			return "", "what ports?"
		},
		"another folder": func(u *upgradeBed) (string, string) {
			u.rewrite("keep = \"", "keep = \""+t.TempDir())
			return "", "session.keep is"
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpgradeBed(t)
			u.start()
			u.send(4242)
			program, want := spoil(u)
			if _, err := u.Upgrade(t.Context(), program); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if name == "no ports" || name == "another folder" {
				<-u.failed
			}
			u.send(4242)
			weight := 7
			path, change := api.ServerPath("dns", "10.0.0.11:53"), control.RealServerChange{Weight: &weight}
			if err := u.client.Do(t.Context(), http.MethodPatch, path, change, nil); err != nil {
				t.Error(err) // changes wait no longer
			}
			if u.Successor() != 0 || u.Lost() != nil {
				t.Error("it believes to have a successor")
			}
			u.stop()
			if u.own.yielded != 0 {
				t.Error("it yielded the ports without a successor")
			}
		})
	}
}

// TestUpgradeLost: a director whose successor fails when it has stopped for it has nothing to do
// any more, and says so.
func TestUpgradeLost(t *testing.T) {
	u := newUpgradeBed(t)
	u.start()
	u.send(4242)
	u.next.fail["late"] = errors.New("the device is in use")
	if _, err := u.Upgrade(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "the device is in use") {
		t.Error(err)
	}
	<-u.failed
	<-u.Done()
	if u.Lost() == nil || u.Successor() != 0 {
		t.Errorf("lost %v, successor %d", u.Lost(), u.Successor())
	}
	u.stop()
	u.Director = u.director(u.own, nil) // as startAgain does
	u.start()
	u.send(4242)
	if r := u.Report().Kept; r == nil || r.Kept != 1 {
		t.Errorf("%+v", r)
	}
}

// TestUpgradeNeedsKeep: without session.keep there is nothing to take over.
func TestUpgradeNeedsKeep(t *testing.T) {
	b := newBed(t).start()
	if _, err := b.Upgrade(t.Context(), ""); !errors.Is(err, errNoUpgrade) {
		t.Error(err)
	}
	b.stop()
	u := newUpgradeBed(t)
	u.rewrite("keep = ", "# keep = ")
	u.Director = u.director(u.own, nil)
	u.start()
	if _, err := u.Upgrade(t.Context(), ""); !errors.Is(err, errNoKeep) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u.stop()
	if _, err := u.Upgrade(ctx, ""); !errors.Is(err, errStopping) {
		t.Error(err)
	}
}
