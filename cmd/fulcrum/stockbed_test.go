package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// stockBed is a lab whose services stock keepalived makes, in the director's namespace: a host
// interface gives it the network.
type stockBed struct {
	*hostBed
	preloaded
	file   string // of the director
	report string
	run    *program
}

// newStockBed builds a lab and starts a director that has a socket for IPVS's messages, with a
// state folder or without, and no service but those that change leaves in its file.
func newStockBed(t *testing.T, c lab.Config, state bool, change func(text string) string) *stockBed {
	t.Helper()
	needRoot(t)
	needTime(t)
	needProgram(t, "keepalived")
	needProgram(t, "ipvsadm")
	c.Binary, c.Host, c.Arms = ownBinary(t), true, 1
	l, err := lab.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	b := &stockBed{hostBed: &hostBed{&bed{l, t, c}}, report: filepath.Join(folder, "report.json"),
		preloaded: preloaded{t: t, path: filepath.Join(folder, "ipvs.sock")}}
	t.Cleanup(func() {
		if t.Failed() && b.run != nil {
			t.Logf("the director:\n%s", b.run.stderr.String())
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		t.Fatal(err)
	}
	keys := fmt.Sprintf("[director]\nipvs = %q\n", b.path)
	if state {
		keys += fmt.Sprintf("state = %q\n", filepath.Join(folder, "state"))
	}
	b.file = writeFile(t, "stock.toml", change(strings.Replace(string(text), "[director]\n", keys, 1)))
	b.direct()
	return b
}

// bare removes all services from a configuration.
func bare(text string) string {
	before, _, _ := strings.Cut(text, "[[service]]")
	return before
}

// unmanned removes the real servers of the web service, and all other services.
func unmanned(text string) string {
	parts := strings.SplitN(text, "[[service]]", 3)
	service, _, _ := strings.Cut(parts[1], "[[service.real_server]]")
	return parts[0] + "[[service]]" + service
}

// direct starts a director on the bed's file.
func (b *stockBed) direct() {
	b.hostBed.t.Helper()
	b.run = newProgram(b.hostBed.t, "run", "--config", b.file, "--report", b.report)
	b.inside("director", b.run.command.Start)
	b.run.adopt().awaitReady()
	b.hostBed.run("director", "ip route replace default via 10.0.0.254 dev ful-front")
}

// undirect ends the director in order. Its report accounts for every packet.
func (b *stockBed) undirect() {
	t := b.hostBed.t
	t.Helper()
	b.run.signal(syscall.SIGTERM)
	if status := b.run.end(); status != 0 {
		t.Errorf("the director ended with status %d", status)
	}
	text, err := os.ReadFile(b.report)
	if err != nil {
		t.Fatal(err)
	}
	report := &lab.Report{}
	if err := json.Unmarshal(text, report); err != nil {
		t.Fatal(err)
	}
	if err := report.Conserved(); err != nil {
		t.Error(err)
	}
}

// has waits until the service has real servers with weights, as IPVS's programs see it: a weight
// for each of the lab's real servers, and -1 for one that is not there.
func (b *stockBed) has(what string, weights ...int) {
	t := b.hostBed.t
	t.Helper()
	want := map[string]int{}
	for i, rs := range b.RealServers() {
		if weights[i] >= 0 {
			want[rs.Web.String()] = weights[i]
		}
	}
	var got map[string]int
	t.Logf("%s: %v", what, weights)
	eventually(t, what, func() bool {
		got = b.weights(netip.AddrPortFrom(b.VIP(), 80))
		return fmt.Sprint(got) == fmt.Sprint(want)
	})
}

// A checkup is how keepalived checks a real server in a test, and the switch that makes it fail.
type checkup struct {
	lines string // of keepalived.conf
	up    func(bool)
}

// checkups returns a check of each kind: a connection, a page, a page over TLS, and a program. They
// ask things of their own beside the real servers' pages, so that no client suffers when one fails.
func (b *stockBed) checkups() []checkup {
	t := b.hostBed.t
	folder := t.TempDir()
	flag := filepath.Join(folder, "up")
	script := filepath.Join(folder, "check")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntest -e "+flag+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	misc := func(up bool) {
		if up {
			_ = os.WriteFile(flag, nil, 0o600)
		} else {
			_ = os.Remove(flag)
		}
	}
	misc(true)
	const page = "%s {\n connect_port 9080\n connect_timeout 2\n retry 0\n delay_before_retry 1\n" +
		" url {\n path /\n status_code 200\n }\n}\n"
	return []checkup{
		{"TCP_CHECK {\n connect_port 9080\n connect_timeout 2\n retry 0\n}\n", b.listens("rs1")},
		{fmt.Sprintf(page, "HTTP_GET"), b.pages("rs2", false)},
		{fmt.Sprintf(page, "SSL_GET"), b.pages("rs3", true)},
		{"MISC_CHECK {\n misc_path " + script + "\n misc_timeout 2\n}\n", misc},
	}
}

// at returns where the checks of a real server go.
func (b *stockBed) at(role string) netip.AddrPort {
	for _, rs := range b.RealServers() {
		if rs.Name == role {
			return netip.AddrPortFrom(rs.Web.Addr(), 9080)
		}
	}
	return netip.AddrPort{}
}

// listens takes connections at a real server while it is up.
func (b *stockBed) listens(role string) func(bool) {
	var l net.Listener
	switched := func(up bool) {
		if !up {
			l.Close()
			return
		}
		l = b.listen(role, b.at(role))
		go func(l net.Listener) {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				c.Close()
			}
		}(l)
	}
	switched(true)
	return switched
}

