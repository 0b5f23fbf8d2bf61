package bench

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// outside stands for code of no Go function: the kernel's vDSO, C.
const outside = "outside of Go"

// symbols finds functions of this program by address. It reads the runtime's own table, which a
// program without a symbol table has, too.
type symbols map[uint64]string

// ownSymbols returns the file of this program, and its symbols. Another process of the program has
// the same addresses unless the kernel chooses them.
func ownSymbols() (file string, _ symbols, err error) {
	if file, err = os.Executable(); err != nil {
		return "", nil, fmt.Errorf("find the program's own file: %w", err)
	}
	f, err := elf.Open(file)
	if err != nil {
		return "", nil, fmt.Errorf("read the program's own file: %w", err)
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC {
		return "", nil, errors.New("the program's addresses are not fixed; build it with -buildmode=exe")
	}
	return file, symbols{}, nil
}

// at returns the function of an instruction. What is inlined into a function belongs to it.
func (s symbols) at(address uint64) string {
	name, known := s[address]
	if !known {
		name = functionAt(uintptr(address))
		s[address] = name
	}
	return name
}

// functionAt looks for an instruction of the same function that is not inlined, since the runtime
// tells only the innermost name. At the latest the return is one.
func functionAt(address uintptr) string {
	here := frameAt(address)
	if here.Entry == 0 {
		return outside
	}
	for at := here.Entry; ; at++ {
		f := frameAt(at)
		if f.Entry != here.Entry {
			return here.Function // all of it is inlined code
		}
		if f.Func != nil {
			return f.Function
		}
	}
}

// frameAt returns what the runtime knows of an instruction.
func frameAt(address uintptr) runtime.Frame {
	frames := runtime.CallersFrames([]uintptr{address + 1}) // as if a call returned there
	f, _ := frames.Next()
	return f
}
