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
#define INDEX 28
#define PLAIN 31

// Offsets in a usual frame.
#define TOTAL 16
#define FRAGMENT 20
#define TTL 22
#define PROTOCOL 23
#define ADDRESSES 26
#define UDPLENGTH 38
#define TCPOFFSET 46
#define TCPFLAGS 47

#define USUALLEN 54
#define HEADERS 34 // of Ethernet and IPv4: where the transport begins

// What meta begins with: kind, fault, flags, TTL, DF, and the offset of the IP header.
#define UDP (14<<48 | 11)
#define TCP (14<<48 | 10)

// Which bits of a frame's first 16 bytes count: those of the station, and of EtherType, version and
// header length.
DATA firstBits<>+0(SB)/8, $0x0001ffffffffffff
DATA firstBits<>+8(SB)/8, $0x00ffffff00000000
GLOBL firstBits<>(SB), RODATA, $16

// From a frame's bytes 23 to 38, the key as packet.Key4 has it.
DATA keyOrder<>+0(SB)/8, $0x0708090a03040506
DATA keyOrder<>+8(SB)/8, $0x808080000d0e0b0c
GLOBL keyOrder<>(SB), RODATA, $16

// And as both numbers that packet.Hasher.mix4 takes.
DATA mixOrder<>+0(SB)/8, $0x030405060708090a
DATA mixOrder<>+8(SB)/8, $0x80800b0c0d0e8000
GLOBL mixOrder<>(SB), RODATA, $16

// func parseUsual(packets *ports.Packet, metas *meta, hashes *uint64, from, to int,
//	at packet.Station, port uint16, odd ports.RxFlags, h *packet.Hasher) (others uint64)
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
	MOVQ       $0x0045000800000000, AX
	MOVQ       AX, X0
	PUNPCKLQDQ X0, X11
	MOVOU      firstBits<>(SB), X10
	MOVOU      keyOrder<>(SB), X9
	MOVOU      mixOrder<>(SB), X8
	MOVOU      (BX), X7                // both halves of the secret
	MOVQ       (BX), R13
	MOVQ       $0x9e3779b97f4a7c15, R15
	CMPQ       CX, R9
	JGE        done

loop:
	// A packet of the port that is long enough.
	MOVQ    BUFFER(DI), BX
	MOVWLZX OFFSET(DI), AX
	ADDQ    AX, BX
	MOVWLZX LENGTH(DI), R10
	CMPL    R10, $USUALLEN
	JCS     other
	MOVWLZX RXFLAGS(DI), AX
	TESTW   AX, odd+50(FP)
	JNE     other
	CMPW    R14, PORT(DI)
	JNE     other

	// For the station, IPv4 without options, no fragment.
	MOVOU (BX), X0
	PAND  X10, X0
	PXOR  X11, X0
	PTEST X0, X0
	JNE   other
	TESTW $0xffbf, FRAGMENT(BX)
	JNE   other

	// The header's checksum, as packet.sumsUp.
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

	// DX is the end of the packet, which may be before that of the frame.
	MOVWLZX TOTAL(BX), DX
	ROLW    $8, DX
	ADDL    $14, DX
	CMPL    DX, R10
	JHI     other

	// R10 becomes meta's first word. R12 is 1 unless the packet changes a session's state.
	CMPB    PROTOCOL(BX), $17
	JNE     tcp
	MOVWLZX UDPLENGTH(BX), R10
	ROLW    $8, R10
	CMPL    R10, $8
	JCS     other
	ADDL    $HEADERS, R10
	CMPL    R10, DX
	JHI     other
	MOVQ    $UDP, R10
	MOVL    $1, R12

whole:
	MOVBLZX TTL(BX), AX
	SHLQ    $24, AX
	ORQ     AX, R10
	MOVBLZX FRAGMENT(BX), AX // 0x40 with DF, or 0
	SHLQ    $26, AX
	ORQ     AX, R10
	MOVQ    R10, (SI)
	SHLL    $16, DX
	ORL     $HEADERS, DX
	MOVL    DX, TRANSPORT(SI)
	MOVOU   PROTOCOL(BX), X0
	MOVO    X0, X1
	PSHUFB  X9, X0
	MOVOU   X0, KEY(SI)
	MOVL    CX, INDEX(SI)    // and no verdict
	CMPB    TTL(BX), $1
	SETHI   AX
	ANDL    R12, AX
	MOVB    AX, PLAIN(SI)

	// The hash, as packet.Hasher.mix4.
	PSHUFB X8, X1
	PXOR   X7, X1
	MOVQ   X1, AX
	PEXTRQ $1, X1, DX
	MULQ   DX
	XORQ   DX, AX
	XORQ   R13, AX
	MULQ   R15
	XORQ   DX, AX
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
	CMPB    PROTOCOL(BX), $6
	JNE     other
	MOVBLZX TCPOFFSET(BX), AX
	SHRL    $4, AX
	CMPL    AX, $5
	JCS     other
	LEAL    HEADERS(AX*4), AX
	CMPL    AX, DX
	JHI     other
	MOVBLZX TCPFLAGS(BX), AX
	MOVL    AX, R12
	SHLL    $16, AX
	MOVQ    $TCP, R10
	ORQ     AX, R10
	ANDL    $0x17, R12       // SYN, FIN, RST, ACK
	CMPL    R12, $0x10
	SETEQ   R12
	MOVBLZX R12, R12
	JMP     whole

other:
	BTSQ CX, R11
	JMP  next
