#include "textflag.h"

// The layout of a bucket, held by layout_unsafe_test.go.
#define TAGS 0
#define LASTTAGS 16
#define REFS 24

// HOME leaves in AX the home bucket of the hash in AX, in bytes from the index's start (index.home).
// R9 is the number of buckets.
#define HOME \
	MOVL  AX, AX \
	IMULQ R9, AX \
	SHRQ  $32, AX \
	SHLQ  $6, AX

// func prefetchHomes(buckets *bucket, size uint64, hashes *uint64, n int)
TEXT ·prefetchHomes(SB), NOSPLIT, $0-32
	MOVQ  buckets+0(FP), DI
	MOVQ  size+8(FP), R9
	MOVQ  hashes+16(FP), DX
	MOVQ  n+24(FP), CX
	TESTQ CX, CX
	JLE   done

loop:
	MOVQ       (DX), AX
	HOME
	PREFETCHT0 (DI)(AX*1)
	ADDQ       $8, DX
	DECQ       CX
	JNZ        loop

done:
	RET

// func candidates(buckets *bucket, size uint64, sessions *Session, hashes *uint64, refs *Ref, n int)
//
// It compares the hash's tag with eight tags of the bucket at a time, then with the last two. The
// lowest equal tag gives the entry. There is no branch on it: a branch predictor cannot guess where
// in a bucket a tag lies.
TEXT ·candidates(SB), NOSPLIT, $0-48
	MOVQ  buckets+0(FP), DI
	MOVQ  size+8(FP), R9
	MOVQ  sessions+16(FP), R12
	MOVQ  hashes+24(FP), DX
	MOVQ  refs+32(FP), R8
	MOVQ  n+40(FP), CX
	XORL  R10, R10
	MOVL  $1, R11
	TESTQ CX, CX
	JLE   done

loop:
	MOVQ       (DX), AX
	MOVQ       AX, BX
	HOME
	LEAQ       (DI)(AX*1), SI
	SHRQ       $48, BX
	CMOVLEQ    R11, BX         // as tagOf: no tag is 0
	MOVQ       BX, X0
	PSHUFLW    $0, X0, X0
	PUNPCKLQDQ X0, X0
	MOVOU      TAGS(SI), X1
	MOVL       LASTTAGS(SI), X2
	PCMPEQW    X0, X1
	PCMPEQW    X0, X2
	PMOVMSKB   X1, AX
	PMOVMSKB   X2, BX
	ANDL       $15, BX
	SHLL       $16, BX
	ORL        BX, AX          // two bits a tag
	BSFL       AX, BX
	TESTL      AX, AX
	CMOVLEQ    R10, BX
	MOVL       REFS(SI)(BX*2), BX
	CMOVLEQ    R10, BX
	MOVL       BX, (R8)
	ANDL       $0x3fffffff, BX // as Ref.Slot
	LEAL       -1(BX), AX
	CMOVLEQ    R10, AX
	SHLQ       $6, AX
	PREFETCHT0 (R12)(AX*1)
	ADDQ       $8, DX
	ADDQ       $4, R8
	DECQ       CX
	JNZ        loop

done:
	RET

// func prefetchPairs(addresses *Addresses6, before uint32, refs *Ref, n int)
//
// before is the number of Refs below those of IPv6 sessions. For other Refs it prefetches the first
// addresses.
TEXT ·prefetchPairs(SB), NOSPLIT, $0-32
	MOVQ  addresses+0(FP), DI
	MOVL  before+8(FP), R9
	MOVQ  refs+16(FP), R8
	MOVQ  n+24(FP), CX
	XORL  R10, R10
	TESTQ CX, CX
	JLE   done

loop:
	MOVL       (R8), AX
	ANDL       $0x3fffffff, AX // as Ref.Slot, plus 1
	SUBL       R9, AX
	CMOVLCS    R10, AX
	SHLQ       $6, AX
	PREFETCHT0 (DI)(AX*1)
	ADDQ       $4, R8
	DECQ       CX
	JNZ        loop

done:
	RET
