package capture

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"
)

// maxInstructions is BPF_MAXINSNS of Linux (include/uapi/linux/bpf_common.h). Jumps lead forward
// only, so it bounds the time that a program takes for a packet.
const maxInstructions = 4096

// Program selects packets by a program of the classic BPF machine, which libpcap compiles from an
// expression. A Program is immutable and may be used from any goroutine.
type Program struct{ machine *bpf.VM }

// NewProgram checks a program. It refuses those that are too long, that have loops or jump out of
// the program, and those that ask the kernel for what is not in a packet.
func NewProgram(raw []bpf.RawInstruction) (*Program, error) {
	if len(raw) > maxInstructions {
		return nil, fmt.Errorf("it compiles to %d instructions: at most %d are allowed", len(raw),
			maxInstructions)
	}
	instructions, known := bpf.Disassemble(raw)
	if !known {
		return nil, errors.New("it compiles to instructions that only a kernel knows")
	}
	if err := runnable(instructions); err != nil {
		return nil, err
	}
	machine, err := bpf.NewVM(instructions)
	if err != nil {
		return nil, err
	}
	return &Program{machine}, nil
}

// runnable returns an error for instructions that the machine does not have, or that would make the
// time for a packet unbounded.
func runnable(instructions []bpf.Instruction) error {
	for _, i := range instructions {
		switch i := i.(type) {
		case bpf.Jump:
			if int32(i.Skip) < 0 {
				return errors.New("it has a loop, as protochain does: use proto")
			}
		case bpf.NegateA:
			return errors.New("unary minus is not supported: write 0 - X")
		case bpf.LoadExtension:
			if i.Num != bpf.ExtLen {
				return errors.New("it asks for what only a kernel knows; --stage tells directions")
			}
		}
	}
	return nil
}

// Match reports whether the program selects a frame. It does not allocate.
func (p *Program) Match(frame []byte) bool {
	n, err := p.machine.Run(frame)
	return err == nil && n > 0
}
