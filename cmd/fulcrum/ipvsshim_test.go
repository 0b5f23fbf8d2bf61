package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// preload builds the library as make does, and returns its path.
func preload(t *testing.T) string {
	t.Helper()
	library := filepath.Join(t.TempDir(), preloadName)
	if out, err := exec.Command("../../preload/build", library).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return library
}

// preloaded runs programs on what listens for IPVS's messages at a path.
type preloaded struct {
	t       *testing.T
	path    string
	library string // to preload; built for the first program
}

// shimmed returns a program that the library serves.
func (s *preloaded) shimmed(arguments ...string) *program {
	s.t.Helper()
	if s.library == "" {
		s.library = preload(s.t)
	}
	return newProgram(s.t, append([]string{"ipvs-shim", "--socket", s.path, "--library", s.library, "--"},
		arguments...)...)
}

// says runs a program, which has to exit with a status, and returns its output.
func (s *preloaded) says(status int, arguments ...string) (stdout, stderr string) {
	s.t.Helper()
	p := s.shimmed(arguments...).start()
	if got := p.end(); got != status {
		s.t.Fatalf("%v: status %d, want %d\n%s%s", arguments, got, status, p.stdout.String(), p.stderr.String())
	}
	return p.stdout.String(), p.stderr.String()
}

const stubTitle = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
`

// TestShimIPVSAdm: Debian's ipvsadm adds, lists and deletes, and tells the director's errors as the
// kernel's. The stub and a director are the same to it.
func TestShimIPVSAdm(t *testing.T) {
	needProgram(t, "ipvsadm")
	t.Run("stub", func(t *testing.T) { newStubIPVS(t).administer() })
	t.Run("director", func(t *testing.T) { newRealIPVS(t).administer() })
}

func (s *preloaded) administer() {
	t := s.t
	if list, _ := s.says(0, "ipvsadm", "-Ln"); list != stubTitle {
		t.Errorf("an empty list:\n%s", list)
	}
	s.says(0, "ipvsadm", "-A", "-t", "10.0.0.100:80", "-s", "mh", "-b", "mh-port")
	s.says(0, "ipvsadm", "-a", "-t", "10.0.0.100:80", "-r", "10.0.0.11:80", "-g", "-w", "3")
	s.says(0, "ipvsadm", "-A", "-u", "[fd00::100]:53", "-s", "rr", "-o")
	want := stubTitle + `TCP  10.0.0.100:80 mh (mh-port)
  -> 10.0.0.11:80                 Route   3      0          0         
