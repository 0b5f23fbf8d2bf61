package director

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakePart records calls of Start and Stop, and returns their errors.
type fakePart struct {
	name        string
	done        *[]string
	start, stop error
}

func (p *fakePart) Start() error { *p.done = append(*p.done, "start "+p.name); return p.start }
func (p *fakePart) Stop() error  { *p.done = append(*p.done, "stop "+p.name); return p.stop }

func TestPartsStopInReverse(t *testing.T) {
	var done []string
	badStop := errors.New("b does not stop")
	s := sequence{parts: []Part{
		&fakePart{name: "a", done: &done}, &fakePart{name: "b", done: &done, stop: badStop},
		&fakePart{name: "c", done: &done},
	}}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{badStop, nil} { // the second call has nothing to stop
		if err := s.Stop(); !errors.Is(err, want) {
			t.Errorf("stop %d: %v, want %v", i, err, want)
		}
	}
	want := []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFailedStartStopsTheOthers checks that a failed start stops the parts before it, and no other.
func TestFailedStartStopsTheOthers(t *testing.T) {
	var done []string
	badStart, badStop := errors.New("c does not start"), errors.New("b does not stop")
	s := sequence{parts: []Part{
		&fakePart{name: "a", done: &done}, &fakePart{name: "b", done: &done, stop: badStop},
		&fakePart{name: "c", done: &done, start: badStart}, &fakePart{name: "d", done: &done},
	}}
	if err := s.Start(); !errors.Is(err, badStart) || !errors.Is(err, badStop) {
		t.Errorf("%v, want both errors", err)
	}
	want := []string{"start a", "start b", "start c", "stop b", "stop a"}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
