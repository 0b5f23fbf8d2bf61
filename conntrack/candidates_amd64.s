#include "textflag.h"

// The layout of a bucket, held by layout_unsafe_test.go.
#define TAGS 0
#define LASTTAGS 16
#define REFS 24

// func candidates(buckets *bucket, sessions *Session, offsets, hashes *uint64, refs *Ref, n int)
//
// It compares the hash's tag with eight tags of the bucket at a time, then with the last two. The
// lowest equal tag gives the entry. There is no branch on it: a branch predictor cannot guess where
// in a bucket a tag lies.
TEXT ·candidates(SB), NOSPLIT, $0-48
	MOVQ  buckets+0(FP), DI
	MOVQ  sessions+8(FP), R12
	MOVQ  offsets+16(FP), SI
	MOVQ  hashes+24(FP), DX
	MOVQ  refs+32(FP), R8
	MOVQ  n+40(FP), CX
	XORL  R10, R10
	MOVL  $1, R11
	TESTQ CX, CX
	JLE   done

loop:
	MOVQ       (SI), R9
	ADDQ       DI, R9
	MOVQ       (DX), AX
	SHRQ       $48, AX
	CMOVLEQ    R11, AX         // as tagOf: no tag is 0
	MOVQ       AX, X0
	PSHUFLW    $0, X0, X0
	PUNPCKLQDQ X0, X0
	MOVOU      TAGS(R9), X1
	MOVL       LASTTAGS(R9), X2
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
	MOVL       REFS(R9)(BX*2), BX
	CMOVLEQ    R10, BX
	MOVL       BX, (R8)
	ANDL       $0x3fffffff, BX // as Ref.Slot
	LEAL       -1(BX), AX
	CMOVLEQ    R10, AX
	SHLQ       $6, AX
	PREFETCHT0 (R12)(AX*1)
	ADDQ       $8, SI
	ADDQ       $8, DX
	ADDQ       $4, R8
	DECQ       CX
	JNZ        loop

done:
	RET