UDP  [fd00::100]:53 rr ops
`
	if list, _ := s.says(0, "ipvsadm", "-Ln"); list != want {
		t.Errorf("listed\n%swant\n%s", list, want)
	}
	if _, said := s.says(255, "ipvsadm", "-A", "-t", "10.0.0.100:80"); said != "Service already exists\n" {
		t.Errorf("the service a second time: %q", said)
	}
	if _, said := s.says(255, "ipvsadm", "-D", "-t", "10.0.0.99:80"); said != "No such service\n" {
		t.Errorf("a service that is not there: %q", said)
	}
	s.says(0, "ipvsadm", "-C")
	if list, _ := s.says(0, "ipvsadm", "-Ln"); list != stubTitle {
		t.Errorf("an empty list:\n%s", list)
	}
}

// TestShimSessions: ipvsadm -Lc shows the director's sessions, whatever the datagrams are.
func TestShimSessions(t *testing.T) {
	needProgram(t, "ipvsadm")
	const title = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
	const line = "TCP C0A80509 0FA0 0A000064 0050 0A01000B 1F90 ESTABLISHED     899\n"
	const shown = "TCP 14:59  ESTABLISHED 192.168.5.9:4000   10.0.0.100:80      10.1.0.11:8080\n"
	s := newStubIPVS(t)
	perDatagram := (16384 - 20) / len(line)
	for name, texts := range map[string][]string{
		"none":             {title},
		"one datagram":     {title + line + line},
		"line by line":     {title, line, line, line},
		"an empty message": {title, "", line},
		"full datagrams":   {title, strings.Repeat(line, perDatagram), strings.Repeat(line, perDatagram), line},
	} {
		s.set(func() { s.sessions = texts })
		list, said := s.says(0, "ipvsadm", "-Lnc")
		want := "IPVS connection entries\npro expire state       source             virtual            destination\n" +
			strings.Repeat(shown, strings.Count(strings.Join(texts, ""), line))
		if list != want || said != "" {
			t.Errorf("%s: %d bytes, want %d, and %q:\n%.500s", name, len(list), len(want), said, list)
		}
	}
	s.set(func() { s.sessions, s.cut = []string{title, line}, true })
	if _, said := s.says(0, "ipvsadm", "-Lnc"); !strings.Contains(said, "Connection reset by peer") {
		t.Errorf("a list that breaks off: %q", said)
	}
}

// TestShimWithoutDirector: without a director ipvsadm fails soon, and does not turn to the kernel.
func TestShimWithoutDirector(t *testing.T) {
	needProgram(t, "ipvsadm")
	s := newStubIPVS(t)
	s.stop()
	_, said := s.says(2, "ipvsadm", "-A", "-t", "10.0.0.100:80")
	for _, want := range []string{
		"libfulcrum-ipvs: no answer from the director at " + s.path + ": No such file or directory\n",
		// The kernel would say "Protocol not available".
		"Can't initialize ipvs: Resource temporarily unavailable\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it said %q, without %q", said, want)
		}
	}
}

// TestShimForbidden: a director that accepts nobody, and one that refuses, are told apart.
func TestShimForbidden(t *testing.T) {
	needRoot(t)
	needProgram(t, "ipvsadm")
	s := newStubIPVS(t)
	s.set(func() { s.refuse = syscall.EPERM })
	const forbidden = "Permission denied (you must be root)\n"
	if _, said := s.says(255, "ipvsadm", "-A", "-t", "10.0.0.100:80"); said != forbidden {
		t.Errorf("a director that refuses: %q", said)
	}
	if _, said := s.says(1, "ipvsadm", "-Lnc"); !strings.Contains(said, "Operation not permitted") {
		t.Errorf("a list that is refused: %q", said)
	}
}

// TestShimSilentDirector: a director that takes requests and answers none makes programs fail, and
// not hang.
func TestShimSilentDirector(t *testing.T) {
	needTime(t)
	t.Parallel() // it waits for what the library waits for
	needProgram(t, "ipvsadm")
	s := newStubIPVS(t)
	s.set(func() { s.silent = true })
	if _, said := s.says(2, "ipvsadm", "-Ln"); !strings.Contains(said, "Connection timed out") {
		t.Errorf("it said %q", said)
	}
}

// asker is a program that keeps a socket for IPVS, as keepalived does.
type asker struct {
	*program
	questions io.Writer
	answered  int // lines
}

func (s *stubIPVS) newAsker(environment ...string) *asker {
	s.t.Helper()
	binary := filepath.Join(s.t.TempDir(), "ask")
	build := "exec cc -Wall -Wextra -Werror $(pkg-config --cflags libnl-genl-3.0) -o " + binary +
		" testdata/ipvs/ask.c $(pkg-config --libs libnl-genl-3.0)"
	if out, err := exec.Command("sh", "-c", build).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	a := &asker{program: s.shimmed(append([]string{"env"}, append(environment, binary)...)...)}
	var err error
	if a.questions, err = a.command.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	a.start()
	return a
}

// ask returns what the program prints on a line.
func (a *asker) ask(question string) string {
	a.t.Helper()
	if _, err := io.WriteString(a.questions, question+"\n"); err != nil {
		a.t.Fatal(err)
	}
	a.answered++
	var lines []string
	eventually(a.t, "an answer to "+question, func() bool {
		lines = strings.Split(a.stdout.String(), "\n")
		return len(lines) > a.answered
	})
	return lines[a.answered-1]
}

func (a *asker) expect(question, want string) {
	a.t.Helper()
	if got := a.ask(question); got != want {
		a.t.Errorf("%s: %q, want %q\n%s", question, got, want, a.stderr.String())
	}
}

// TestShimReconnects: a program's socket outlives the director. What is asked while no director is
// there fails, and what is asked of the next one is answered.
func TestShimReconnects(t *testing.T) {
	s := newStubIPVS(t)
	a := s.newAsker()
	a.expect("info", "ok")
	a.expect("info", "ok")
	s.stop()
	s.start()
	a.expect("info", "ok")
	s.stop()
	a.expect("info", "Resource temporarily unavailable")
	a.expect("info", "Resource temporarily unavailable")
	s.start()
	a.expect("info", "ok")
}

// TestShimLostAnswer: the director goes away between a request and its answer. The request has
// failed, it is not sent again, and the next one goes to the next director.
func TestShimLostAnswer(t *testing.T) {
	s := newStubIPVS(t)
	a := s.newAsker()
	s.set(func() { s.silent = true })
	go func() { // the answer comes after this
		for s.commands()["GET_INFO"] == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		s.stop()
	}()
	a.expect("info", "Resource temporarily unavailable")
	eventually(t, "the reason", func() bool {
		return strings.Contains(a.stderr.String(), "Connection reset by peer")
	})
	s.set(func() { s.silent = false })
	s.start()
	a.expect("info", "ok")
	if n := s.commands()["GET_INFO"]; n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// TestShimLateAnswer: an answer that comes after the wait for it is not taken for the next one.
func TestShimLateAnswer(t *testing.T) {
	needTime(t)
	t.Parallel()
	s := newStubIPVS(t)
	a := s.newAsker()
	s.set(func() { s.silent = true })
	a.expect("info", "Resource temporarily unavailable")
	s.set(func() { s.silent = false })
	a.expect("info", "ok")
	a.expect("info", "ok")
}

// TestShimLeavesOthersAlone: other families are the kernel's, and other files the system's.
func TestShimLeavesOthersAlone(t *testing.T) {
	s := newStubIPVS(t)
	s.set(func() { s.sessions = []string{"title\n", "one\ntwo\n"} })
	a := s.newAsker()
	a.expect("family nlctrl", fmt.Sprint(unix.GENL_ID_CTRL))
	a.expect("info", "ok")
	a.expect("family nlctrl", fmt.Sprint(unix.GENL_ID_CTRL))
	a.expect("file /proc/net/ip_vs_conn", "3")
	a.expect("file testdata/ipvs/none", "-1")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.expect("file "+file, "2")
}

// TestShimUnset: without its variable the library does nothing.
func TestShimUnset(t *testing.T) {
	needProgram(t, "ipvsadm")
	s := newStubIPVS(t)
	a := s.newAsker(ipvsVariable + "=")
	a.expect("family nlctrl", fmt.Sprint(unix.GENL_ID_CTRL))
	_, want := os.Stat("/proc/net/ip_vs_conn")
	if got := a.ask("file /proc/net/ip_vs_conn"); (got == "-1") != (want != nil) {
		t.Errorf("the kernel's list of sessions has %s lines, %v", got, want)
	}
	if n := s.commands(); len(n) > 0 {
		t.Errorf("the director was asked %v", n)
	}
}

// TestShimEverywhere: programs without libnl start with the library too, even if the dynamic linker
// looks for all functions at once.
func TestShimEverywhere(t *testing.T) {
	s := newStubIPVS(t)
	out, said := s.says(7, "env", "LD_BIND_NOW=1", "sh", "-c", "echo $"+ipvsVariable+"; exit 7")
	if out != s.path+"\n" || said != "" {
		t.Errorf("it printed %q and said %q", out, said)
	}
}

// TestShimKeepalived: keepalived's checks take real servers in and out, also after the director was
// away, and it takes everything back at its end.
func TestShimKeepalived(t *testing.T) {
	needRoot(t)
	needTime(t)
	needProgram(t, "keepalived")
	s := newStubIPVS(t)
	stays, comes := listenLocally(t), listenLocally(t)
	p := s.keepalived(stays.Addr(), comes.Addr())
	eventually(t, "two real servers", func() bool { return s.servers() == 2 })

	comes.Close()
	eventually(t, "one real server", func() bool { return s.servers() == 1 })
	s.stop()
	s.start() // with its services, as from its state folder
	comes, err := net.Listen("tcp", comes.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer comes.Close()
	eventually(t, "two real servers, of the next director", func() bool { return s.servers() == 2 })

	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.end(); status != 0 || s.servers() != 0 || s.commands()["DEL_SERVICE"] != 1 {
		t.Errorf("it ended with status %d and left %d real servers; commands %v", status, s.servers(), s.commands())
	}
}

// TestShimKeepalivedWithoutDirector: keepalived goes on checking while no director is there. What
// it finds it tells with every check, until a director has it.
func TestShimKeepalivedWithoutDirector(t *testing.T) {
	needRoot(t)
	needTime(t)
	needProgram(t, "keepalived")
	s := newStubIPVS(t)
	stays, goes := listenLocally(t), listenLocally(t)
	p := s.keepalived(stays.Addr(), goes.Addr())
	eventually(t, "two real servers", func() bool { return s.servers() == 2 })
	s.stop()
	goes.Close()
	complaints := func() int { return strings.Count(p.stderr.String(), "libfulcrum-ipvs: ") }
	eventually(t, "a complaint", func() bool { return complaints() > 0 })

	s.start()
	eventually(t, "a real server less", func() bool { return s.servers() == 1 })
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.end(); status != 0 || s.servers() != 0 {
		t.Errorf("it ended with status %d and left %d real servers\n%s", status, s.servers(), p.stderr.String())
	}
}

// servers counts the real servers of all services.
func (s *stubIPVS) servers() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.dests {
		n += len(all)
	}
	return n
}

func listenLocally(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// keepalived starts keepalived with one service, whose real servers it checks every second.
func (s *stubIPVS) keepalived(servers ...net.Addr) *program {
	s.t.Helper()
	text := "virtual_server 10.0.0.100 80 {\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n"
	for _, a := range servers {
		host, port, _ := net.SplitHostPort(a.String())
		text += fmt.Sprintf(" real_server %s %s {\n  TCP_CHECK {\n   connect_timeout 1\n   retry 0\n  }\n }\n", host, port)
	}
	folder := s.t.TempDir()
	file := filepath.Join(folder, "keepalived.conf")
	if err := os.WriteFile(file, []byte(text+"}\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	p := s.shimmed("keepalived", "--check", "--dont-fork", "--log-console", "--log-detail", "--use-file", file,
		"--pid", filepath.Join(folder, "pid"), "--checkers_pid", filepath.Join(folder, "checkers.pid"))
	p.command.SysProcAttr.Setpgid = true
	p.start()
	s.t.Cleanup(func() { // with its children
		if !p.gone() {
			_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // it may end just now
		}
		if s.t.Failed() {
			s.t.Logf("%v\n%s%s", s.commands(), p.stdout.String(), p.stderr.String())
		}
	})
	return p
}
