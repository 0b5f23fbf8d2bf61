package handover

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain: a successor of a test is this very program.
func TestMain(m *testing.M) {
	if os.Getenv(Variable) != "" {
		os.Exit(succeed())
	}
	os.Exit(m.Run())
}

// succeed takes over as far as FULCRUM_TEST_STEP says.
func succeed() int {
	p, err := FromEnvironment()
	if err != nil {
		return 3
	}
	switch os.Getenv("FULCRUM_TEST_STEP") {
	case "ends":
		return 7
	case "fails":
		p.Fail(errors.New("the file has an error"))
		return 1
	case "hangs":
		time.Sleep(time.Hour)
	}
	f := p.Files.Take("hello /x")
	if f == nil || p.Files.Take("unknown") != nil {
		return 4
	}
	if err := p.Warm(); err != nil {
		return 5
	}
	if _, err := f.WriteString(os.Args[len(os.Args)-1]); err != nil || f.Close() != nil {
		return 6
	}
	if left, _ := exec.Command("ls", "/proc/self/fd").Output(); strings.Contains(string(left), "\n4\n") {
		return 8 // programs that it starts get nothing
	}
	if err := p.Forwarding(map[string]int{"kept": 3}); err != nil {
		return 9
	}
	return 0
}

// start starts a successor that goes so far.
func start(t *testing.T, as string) (*Successor, string) {
	t.Helper()
	t.Setenv("FULCRUM_TEST_STEP", as)
	t.Setenv("WATCHDOG_PID", "1")
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := Start(os.Args[0], Files{"hello /x": f, "another": f})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Offer(Offer{Keep: "/keep"}); err != nil {
		t.Fatal(err)
	}
	return s, path
}

// TestHandover: a process gets the descriptors and takes over step by step.
func TestHandover(t *testing.T) {
	s, path := start(t, "")
	if err := s.AwaitWarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); len(text) != 0 {
		t.Errorf("it used the file before its time: %q", text)
	}
	if err := s.Yield(); err != nil {
		t.Fatal(err)
	}
	report, err := s.AwaitForwarding(t.Context())
	if err != nil || string(report) != `{"kept":3}` {
		t.Fatalf("%s, %v", report, err)
	}
	if text, _ := os.ReadFile(path); string(text) != os.Args[len(os.Args)-1] {
		t.Errorf("it wrote %q", text)
	}
	if err := s.process.Wait(); err != nil {
		t.Error(err)
	}
}

// TestFailures: what becomes of a successor is said.
func TestFailures(t *testing.T) {
	for as, want := range map[string]string{
		"ends": "exit status 7", "fails": "the file has an error",
	} {
		s, _ := start(t, as)
		if err := s.AwaitWarm(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", as, err)
		}
		if err := s.Abandon(); err != nil {
			t.Error(err)
		}
	}
	s, _ := start(t, "hangs")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the client has left"))
	if err := s.AwaitWarm(ctx); err == nil || !strings.Contains(err.Error(), "the client has left") {
		t.Error(err)
	}
	if err := s.Abandon(); err != nil {
		t.Error(err)
	}
	if _, err := Start("/nonexistent/program", Files{}); err == nil {
		t.Error("started")
	}
}

// TestNoPredecessor: a process that was not started by a director has none; nonsense is an error.
func TestNoPredecessor(t *testing.T) {
	if p, err := FromEnvironment(); p != nil || err != nil {
		t.Errorf("%v, %v", p, err)
	}
	for _, names := range []string{"", "keep", "channel\n" + strings.Repeat("x\n", 5000)} {
		t.Setenv(Variable, names)
		if p, err := FromEnvironment(); p != nil || err == nil {
			t.Errorf("%.20q: %v", names, p)
		}
	}
}

// TestVersions: another version of the protocol is refused by name.
func TestVersions(t *testing.T) {
	for _, o := range []Offer{{Version: 2, Keep: "/keep"}, {Version: Version}} {
		if err := o.Validate(); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestWithin: both sides may be in one process.
func TestWithin(t *testing.T) {
	s, join, err := Within(Files{"stderr": os.Stderr})
	if err == nil {
		err = s.Offer(Offer{Keep: "/keep", Devices: json.RawMessage(`{"a":1}`)})
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := join()
	if err != nil || string(p.Offer.Devices) != `{"a":1}` || p.Offer.Process != os.Getpid() {
		t.Fatalf("%+v, %v", p, err)
	}
	done := make(chan error)
	go func() { done <- p.Warm() }()
	if err := errors.Join(s.AwaitWarm(t.Context()), s.Yield(), <-done); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.AwaitForwarding(t.Context()); err == nil {
		t.Error("no error of a predecessor that has gone")
	}
}

// FuzzMessages: whatever a process says is a message or an error.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"step":"warm"}` + "\n" + `{"step":"forwarding","report":{}}`))
	f.Add([]byte(`{"version":1,"keep":"/x","devices":[]}`))
	f.Add([]byte(`{"step":"failed","error":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		own, other, err := pair()
		if err != nil {
			t.Skip(err)
		}
		if len(text) > 1<<15 {
			t.Skip()
		}
		_, _ = other.Write(text)
		other.Close()
		s := &Successor{channel: newChannel(own)}
		for range 4 {
			if _, err := s.channel.await(warm); err != nil {
				break
			}
		}
		own.Close()
		var o Offer
		if json.Unmarshal(text, &o) == nil {
			_ = o.Validate()
		}
	})
}
