package bench

import "testing"

// TestTurns: the director forwards every packet of every case, each as its case says.
func TestTurns(t *testing.T) {
	for _, c := range CasesOf(thousand) {
		d, err := newTurns(c)
		if err == nil {
			err = d.begin()
		}
		if err == nil {
			err = d.forward(countedTurns)
		}
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		want := c.Sessions
		if c.Fresh {
			want = countedTurns * 64
		}
		if r := d.engine.Report(); r.Sessions != want {
			t.Errorf("%v: %d sessions; want %d", c, r.Sessions, want)
		}
	}
}
