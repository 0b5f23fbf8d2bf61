#include "textflag.h"

// The layouts of ports.Packet and meta, held by TestUsualLayout.
#define PACKET 40
#define BUFFER 8
#define OFFSET 16
#define LENGTH 18
#define RXFLAGS 28
#define PORT 32

#define META 32
#define TRANSPORT 8
#define KEY 12
#define KEYPORTS 20
#define INDEX 28
#define PLAIN 31

// Offsets in a frame with IPv4, and where its transport begins.
#define TOTAL 16
#define FRAGMENT 20
#define TTL 22
#define PROTOCOL 23
#define ADDRESSES 26
#define BODY 34

// Offsets in a frame with IPv6, and where its transport begins.
#define PAYLOAD6 18
#define PROTOCOL6 20
#define HOPS6 21
#define SRCHI6 22
#define SRCLO6 30
#define DSTHI6 38
#define DSTLO6 46
#define BODY6 54

// Offsets in the transport header.
#define UDPLENGTH 4
#define TCPOFFSET 12
#define TCPFLAGS 13

// The lengths of packet.UsualLen and packet.UsualLen6, and of IPv6 with TCP.
#define USUAL 54
#define USUAL6 62
#define USUALTCP6 74

// What meta begins with: the kind, DF, and the offset of the IP header.
#define TCP (14<<48 | 10)
#define UDP (14<<48 | 11)
#define TCP6 (14<<48 | 1<<32 | 13)
#define UDP6 (14<<48 | 1<<32 | 14)

// Which bits of a frame's first 16 bytes are compared: those of the station, and the EtherType, the
// version and, in IPv4, the header's length.
DATA firstBits<>+0(SB)/8, $0x0001ffffffffffff
DATA firstBits<>+8(SB)/8, $0x00ffffff00000000
GLOBL firstBits<>(SB), RODATA, $16
DATA firstBits6<>+0(SB)/8, $0x0001ffffffffffff
DATA firstBits6<>+8(SB)/8, $0x00f0ffff00000000
GLOBL firstBits6<>(SB), RODATA, $16

// From a frame's bytes 23 to 38, the key as packet.Key4 has it.
DATA keyOrder<>+0(SB)/8, $0x0708090a03040506
DATA keyOrder<>+8(SB)/8, $0x808080000d0e0b0c
GLOBL keyOrder<>(SB), RODATA, $16

// And as both numbers that packet.Hasher.mix4 takes.
DATA mixOrder<>+0(SB)/8, $0x030405060708090a
DATA mixOrder<>+8(SB)/8, $0x80800b0c0d0e8000
GLOBL mixOrder<>(SB), RODATA, $16

// FOLD leaves in AX what packet.fold returns of AX and by.
#define FOLD(by) \
	MULQ by \
	XORQ DX, AX

// UDPENDS goes on if a UDP header at body has a length that is right and ends before DX.
#define UDPENDS(body) \
	MOVWLZX (body+UDPLENGTH)(BX), R10 \
	ROLW    $8, R10 \
	CMPL    R10, $8 \
	JCS     other \
	ADDL    $body, R10 \
	CMPL    R10, DX \
	JHI     other

// TCPENDS does so for a TCP header. It leaves the flags in R10 as meta has them, and in R12 whether
// the packet only acknowledges: ACK, but not SYN, FIN or RST.
#define TCPENDS(body) \
	MOVBLZX (body+TCPOFFSET)(BX), AX \
	SHRL    $4, AX \
	CMPL    AX, $5 \
	JCS     other \
	LEAL    body(AX*4), AX \
	CMPL    AX, DX \
	JHI     other \
	MOVBLZX (body+TCPFLAGS)(BX), R10 \
	MOVL    R10, R12 \
	SHLL    $16, R10 \
	ANDL    $0x17, R12 \
	CMPL    R12, $0x10 \
	SETEQ   R12

