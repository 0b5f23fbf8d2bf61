package sysctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"fulcrum/foreign"
)

// Bounds of what is read and shown.
const (
	maxText  = 1 << 20 // bytes of a file
	maxShown = 160     // bytes of a line
)

// Import is the result of reading a file of sysctl.d.
type Import struct {
	File  string  // as given to Load
	Lines []Line  // all but comments, in file order
	keys  []entry // of [session], in the order of the table of switches
	reuse bool    // the file says something about conn_reuse_mode
}

// entry is a key of [session] with the place that it comes from.
type entry struct {
	key, value string
	at         foreign.Place
}

// Fate says what becomes of a line.
type Fate uint8

// The fates of lines.
const (
	Taken     Fate = iota // it is a key of the result
	AlreadySo             // the director does so without a key
	Replaced              // another line counts
	NoMeaning             // the director has nothing that it could mean
	NotIPVS               // it sets something else
	Unknown               // net.ipv4.vs has no such name
	numFates
)

// String returns the fate in words.
func (f Fate) String() string {
	return [numFates]string{
		"taken", "already so", "replaced", "no meaning here", "not IPVS's", "unknown",
	}[f]
}

// Line is a line of the file with its fate.
type Line struct {
	At   foreign.Place
	Text string
	Fate Fate
	Why  string // which key, which other line, or the reason
}

func (l *Line) String() string {
	return foreign.Printable(fmt.Sprintf("%s: %s: %s: %s", l.At, l.Text, l.Fate, l.Why))
}

// Load reads a file of sysctl.d. The error is of type foreign.Problems if the file could be read
// but contains mistakes.
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
	all := assignments(r, file, text)
	result := &Import{File: file}
	decide(r, all, result)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return result, nil
}

// Left returns the lines that are neither taken nor already so, one text each.
func (i *Import) Left() (all []string) {
	for n := range i.Lines {
		if l := &i.Lines[n]; l.Fate != Taken && l.Fate != AlreadySo {
			all = append(all, l.String())
		}
	}
	return all
}

// TOML returns the [session] table. Comments at its head say what became of every line.
func (i *Import) TOML() string {
	var t strings.Builder
	fmt.Fprintf(&t, "# IPVS's switches of %s.\n", foreign.Printable(i.File))
	for n := range i.Lines {
		fmt.Fprintln(&t, "#", i.Lines[n].String())
	}
	if !i.reuse {
		fmt.Fprintln(&t, "# conn_reuse_mode is 3 without the key; the kernel's default is 1.")
	}
	fmt.Fprintln(&t, "\n[session]")
	for _, e := range i.keys {
		fmt.Fprintf(&t, "%s = %s  # %s\n", e.key, e.value, foreign.Printable(e.at.String()))
	}
	return t.String()
}
