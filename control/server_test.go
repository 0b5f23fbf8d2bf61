package control

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestStaleSocketIsReplaced: what a crash left behind does not keep the next director from starting; a file that is no socket does.
func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	log := slog.New(slog.DiscardHandler)
	s, err := Serve(path, http.NotFoundHandler(), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(path, http.NotFoundHandler(), log); err == nil {
		t.Error("a file that is no socket was replaced")
	}
}
