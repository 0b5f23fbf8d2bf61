package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// A real server whose process ends refuses clients, and gets no more of them, without any check. It
// gets some again once its time is over, and keeps them if it answers.
func TestPassiveTraffic(t *testing.T) {
	for _, mode := range []lvs.Mode{lvs.NAT, lvs.FullNAT} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.RR})
			b.check("passive = true\n")
			b.get(24)
			b.signal("rs1", syscall.SIGTERM)
			end := b.crowd()
			b.awaitDown("clients were refused")
			b.awaitUndisturbed()
			b.serve("rs1")
			b.awaitAnswersOf("rs1")
			end()
			b.stopDirector()
		})
	}
}

// An unplugged real server is noticed: by clients that get no answer or, where answers do not pass,
// by its silence when it is asked. It comes back with its cable.
func TestPassiveUnplugged(t *testing.T) {
	for _, mode := range soaking(lvs.DR, lvs.FullNAT) {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.RR})
			b.check("passive = true\n")
			b.get(24)
			end := b.crowd()
			b.plug("rs1", false)
			reason := "clients got no answer"
			if !mode.TwoWay() {
				reason = "it does not answer ARP or neighbour discovery"
			}
			b.awaitDown(reason)
			b.awaitUndisturbed()
			b.plug("rs1", true)
			b.awaitAnswersOf("rs1")
			end()
			b.stopDirector()
		})
	}
}

// awaitDown waits until the first real server of the first service is down for a reason.
func (b *bed) awaitDown(reason string) {
	b.t.Helper()
	b.awaitReport(reason, func(r *control.Report) bool {
		text := r.Services[0].RealServers[0].StateText()
		return strings.HasPrefix(text, "down: passive: ") && strings.Contains(text, reason)
	})
}

// awaitUndisturbed waits until all requests were answered while the first real server was down.
// Some may fail when that is tried again.
func (b *bed) awaitUndisturbed() {
	b.t.Helper()
	client := b.client(lab.ClientConfig{})
	b.awaitReport("answers", func(r *control.Report) bool {
		before := *r.Services[0].RealServers[0].Passive
		for range 24 {
			if _, err := client.Get(b.t.Context()); err != nil {
				return false
			}
		}
		var after control.Report
		err := api.NewClient(b.ControlSocket()).Do(b.t.Context(), http.MethodGet, "report", nil, &after)
		return err == nil && before.Down && *after.Services[0].RealServers[0].Passive == before
	})
}

// awaitAnswersOf waits until all real servers are up, and one of them answers.
func (b *bed) awaitAnswersOf(name string) {
	b.t.Helper()
	client := b.client(lab.ClientConfig{})
	b.awaitReport("answers of "+name, func(r *control.Report) bool {
		for _, rs := range r.Services[0].RealServers {
			if rs.State != lvs.ServerUp.Key() {
				return false
			}
		}
		for range len(r.Services[0].RealServers) {
			if a, err := client.Get(b.t.Context()); err == nil && a.Name == name {
				return true
			}
		}
		return false
	})
}

// crowd has clients ask, answered or not, until the function that it returns is called.
func (b *bed) crowd() (end func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	client := b.client(lab.ClientConfig{})
	var all sync.WaitGroup
	for range askers / 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				client.Get(ctx)
				select { // a pace at which ports do not come again too soon
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	end = func() { cancel(); all.Wait() }
	b.t.Cleanup(end)
	return end
}

// signal sends a signal to the process in the namespace of a role.
func (b *bed) signal(role string, s syscall.Signal) {
	b.t.Helper()
	var of, is unix.Stat_t
	if err := unix.Stat("/run/netns/fulcrum-"+b.ID()+"-"+role, &of); err != nil {
		b.t.Fatal(err)
	}
	all, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range all {
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if unix.Stat(path, &is) != nil || is.Dev != of.Dev || is.Ino != of.Ino || pid == os.Getpid() {
			continue
		}
		if err := syscall.Kill(pid, s); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	b.t.Fatalf("no process runs in the namespace of %s", role)
}

// serve is a real server in the place of one that has ended, until the test ends.
func (b *bed) serve(role string) {
	rs := b.RealServers()[0]
	c := lab.RealServerConfig{Name: role}
	c.TCP, c.UDP = append(c.TCP, rs.Web), append(c.UDP, rs.Echo)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // the thread ends with the goroutine, as in inside
		err := enter("fulcrum-"+b.ID()+"-"+role, func() error { return lab.ServeReal(ctx, c, io.Discard) })
		if err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(func() { cancel(); done.Wait() })
}
