package sched

import "testing"

// The numbers come from a C program with SipHash as its authors describe it, checked against their
// test vector for SipHash-2-4 (a129ca6149be45e5).
func TestHashes(t *testing.T) {
	for _, tt := range []struct{ of, pick, skip, golden uint32 }{
		{0x00000000, 0x1d5a77c2, 0xf882433f, 0},
		{0x00000001, 0x16ec66b2, 0x8210aad1, 97},
		{0x0a000001, 0x03080ce4, 0x48f9d0c1, 39},
		{0xc0a80101, 0xd3f1b4d3, 0xf99fc1d7, 136},
		{0xffffffff, 0x22c5d719, 0xf75a0f5d, 158},
		{0x0a01005b, 0x218c5348, 0xd24fdfdf, 14},
		{0x7f000001, 0x168fdc4d, 0x3f06f67a, 154},
	} {
		pick, skip := maglevPick.of(tt.of), maglevSkip.of(tt.of)
		if golden := goldenHash(tt.of, slotBits); pick != tt.pick || skip != tt.skip ||
			golden != tt.golden {
			t.Errorf("%08x: %08x, %08x and slot %d; want %08x, %08x and %d", tt.of, pick, skip,
				golden, tt.pick, tt.skip, tt.golden)
		}
	}
}
