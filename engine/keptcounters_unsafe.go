package engine

// Why this is sound: a mapping begins at a page, and its length is a multiple of eight bytes, so
// that each word is aligned and inside. The words hold no pointers. They are valid until the
// mapping is removed, and its owner does not use them afterwards.

import (
	"sync/atomic"
	"unsafe"
)

// wordsOf returns a mapping of a file as words, each of which a crash leaves as it was before a
// store or after it.
func wordsOf(page []byte) []atomic.Uint64 {
	first := (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(page)))
	return unsafe.Slice(first, len(page)/8)
}
