#include "textflag.h"

// Both functions add up n bytes as little-endian words of 32 bits, each in the low half
// of a 64-bit lane, so that no carry is lost: RFC 1071 section 2 (B) and (C). Folded to
// 16 bits the sum is that of 16-bit words in memory order.

// func sumAVX2(p *byte, n int) uint64
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VPXOR    Y3, Y3, Y3
	VPCMPEQD Y15, Y15, Y15
	VPSRLQ   $32, Y15, Y15
	SUBQ     $128, CX
	JB       last
	PCALIGN  $32

loop128:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VMOVDQU 64(SI), Y6
	VMOVDQU 96(SI), Y7
	VPAND   Y15, Y4, Y8
	VPSRLQ  $32, Y4, Y4
	VPAND   Y15, Y5, Y9
	VPSRLQ  $32, Y5, Y5
	VPAND   Y15, Y6, Y10
	VPSRLQ  $32, Y6, Y6
	VPAND   Y15, Y7, Y11
	VPSRLQ  $32, Y7, Y7
	VPADDQ  Y8, Y0, Y0
	VPADDQ  Y9, Y1, Y1
	VPADDQ  Y10, Y2, Y2
	VPADDQ  Y11, Y3, Y3
	VPADDQ  Y4, Y0, Y0
	VPADDQ  Y5, Y1, Y1
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y7, Y3, Y3
	ADDQ    $128, SI
	SUBQ    $128, CX
	JAE     loop128

last:
	ADDQ $96, CX
	JL   reduce

loop32:
	VMOVDQU (SI), Y4
	VPAND   Y15, Y4, Y8
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y8, Y0, Y0
	VPADDQ  Y4, Y1, Y1
	ADDQ    $32, SI
	SUBQ    $32, CX
	JGE     loop32

reduce:
	VPADDQ       Y1, Y0, Y0
	VPADDQ       Y3, Y2, Y2
	VPADDQ       Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ       X1, X0, X0
	VPSRLDQ      $8, X0, X1
	VPADDQ       X1, X0, X0
	VMOVQ        X0, AX
	VZEROUPPER

	// CX is the number of bytes left, less 32. Sums of fewer than 2^34 bytes have room
	// for them: the carries of the 8-byte words are kept by ADC.
	ADDQ $32, CX
	SUBQ $8, CX
	JL   tail

loop8:
	MOVQ (SI), DX
	ADDQ $8, SI
	ADDQ DX, AX
	ADCQ $0, AX
	SUBQ $8, CX
	JGE  loop8

tail:
	XORQ  R8, R8
	TESTQ $4, CX
	JZ    tail2
	MOVL  (SI), R8
	ADDQ  $4, SI
	ADDQ  R8, AX
	ADCQ  $0, AX

tail2:
	TESTQ   $2, CX
	JZ      tail1
	MOVWQZX (SI), R8
	ADDQ    $2, SI
	ADDQ    R8, AX
	ADCQ    $0, AX

tail1:
	TESTQ   $1, CX
	JZ      done
	MOVBQZX (SI), R8
	ADDQ    R8, AX
	ADCQ    $0, AX

done:
	MOVQ AX, ret+16(FP)
	RET

// func copySumAVX2(dst, src *byte, n int) uint64
TEXT ·copySumAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VPXOR    Y3, Y3, Y3
	VPCMPEQD Y15, Y15, Y15
	VPSRLQ   $32, Y15, Y15
	SUBQ     $128, CX
	JB       last
	PCALIGN  $32

loop128:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VMOVDQU 64(SI), Y6
	VMOVDQU 96(SI), Y7
	VMOVDQU Y4, (DI)
	VMOVDQU Y5, 32(DI)
	VMOVDQU Y6, 64(DI)
	VMOVDQU Y7, 96(DI)
	VPAND   Y15, Y4, Y8
	VPSRLQ  $32, Y4, Y4
	VPAND   Y15, Y5, Y9
	VPSRLQ  $32, Y5, Y5
	VPAND   Y15, Y6, Y10
	VPSRLQ  $32, Y6, Y6
	VPAND   Y15, Y7, Y11
	VPSRLQ  $32, Y7, Y7
	VPADDQ  Y8, Y0, Y0
	VPADDQ  Y9, Y1, Y1
	VPADDQ  Y10, Y2, Y2
	VPADDQ  Y11, Y3, Y3
	VPADDQ  Y4, Y0, Y0
	VPADDQ  Y5, Y1, Y1
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y7, Y3, Y3
	ADDQ    $128, SI
	ADDQ    $128, DI
	SUBQ    $128, CX
	JAE     loop128

last:
	ADDQ $96, CX
	JL   reduce

loop32:
	VMOVDQU (SI), Y4
	VMOVDQU Y4, (DI)
	VPAND   Y15, Y4, Y8
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y8, Y0, Y0
	VPADDQ  Y4, Y1, Y1
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $32, CX
	JGE     loop32

reduce:
	VPADDQ       Y1, Y0, Y0
	VPADDQ       Y3, Y2, Y2
	VPADDQ       Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ       X1, X0, X0
	VPSRLDQ      $8, X0, X1
	VPADDQ       X1, X0, X0
	VMOVQ        X0, AX
	VZEROUPPER

	// CX is the number of bytes left, less 32. Sums of fewer than 2^34 bytes have room
	// for them: the carries of the 8-byte words are kept by ADC.
	ADDQ $32, CX
	SUBQ $8, CX
	JL   tail

loop8:
	MOVQ (SI), DX
	MOVQ DX, (DI)
	ADDQ $8, DI
	ADDQ $8, SI
	ADDQ DX, AX
	ADCQ $0, AX
	SUBQ $8, CX
	JGE  loop8

tail:
	XORQ  R8, R8
	TESTQ $4, CX
	JZ    tail2
	MOVL  (SI), R8
	MOVL  R8, (DI)
	ADDQ  $4, DI
	ADDQ  $4, SI
	ADDQ  R8, AX
	ADCQ  $0, AX

tail2:
	TESTQ   $2, CX
	JZ      tail1
	MOVWQZX (SI), R8
	MOVW    R8, (DI)
	ADDQ    $2, DI
	ADDQ    $2, SI
	ADDQ    R8, AX
	ADCQ    $0, AX

tail1:
	TESTQ   $1, CX
	JZ      done
	MOVBQZX (SI), R8
	MOVB    R8, (DI)
	ADDQ    R8, AX
	ADCQ    $0, AX

done:
	MOVQ AX, ret+24(FP)
	RET