// SETPLAIN says that the packet may go straight if its TTL allows that and R12 is 1.
#define SETPLAIN(ttl) \
	CMPB  ttl(BX), $1 \
	SETHI AX \
	ANDL  R12, AX \
	MOVB  AX, PLAIN(SI)

// func parseUsual(packets *ports.Packet, metas *meta, hashes *uint64, from, to int,
//	at packet.Station, port uint16, odd ports.RxFlags, h *packet.Hasher) (others uint64)
//
// DI, SI and R8 are at the packet, its meta and its hash, CX is its place and R9 the end of the
// lane. R11 collects the others. BX is the frame's address and R10 its length; DX becomes the end of
// the IP packet, which may be before that of the frame. R13 and X7 hold the secret, R15 the hash's
// constant, R14 the port; X5, X6, X10 and X11 are for the comparison of headers. What is written of
// a packet before it turns out to be another's is written again by parseOne.
TEXT ·parseUsual(SB), NOSPLIT, $0-72
	MOVQ       packets+0(FP), DI
	MOVQ       metas+8(FP), SI
	MOVQ       hashes+16(FP), R8
	MOVQ       from+24(FP), CX
	MOVQ       to+32(FP), R9
	MOVQ       at+40(FP), AX
	MOVWLZX    port+48(FP), R14
	MOVQ       h+56(FP), BX
	XORL       R11, R11
	BSWAPQ     AX
	MOVQ       AX, X11
	MOVO       X11, X5
	MOVQ       $0x0045000800000000, AX // 08 00 45
	MOVQ       AX, X0
	PUNPCKLQDQ X0, X11
	MOVQ       $0x0060dd8600000000, AX // 86 dd 6
	MOVQ       AX, X0
	PUNPCKLQDQ X0, X5
	MOVOU      firstBits<>(SB), X10
	MOVOU      firstBits6<>(SB), X6
	MOVOU      keyOrder<>(SB), X9
	MOVOU      mixOrder<>(SB), X8
	MOVOU      (BX), X7                // both halves of the secret
	MOVQ       (BX), R13
	MOVQ       $0x9e3779b97f4a7c15, R15
	CMPQ       CX, R9
	JGE        done

loop:
	// Is it long enough, without flags, and of the port?
	MOVQ    BUFFER(DI), BX
	MOVWLZX OFFSET(DI), AX
	ADDQ    AX, BX
	MOVWLZX LENGTH(DI), R10
	CMPL    R10, $USUAL
	JCS     other
	MOVWLZX RXFLAGS(DI), AX
	TESTW   AX, odd+50(FP)
	JNE     other
	CMPW    R14, PORT(DI)
	JNE     other

	// Is it for the station, IPv4 without options, and no fragment?
	MOVOU (BX), X0
	MOVO  X0, X1
	PAND  X10, X0
	PXOR  X11, X0
	PTEST X0, X0
	JNE   six
	TESTW $0xffbf, FRAGMENT(BX)
	JNE   other

	// Is the header's checksum right? See packet.sumsUp.
	MOVQ 14(BX), AX
	MOVL TTL(BX), DX
	ADDQ ADDRESSES(BX), AX
	ADCQ DX, AX
	ADCQ $0, AX
	MOVQ AX, DX
	ROLQ $32, DX
	ADDQ DX, AX
	SHRQ $32, AX
	MOVL AX, DX
	ROLL $16, DX
	ADDL DX, AX
	CMPL AX, $0xffff0000
	JCS  other

	MOVWLZX TOTAL(BX), DX
	ROLW    $8, DX
	ADDL    $14, DX
	CMPL    DX, R10
	JHI     other
	CMPB    PROTOCOL(BX), $17
	JNE     tcp
	UDPENDS(BODY)
	MOVQ    $UDP, R10
	MOVL    $1, R12

