package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"fulcrum/ports/memory"
)

// serving is the generator's process without a process, on a port without a peer.
func serving(t *testing.T) ServeConfig {
	t.Helper()
	entered := 0
	port := memory.NewPort(memory.Config{Pool: newPool(t)})
	t.Cleanup(func() {
		port.Close()
		if entered != 0 {
			t.Errorf("the thread was entered %d times more than left", entered)
		}
	})
	return ServeConfig{
		Site: testSite, Port: port, EnterThread: func() error { entered++; return nil },
		LeaveThread: func() { entered-- },
	}
}

func TestServe(t *testing.T) {
	trial := `{"kind":"new-udp","flows":10,"size":64,"rate":1000,"warmup":"0s","duration":"5ms"}`
	var out bytes.Buffer
	if err := Serve(context.Background(), serving(t), strings.NewReader(trial+"\n"+trial), &out); err != nil {
		t.Fatal(err)
	}
	results := json.NewDecoder(&out)
	for range 2 {
		var r Result
		if err := results.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Trial.Kind != NewUDP || r.Sent == 0 || r.Lost() != r.Sent {
			t.Errorf("%+v", r)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"no JSON": "x", "an unknown kind": `{"kind":"icmp"}`, "no flow": `{"kind":"udp","size":64,"duration":"1s","warmup":"0s"}`,
		"a bad duration": `{"kind":"udp","duration":"soon"}`,
	} {
		if err := Serve(context.Background(), serving(t), strings.NewReader(in), io.Discard); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestServeCannotEnter(t *testing.T) {
	refused := errors.New("refused")
	c := serving(t)
	c.EnterThread, c.LeaveThread = func() error { return refused }, nil
	err := Serve(context.Background(), c,
		strings.NewReader(`{"kind":"udp","flows":1,"size":64,"warmup":"0s","duration":"1ms"}`), io.Discard)
	if !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
}

// TestServeEnds: both the wait for a trial and a trial end with the context.
func TestServeEnds(t *testing.T) {
	waiting, _ := io.Pipe()
	for _, in := range []io.Reader{
		waiting, strings.NewReader(`{"kind":"new-udp","flows":9,"size":64,"warmup":"0s","duration":"1h"}`),
	} {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- Serve(ctx, serving(t), in, io.Discard) }()
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	}
}
