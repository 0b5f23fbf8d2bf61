package director

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"fulcrum/api"
	"fulcrum/ipvs"
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

// TestIPVSSocket serves the dialect of IPVS beside the control API, with the same mode. It is made
// again like the control socket, and gone after the end.
func TestIPVSSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "i.sock")
	b := newBedOf(t, fmt.Sprintf("control_mode = \"0660\"\nipvs = %q\n", path)).start()
	for range 2 {
		if info, err := os.Stat(path); err != nil || info.Mode().String() != "Srw-rw----" {
			t.Fatalf("%v: the socket is %v", err, info)
		}
		conn, err := ipvs.Dial(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := ipvs.Read(conn)
		if err != nil || len(content.Services) != 1 || len(content.Services[0].Destinations) != 1 {
			t.Errorf("%v: the services are %+v", err, content)
		}
		conn.Close()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}
