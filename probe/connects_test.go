package probe

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newConnects returns one that is closed when the test ends, and what its Wait returns.
func newConnects(t *testing.T) (*Connects, <-chan Connected) {
	t.Helper()
	c, err := NewConnects()
	if err != nil {
		t.Fatal(err)
	}
	ended, gone := make(chan Connected, 100), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			all, open := c.Wait()
			if !open {
				return
			}
			for _, e := range all {
				ended <- e
			}
		}
	}()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		<-gone
	})
	return c, ended
}

// connect makes one check.
func (c *Connects) connect(t *testing.T, ended <-chan Connected, to string, limit time.Duration) Outcome {
	t.Helper()
	o, over := c.Begin(netip.MustParseAddrPort(to), time.Now().Add(limit), to)
	if over {
		return o
	}
	select {
	case e := <-ended:
		if e.Tag != to {
			t.Errorf("the result of %v came for %s", e.Tag, to)
		}
		return e.Outcome
	case <-time.After(patience):
		t.Fatalf("no result for %s", to)
		return o
	}
}

// deaf returns the address of a listener that answers no SYN: its backlog is full.
func deaf(t *testing.T) string {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s) })
	if err := unix.Bind(s, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(s, 0); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(s)
	if err != nil {
		t.Fatal(err)
	}
	a := own.(*unix.SockaddrInet4)
	one, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(one) })
	if err := unix.Connect(one, a); err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
}

// Connects finds what Run finds, in the same words, whatever came before on the same socket.
func TestConnectsFindsWhatRunFinds(t *testing.T) {
	c, ended := newConnects(t)
	good, bad, six := serve(t, hangs), closed(t), "[::1]:1"
	for _, tt := range []struct {
		to    string
		limit time.Duration
	}{{good, patience}, {bad, patience}, {six, patience}, {deaf(t), soon}} {
		want := check(t, TCP{}, tt.to, tt.limit)
		for range 3 {
			if got := c.connect(t, ended, tt.to, tt.limit); got.Good != want.Good || got.Reason != want.Reason {
				t.Errorf("%s: %+v; want %+v", tt.to, got, want)
			}
			if got := c.connect(t, ended, good, patience); !got.Good {
				t.Errorf("after %s: %+v", tt.to, got)
			}
		}
	}
}

// A socket is used again, and all are closed in the end, also those that still wait.
func TestConnectsSockets(t *testing.T) {
	before := descriptors(t)
	t.Run("", func(t *testing.T) {
		c, ended := newConnects(t)
		good, silent := serve(t, hangs), deaf(t)
		for range 20 {
			c.connect(t, ended, good, patience)
		}
		if n := len(c.spare[0]); n != 1 {
			t.Errorf("%d sockets after checks one by one", n)
		}
		if _, over := c.Begin(netip.MustParseAddrPort(silent), time.Now().Add(time.Hour), nil); over {
			t.Error("a listener with a full backlog answered")
		}
	})
	deadline := time.Now().Add(patience)
	for descriptors(t) > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors; %d before", after, before)
	}
}

// descriptors returns how many file descriptors this process has.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// A later check with an earlier deadline ends by its own.
func TestConnectsDeadlines(t *testing.T) {
	c, ended := newConnects(t)
	silent := netip.MustParseAddrPort(deaf(t))
	c.Begin(silent, time.Now().Add(time.Hour), "long")
	c.Begin(silent, time.Now().Add(20*time.Millisecond), "short")
	if e := <-ended; e.Tag != "short" || e.Good || e.Reason != "not done in time: connect: timeout" {
		t.Errorf("%+v", e)
	}
}

func TestTakes(t *testing.T) {
	plain := Target{Address: netip.MustParseAddrPort("10.0.0.1:80")}
	sourced, zoned := plain, plain
	sourced.Source = netip.MustParseAddr("10.0.0.9")
	zoned.Address = netip.MustParseAddrPort("[fe80::1%lo]:80")
	for _, tt := range []struct {
		check Check
		to    Target
		want  bool
	}{
		{TCP{}, plain, true}, {TCP{}, sourced, false}, {TCP{}, zoned, false}, {&HTTP{}, plain, false},
		{TCP{}, Target{}, false},
	} {
		if got := Takes(tt.check, tt.to); got != tt.want {
			t.Errorf("%T %v: %v", tt.check, tt.to, got)
		}
	}
}
