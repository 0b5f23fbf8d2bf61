package director

import (
	"net/http"
	"os"
	"syscall"
	"testing"

	"fulcrum/api"
)

// TestRemovedSocketIsMadeAgain removes the control socket under a running director. A reload
// creates it again, also if the file that is reloaded has mistakes, and Stop removes the new one.
// The new socket has the mode and the group of the first.
func TestRemovedSocketIsMadeAgain(t *testing.T) {
	b := newBedOf(t, "control_mode = \"0660\"\ncontrol_group = \"54321\"\n").start()
	b.socketIs("Srw-rw----", 54321)
	for _, reload := range []func() error{
		func() error { _, err := b.Reload(); return err },
		func() error {
			b.write("mistake")
			if _, err := b.Reload(); err == nil {
				t.Error("a mistake was applied")
			}
			return nil
		},
	} {
		if err := os.Remove(b.socket); err != nil {
			t.Fatal(err)
		}
		if err := reload(); err != nil {
			t.Fatal(err)
		}
		var status api.Status
		if err := b.client.Do(t.Context(), http.MethodGet, "status", nil, &status); err != nil {
			t.Error(err)
		}
		b.socketIs("Srw-rw----", 54321)
	}
	b.stop()
}

// socketIs checks the mode and the group of the control socket.
func (b *bed) socketIs(mode string, gid uint32) {
	b.Helper()
	info, err := os.Stat(b.socket)
	if err != nil {
		b.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Gid; info.Mode().String() != mode || got != gid {
		b.Errorf("the socket is %v of group %d", info.Mode(), got)
	}
}
