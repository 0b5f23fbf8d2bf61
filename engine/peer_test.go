package engine

import (
	"testing"

	"fulcrum/lvs"
)

// TestServersAreLookedAfterWhileServicesChange: each real server's next hop is found even if
// services come and go in every turn.
func TestServersAreLookedAfterWhileServicesChange(t *testing.T) {
	all := farm(1, 5*servedAtOnce)
	b := newSilentBed(t, twoArm, all)
	other := farmService(1, 0)
	for range 12 {
		if err := b.engine.Change(Change{Put: []Service{other}}); err != nil {
			t.Fatal(err)
		}
		b.turnAll()
		if err := b.engine.Change(Change{Remove: []lvs.ServiceID{other.ID()}}); err != nil {
			t.Fatal(err)
		}
		b.turnAll()
	}
	for id := range b.worker.snap.servers {
		if b.worker.peers[id].epoch != b.worker.hopEpoch {
			t.Fatalf("real server %d was not looked after", id)
		}
	}
}
