package engine

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"fulcrum/packet"
)

func TestVerdictNames(t *testing.T) {
	form := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	seen := map[string]Verdict{}
	for v := range NumVerdicts {
		if !form.MatchString(v.String()) {
			t.Errorf("verdict %d is called %q, which is not snake_case", uint8(v), v)
		}
		if other, taken := seen[v.String()]; taken {
			t.Errorf("verdicts %d and %d are both called %q", other, uint8(v), v)
		}
		seen[v.String()] = v
		if m := v.Meaning(); m == "" || strings.HasSuffix(m, ".") {
			t.Errorf("%v means %q", v, m)
		}
		if v.IsDrop() != (v != Taken && v != Consumed && v != HandedToHost) {
			t.Errorf("%v: IsDrop %v", v, v.IsDrop())
		}
	}
	if got, want := NumVerdicts.String(), fmt.Sprintf("verdict %d", NumVerdicts); got != want {
		t.Errorf("what is no verdict is called %q", got)
	}
}

func TestEveryFaultHasADropReason(t *testing.T) {
	seen := map[Verdict]packet.Fault{}
	for f := packet.NoFault + 1; f < packet.NumFaults; f++ {
		v := faults[f]
		if !v.IsDrop() {
			t.Errorf("fault %d has the verdict %v", f, v)
		}
		if other, taken := seen[v]; taken {
			t.Errorf("faults %d and %d share %v", other, f, v)
		}
		seen[v] = f
	}
}
