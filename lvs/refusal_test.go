package lvs

import "testing"

func TestRefusals(t *testing.T) {
	for _, r := range Refusals() {
		if got, known := ParseRefusal(r.String()); got != r || !known {
			t.Errorf("%v is read as %v, %t", r, got, known)
		}
	}
	if len(Refusals()) != int(numRefusals) {
		t.Errorf("%d refusals of %d", len(Refusals()), numRefusals)
	}
	if r, known := ParseRefusal("rst"); known || r != RefuseByICMP {
		t.Errorf("an unknown name is read as %v, %t", r, known)
	}
}
