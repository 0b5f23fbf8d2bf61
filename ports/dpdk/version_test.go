package dpdk

import (
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	if got := Version(); !strings.HasPrefix(got, "DPDK 22.11") {
		t.Errorf("version is %q, want DPDK 22.11", got)
	}
}