whole:
	// R10 becomes the first word of meta.
	MOVBLZX TTL(BX), AX
	SHLQ    $24, AX
	ORQ     AX, R10
	MOVBLZX FRAGMENT(BX), AX // 0x40 with DF, or 0
	SHLQ    $26, AX
	ORQ     AX, R10
	MOVQ    R10, (SI)
	SHLL    $16, DX
	ORL     $BODY, DX
	MOVL    DX, TRANSPORT(SI)
	MOVOU   PROTOCOL(BX), X0
	MOVO    X0, X1
	PSHUFB  X9, X0
	MOVOU   X0, KEY(SI)
	MOVL    CX, INDEX(SI)    // and no verdict
	SETPLAIN(TTL)

	// The hash, as packet.Hasher.mix4.
	PSHUFB X8, X1
	PXOR   X7, X1
	MOVQ   X1, AX
	PEXTRQ $1, X1, DX
	FOLD(DX)
	XORQ   R13, AX
	FOLD(R15)
	MOVQ   AX, (R8)

next:
	ADDQ $PACKET, DI
	ADDQ $META, SI
	ADDQ $8, R8
	INCQ CX
	CMPQ CX, R9
	JLT  loop

done:
	MOVQ R11, others+64(FP)
	RET

tcp:
	CMPB PROTOCOL(BX), $6
	JNE  other
	TCPENDS(BODY)
	MOVBLZX R12, R12
	MOVQ $TCP, AX
	ORQ  AX, R10
	JMP  whole

six:
	PAND    X6, X1
	PXOR    X5, X1
	PTEST   X1, X1
	JNE     other
	CMPL    R10, $USUAL6
	JCS     other
	CMPB    SRCHI6(BX), $0xff // multicast
	JEQ     other
	MOVWLZX PAYLOAD6(BX), DX
	ROLW    $8, DX
	ADDL    $BODY6, DX
	CMPL    DX, R10
	JHI     other
	CMPB    PROTOCOL6(BX), $17
	JNE     tcp6
	UDPENDS(BODY6)
	MOVQ    $UDP6, R10
	MOVL    $1, R12

whole6:
	MOVBLZX HOPS6(BX), AX
	SHLQ    $24, AX
	ORQ     AX, R10
	MOVQ    R10, (SI)
	SHLL    $16, DX
	ORL     $BODY6, DX
	MOVL    DX, TRANSPORT(SI)
	MOVL    CX, INDEX(SI)
	SETPLAIN(HOPS6)

	// The ports and the protocol, as packet.Key4 has them, and in R10 as packet.restOf.
	MOVL    BODY6(BX), R10
	BSWAPL  R10
	MOVL    R10, AX
	ROLL    $16, AX
	MOVBLZX PROTOCOL6(BX), DX
	SHLQ    $16, R10
	ORQ     DX, R10
	SHLQ    $32, DX
	ORQ     DX, AX
	MOVQ    AX, KEYPORTS(SI)

	// The hash, as packet.Hasher.mix. Addresses whose first half is 0 are for others.
	PEXTRQ $1, X7, R12
	MOVQ   SRCHI6(BX), AX
	TESTQ  AX, AX
	JEQ    other
	BSWAPQ AX
	XORQ   R12, AX
	MOVQ   SRCLO6(BX), DX
	BSWAPQ DX
	XORQ   R13, DX
	FOLD(DX)
	MOVQ   DSTLO6(BX), DX
	BSWAPQ DX
	XORQ   AX, DX
	MOVQ   DSTHI6(BX), AX
	TESTQ  AX, AX
	JEQ    other
	BSWAPQ AX
	XORQ   R12, AX
	FOLD(DX)
	XORQ   R13, AX
	XORQ   R12, R10
	FOLD(R10)
	XORQ   R13, AX
	FOLD(R15)
	MOVQ   AX, (R8)
	JMP    next

tcp6:
	CMPB PROTOCOL6(BX), $6
	JNE  other
	CMPL DX, $USUALTCP6
	JCS  other
	TCPENDS(BODY6)
	MOVBLZX R12, R12
	MOVQ $TCP6, AX
	ORQ  AX, R10
	JMP  whole6

other:
	BTSQ CX, R11
	JMP  next
