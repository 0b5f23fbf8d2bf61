package api

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// named answers with a name.
func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })
}

func serveNamed(t *testing.T, at Socket, name string) *Server {
	t.Helper()
	s, err := ServeSocket(at, named(name), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// passed returns what a child gets of a server's socket: a descriptor that was in use for exec.
func passed(t *testing.T, s interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0) // os/exec calls Fd as well
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "passed on")
}

// whoAnswers asks over a connection of its own.
func whoAnswers(network, address string) (string, error) {
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial(network, address) }
	c := http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 20 * time.Second,
	}
	response, err := c.Get("http://director/")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

func wantAnswer(t *testing.T, network, address, want string) {
	t.Helper()
	if got, err := whoAnswers(network, address); got != want || err != nil {
		t.Errorf("%q answers, %v; want %q", got, err, want)
	}
}

// TestSocketIsTakenOver: the successor serves the same socket, with the permissions that its
// configuration has, and removes the file at its end.
func TestSocketIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	former := serveNamed(t, Socket{Path: path}, "former")
	open := passed(t, former)
	wantAnswer(t, "unix", path, "former")
	before, _ := os.Stat(path)
	next := serveNamed(t, Socket{Path: path, Mode: 0o660, Open: open}, "next")
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || after.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v: want the same file with mode 660", after, err)
	}
	for range 2 {
		if err := errors.Join(former.Leave(), former.Close()); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		wantAnswer(t, "unix", path, "next")
	}
	if err := errors.Join(former.Close(), next.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}

// TestSocketChangesGroup: a socket taken over has the group and the mode of a new one.
func TestSocketChangesGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	folder := t.TempDir()
	for _, tt := range []struct {
		before, after Socket
		folder        fs.FileMode
	}{
		{Socket{Mode: 0o660, Group: "54321"}, Socket{Mode: 0o660, Group: "54321"}, 0o755},
		{Socket{Mode: 0o660, Group: "54321"}, Socket{Mode: 0o660, Group: "54322"}, 0o755},
		{Socket{Mode: 0o660, Group: "54321"}, Socket{}, 0o755},
		{Socket{}, Socket{Mode: 0o666, Group: "54322"}, 0o755},
		{Socket{Mode: 0o660}, Socket{Mode: 0o660}, 0o755 | fs.ModeSetgid},
	} {
		tt.before.Path = filepath.Join(folder, "c.sock")
		tt.after.Path = tt.before.Path
		if err := errors.Join(os.Chown(folder, 0, another), os.Chmod(folder, tt.folder)); err != nil {
			t.Fatal(err)
		}
		fresh := serveNamed(t, tt.after, "")
		want, _ := os.Stat(tt.after.Path)
		if err := fresh.Close(); err != nil {
			t.Fatal(err)
		}
		former := serveNamed(t, tt.before, "")
		tt.after.Open = passed(t, former)
		next := serveNamed(t, tt.after, "")
		got, err := os.Stat(tt.after.Path)
		if err != nil || got.Mode() != want.Mode() || groupOf(got) != groupOf(want) {
			t.Errorf("%+v: %v, group %d; want %v, group %d, %v", tt, got.Mode(), groupOf(got),
				want.Mode(), groupOf(want), err)
		}
		if err := errors.Join(former.Leave(), former.Close(), next.Close()); err != nil {
			t.Error(err)
		}
	}
}

func groupOf(f fs.FileInfo) uint32 { return f.Sys().(*syscall.Stat_t).Gid }

// TestClientsOfATakeover: no client that connects while a socket goes from one server to the next
// loses its request.
func TestClientsOfATakeover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	s := serveNamed(t, Socket{Path: path}, "served")
	over := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ended := false; !ended; {
				select {
				case <-over:
					ended = true
				default:
				}
				wantAnswer(t, "unix", path, "served")
			}
		})
	}
	for range 20 {
		next := serveNamed(t, Socket{Path: path, Open: passed(t, s)}, "served")
		if err := errors.Join(s.Leave(), s.Close()); err != nil {
			t.Error(err)
		}
		s = next
	}
	close(over)
	clients.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestQueueOfATakeover: a client that connects while no server accepts is the successor's.
func TestQueueOfATakeover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	former := serveNamed(t, Socket{Path: path}, "former")
	open := passed(t, former)
	if err := errors.Join(former.Leave(), former.Close()); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	next := serveNamed(t, Socket{Path: path, Open: open}, "next")
	defer next.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	if err := errors.Join(err, conn.SetDeadline(time.Now().Add(20*time.Second))); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(text), "next") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestLeaveLetsRequestsFinish: a request in progress gets its answer of the former server, while the
