package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asLogger is the environment variable that makes the test's program write some lines of log.
const asLogger = "FULCRUM_TEST_LOGS"

// journalScript starts a journal in namespaces of its own, and a program whose standard error is
// connected to it as systemd connects a unit's. It prints the journal's entries.
const journalScript = `
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal
/lib/systemd/systemd-journald &
until test -S /run/systemd/journal/stdout; do sleep 0.05; done
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0"' "$0"
until journalctl _TRANSPORT=journal -o cat | grep -q last; do sleep 0.05; done
journalctl _TRANSPORT=journal -o json`

// TestJournal: under systemd each attribute is a field of the journal's entry, and the message has
// them too.
func TestJournal(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/lib/systemd/systemd-journald"); err != nil {
		t.Skipf("systemd is not installed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
		journalScript, os.Args[0])
	c.Env = append(os.Environ(), asLogger+"=1")
	c.Stderr = os.Stderr
	text, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var entry map[string]string
	if err := json.Unmarshal([]byte(lines[0]), &entry); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for field, want := range map[string]string{
		"MESSAGE":             `drain ended "real server"=10.0.0.11:80 what="~ a b"`,
		"PRIORITY":            "4",
		"FULCRUM_REAL_SERVER": "10.0.0.11:80", "FULCRUM_WHAT": "~ a b",
	} {
		if entry[field] != want {
			t.Errorf("%s is %q, want %q", field, entry[field], want)
		}
	}
	if len(lines) != 2 {
		t.Errorf("%d entries, want 2:\n%s", len(lines), text)
	}
}

// writeLog writes what TestJournal reads.
func writeLog() {
	log := newLog(os.Stderr, 0)
	log.Debug("below the level")
	log.With("real server", "10.0.0.11:80").Warn("drain ended", "what", "~ a b")
	log.Info("last")
}
