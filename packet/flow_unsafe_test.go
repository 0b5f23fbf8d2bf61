package packet

// Why this is sound: the test only reads sizes.

import (
	"testing"
	"unsafe"
)

func TestFlowHasNoPadding(t *testing.T) {
	var f Flow4
	fields := unsafe.Sizeof(f.Src) + unsafe.Sizeof(f.Dst) + unsafe.Sizeof(f.SrcPort) +
		unsafe.Sizeof(f.DstPort)
	if n := unsafe.Sizeof(f); n != fields {
		t.Errorf("a flow has %d bytes, its fields %d", n, fields)
	}
}