// pages serves a page at a real server, which is an error while it is down.
func (b *stockBed) pages(role string, secure bool) func(bool) {
	var down atomic.Bool
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	s.Listener.Close()
	s.Listener = b.listen(role, b.at(role))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	b.hostBed.t.Cleanup(s.Close)
	return func(up bool) { down.Store(!up) }
}

// stockFile returns a keepalived.conf with the lab's real servers and checks. The last real server
// is the sorry server. The second is inhibited on failure.
func (b *stockBed) stockFile(method lvs.Mode, checks []checkup, weight int) string {
	text := fmt.Sprintf("global_defs {\n script_user root\n}\nvirtual_server %s 80 {\n delay_loop 1\n"+
		" lvs_sched rr\n lvs_method %s\n protocol TCP\n quorum 2\n", b.VIP(), stockMethod[method])
	all := b.RealServers()
	for i, check := range checks {
		inhibit := ""
		if i == 1 {
			inhibit = "inhibit_on_failure\n"
		}
		a := all[i].Web
		text += fmt.Sprintf("real_server %s %d {\nweight %d\n%s%s}\n", a.Addr(), a.Port(), weight, inhibit, check.lines)
	}
	sorry := all[len(all)-1].Web
	return text + fmt.Sprintf("sorry_server %s %d\n}\n", sorry.Addr(), sorry.Port())
}

var stockMethod = map[lvs.Mode]string{lvs.DR: "DR", lvs.NAT: "NAT", lvs.IPIP: "TUN", lvs.FullNAT: "NAT"}

// keep starts keepalived in the director's namespace. It has files of its own for its processes:
// where init reaps no orphans, a checker that was killed seems to run.
func (b *stockBed) keep(file string) *program {
	t := b.hostBed.t
	t.Helper()
	folder := t.TempDir()
	p := b.shimmed("keepalived", "--check", "--dont-fork", "--log-console", "--log-detail",
		"--use-file", file, "--pid", filepath.Join(folder, "pid"),
		"--checkers_pid", filepath.Join(folder, "checkers"))
	p.command.SysProcAttr.Setpgid = true
	b.inside("director", p.command.Start)
	p.adopt()
	t.Cleanup(func() {
		killGroup(p)
		if t.Failed() {
			t.Logf("keepalived:\n%s%s", p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

// write writes a keepalived.conf.
func (b *stockBed) write(file, text string) {
	b.hostBed.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.hostBed.t.Fatal(err)
	}
}
