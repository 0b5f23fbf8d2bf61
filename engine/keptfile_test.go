package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/modes"
)

// TestKeptLog: a text that outgrows a piece of the file is whole, and followed by zeros.
func TestKeptLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := newKeptLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 999) + "\n")
	want := bytes.Repeat(line, keptStep/len(line)+3)
	for range len(want) / len(line) {
		if err := l.add(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(bytes.TrimRight(got, "\x00"), want) || len(got) != 2*keptStep {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := newKeptLog(path); err == nil {
		t.Error("a file was made twice")
	}
}

// TestHugeMount: which mounts of tmpfs have huge pages.
func TestHugeMount(t *testing.T) {
	const mounts = "25 1 0:22 / /dev/shm rw,nosuid - tmpfs tmpfs rw,inode64\n" +
		"26 1 0:23 / /run/kept rw - tmpfs tmpfs rw,size=1048576k,huge=advise,inode64\n" +
		"27 1 0:24 / /run/never rw - tmpfs tmpfs rw,huge=never\nbad line\n"
	for device, want := range map[string]bool{"0:22": false, "0:23": true, "0:24": false, "0:25": false, "": false} {
		if got := hugeMount(mounts, device); got != want {
			t.Errorf("%s: %v, want %v", device, got, want)
		}
	}
}

// TestKeptPlace: a folder on a disk is named.
func TestKeptPlace(t *testing.T) {
	if note := keptPlace("/dev/shm"); strings.Contains(note, "disk") {
		t.Error(note)
	}
	if note := keptPlace("/proc"); !strings.Contains(note, "is on a disk") {
		t.Error(note)
	}
	if note := keptPlace("/no/such"); note != "" {
		t.Error(note)
	}
}

// TestFailedStart: a start that fails leaves the sessions to the next one, and nothing else.
func TestFailedStart(t *testing.T) {
	s, folder := oneArm, inMemory(t)
	n := s.serving(s.web(modes.NAT, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.ask(modes.NAT, tcp(client, webVIP, "S"))
	c := b.engine.cfg
	b.close()
	c.Sessions = 1 << 40
	if _, err := New(c, n); err == nil {
		t.Fatal("a director with more sessions than there is memory")
	}
	// As a crash within a start leaves it.
	if err := os.Mkdir(filepath.Join(folder, "run-9"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := keptNumbers(folder); len(got) != 2 || got[0] != 0 {
		t.Errorf("runs %v", got)
	}
	b = newBed(t, s, n, keptIn(folder, 1))
	b.keptReport(1, nil)
	b.close()
	if got := keptNumbers(folder); len(got) != 1 || got[0] != 10 {
		t.Errorf("runs %v", got)
	}
}