// successor has the new ones.
func TestLeaveLetsRequestsFinish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	entered, finish := make(chan bool), make(chan bool)
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- true
		<-finish
		io.WriteString(w, "slow")
	})
	listener, err := listenSocket(Socket{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	former := Serve(ServerConfig{
		Name: "test", Listener: listener, Handler: slow, Log: slog.New(slog.DiscardHandler),
		Limits: Limits{Close: 20 * time.Second},
	})
	var work sync.WaitGroup
	work.Go(func() { wantAnswer(t, "unix", path, "slow") })
	<-entered
	next := serveNamed(t, Socket{Path: path, Open: passed(t, former)}, "next")
	defer next.Close()
	work.Go(func() {
		if err := errors.Join(former.Leave(), former.Close()); err != nil {
			t.Error(err)
		}
	})
	for open := true; open; {
		_, err := former.File() // fails once the server does not accept any more
		open = err == nil
	}
	wantAnswer(t, "unix", path, "next")
	close(finish)
	work.Wait()
}

// TestTakeoverWithoutFile: a socket whose file was removed meanwhile is taken over, and its end
// leaves the file of another director alone.
func TestTakeoverWithoutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "c.sock")
	for _, removed := range []string{path, filepath.Dir(path)} {
		former := serveNamed(t, Socket{Path: path}, "former")
		open := passed(t, former)
		if err := os.RemoveAll(removed); err != nil {
			t.Fatal(err)
		}
		next := serveNamed(t, Socket{Path: path, Mode: 0o666, Open: open}, "next")
		other := serveNamed(t, Socket{Path: path}, "other")
		if err := errors.Join(former.Leave(), former.Close(), next.Close()); err != nil {
			t.Error(err)
		}
		wantAnswer(t, "unix", path, "other")
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTakeoverOfAnotherFile: the file of another director gets no other permissions.
func TestTakeoverOfAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	former := serveNamed(t, Socket{Path: path}, "former")
	open := passed(t, former)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := serveNamed(t, Socket{Path: path}, "other")
	defer other.Close()
	next := serveNamed(t, Socket{Path: path, Mode: 0o666, Open: open}, "next")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != ownerOnly {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := errors.Join(former.Leave(), former.Close(), next.Close()); err != nil {
		t.Error(err)
	}
	wantAnswer(t, "unix", path, "other")
}

// TestTakeoverIsRefused: what is not the socket that the configuration names is refused, and closed.
func TestTakeoverIsRefused(t *testing.T) {
	path, log := filepath.Join(t.TempDir(), "c.sock"), slog.New(slog.DiscardHandler)
	former := serveNamed(t, Socket{Path: path}, "former")
	defer former.Close()
	file, err := os.Create(path + ".file")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Listen(Socket{Path: path, Packets: true, Noun: "IPVS socket", Open: passed(t, former)})
	if err == nil || !strings.Contains(err.Error(), "take over the IPVS socket") {
		t.Error(err)
	}
	if _, err := ServeSocket(Socket{Path: path, Open: file}, nil, log); err == nil {
		t.Error("a file was taken over")
	}
	group := Socket{Path: path, Group: "no such group", Open: passed(t, former)}
	_, err = ServeSocket(group, nil, log)
	if err == nil || !strings.Contains(err.Error(), "see director.control_group") {
		t.Error(err)
	}
	wantAnswer(t, "unix", path, "former")
}

// TestTCPIsTakenOver: metrics and the control API over TCP are taken over at their own addresses.
func TestTCPIsTakenOver(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	c, _ := remote(t)
	metrics := func(at netip.AddrPort, open *os.File) (*Server, error) {
		return ServeMetrics(at, nil, Checks{}, log, open)
	}
	over := func(at netip.AddrPort, open *os.File) (*Server, error) {
		c.Listen = at
		return ServeRemote(c, http.NotFoundHandler(), log, open)
	}
	for _, serve := range []func(netip.AddrPort, *os.File) (*Server, error){metrics, over} {
		at := netip.MustParseAddrPort("127.0.0.1:" + freePort(t))
		former, err := serve(at, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := serve(netip.AddrPortFrom(at.Addr(), 1), passed(t, former)); err == nil ||
			!strings.Contains(err.Error(), "listens at "+at.String()+", not at 127.0.0.1:1") {
			t.Error(err)
		}
		next, err := serve(at, passed(t, former))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(former.Leave(), former.Close()); err != nil {
			t.Error(err)
		}
		conn, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Error(err)
		} else {
			conn.Close()
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
		if _, err := net.Dial("tcp", at.String()); err == nil {
			t.Error("the socket is left")
		}
	}
}

// TestBoundTo: the kernel knows a socket's file by whatever name. Those that may not ask it take the
// one at the path.
func TestBoundTo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	path := filepath.Join(openFolder(t), "c.sock")
	s, err := listenSocket(Socket{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := passed(t, s)
	defer f.Close()
	if got := fileOf(int(f.Fd())); !os.SameFile(got, s.made) {
		t.Errorf("%v, want %v", got, s.made)
	}
	told, found := make(chan fs.FileInfo), make(chan fs.FileInfo)
	go func() {
		runtime.LockOSThread() // the thread has other rights and ends with the goroutine
		unix.RawSyscall(unix.SYS_SETRESUID, stranger, stranger, stranger)
		told <- fileOf(int(f.Fd()))
		found <- boundTo(s.UnixListener, path)
	}()
	if got := <-told; got != nil {
		t.Errorf("a stranger is told %v", got)
	}
	if got := <-found; !os.SameFile(got, s.made) {
		t.Errorf("%v, want %v", got, s.made)
	}
	if got := boundTo(s.UnixListener, path+".none"); !os.SameFile(got, s.made) {
		t.Errorf("%v, want %v", got, s.made)
	}
}
