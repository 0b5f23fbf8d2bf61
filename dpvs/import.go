package dpvs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"fulcrum/foreign"
	"fulcrum/lvs"
)

// Problems are the mistakes of a configuration, each with its place: file:line: what is wrong.
type Problems = foreign.Problems

// Import is the result of reading a dpvs.conf.
type Import struct {
	File    string     // as given to Load
	Workers []int      // CPUs of the workers that forward, in file order
	Log     slog.Level // lowest level that is logged; Info without log_level
	Ports   []Port     // in file order
	// Sessions is the number of sessions of one NUMA node.
	Sessions int
	Timeouts map[lvs.State]time.Duration // of TCP's states, and of UDP
	// Left is what is not carried over: place, subject and reason, one line each.
	Left []string
}

// Port is a device of DPVS, or several that are bonded.
type Port struct {
	Name          string
	RxDescriptors int // per queue; 0 if the file does not say
	TxDescriptors int // per queue; 0 if the file does not say
	MTU           int // bytes; 0 if the file does not say
	// BondMode and Slaves are those of a bond. Other ports have no slaves.
	BondMode int
	Slaves   []string // names of devices that are no ports themselves
	Primary  string   // one of Slaves, or ""
}

// Load reads a dpvs.conf. The error is of type Problems if the file could be read but contains
// mistakes.
func Load(file string) (*Import, error) {
	text, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", foreign.Printable(file), err)
	}
	return parse(file, text)
}

// read returns the text of a file of at most maxText bytes.
func read(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", errors.Unwrap(err) // the caller names the file
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if pathError, is := errors.AsType[*os.PathError](err); is {
		return "", pathError.Err
	}
	if len(text) > maxText {
		return "", fmt.Errorf("it is longer than %d MiB", maxText>>20)
	}
	return string(text), err
}

func parse(file, text string) (*Import, error) {
	r := foreign.NewReport()
	entries := nest(r, file, text)
	if err := r.Err(); err != nil {
		return nil, err
	}
	i := newImporter(r)
	for _, e := range entries {
		i.takeSection(e)
	}
	i.resolvePorts()
	if err := i.Err(); err != nil {
		return nil, err
	}
	i.result.File, i.result.Left = file, i.Left()
	return &i.result, nil
}
