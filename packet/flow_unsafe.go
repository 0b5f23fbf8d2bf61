package packet

// Why this is sound: Flow4 is 12 bytes of plain numbers without padding, so that flows are equal if
// and only if their bytes are (TestFlowHasNoPadding).

import "unsafe"

// Is reports whether two flows are the same. Go compares structs field by field; this takes two
// comparisons.
func (f *Flow4) Is(other *Flow4) bool {
	const size = unsafe.Sizeof(*f)
	return *(*[size]byte)(unsafe.Pointer(f)) == *(*[size]byte)(unsafe.Pointer(other))
}
