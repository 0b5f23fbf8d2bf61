package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/gopacket/pcapgo"

	"fulcrum/engine"
)

func TestExplainFault(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	fault := &engine.Fault{
		Worker: 1, Stage: "decide", Packet: []byte("a packet of sorts"), Value: "broken",
		Stack: []byte("main.stack()"),
	}
	err := explainFault(fmt.Errorf("run: %w", fault))
	for _, words := range []string{"worker 1", "decide", "broken", "main.stack()", "report"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q lacks %q", err, words)
		}
	}
	if !errors.Is(err, fault) {
		t.Error("the fault itself is lost")
	}
	file, openErr := os.Open(regexp.MustCompile(`/\S+\.pcap`).FindString(err.Error()))
	if openErr != nil {
		t.Fatal(openErr)
	}
	defer file.Close()
	r, readErr := pcapgo.NewReader(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if frame, _, readErr := r.ReadPacketData(); readErr != nil || !bytes.Equal(frame, fault.Packet) {
		t.Errorf("%q, %v", frame, readErr)
	}
}

func TestExplainOtherErrors(t *testing.T) {
	if err := errors.New("out of luck"); explainFault(err) != err {
		t.Error("changed")
	}
	fault := &engine.Fault{Stage: "exchange", Stack: []byte("here")}
	if err := explainFault(fault); strings.Contains(err.Error(), ".pcap") {
		t.Errorf("%v, without a packet", err)
	}
}
