package director

import (
	"net/http"
	"os"
	"testing"

	"fulcrum/api"
)

// TestRemovedSocketIsMadeAgain removes the control socket under a running director. A reload
// creates it again, also if the file that is reloaded has mistakes, and Stop removes the new one.
func TestRemovedSocketIsMadeAgain(t *testing.T) {
	b := newBed(t).start()
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
	}
	b.stop()
}
