package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// File reads a file that somebody else writes. While it is there the real server is up. If it
// contains a number, that is the weight that it asks for.
type File struct{ Path string }

// mostFile bounds what is read of a file, in bytes.
const mostFile = 32

func (f *File) run(_ context.Context, _ Target, t *trace) (string, error) {
	text, err := f.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is not there", f.Path)
	case err != nil:
		return "", err
	case text == "":
		return "the file is there", nil
	}
	weight, err := strconv.Atoi(text)
	if err != nil || weight < 0 || weight > 65535 {
		return "", fmt.Errorf("%s has %q, not a weight from 0 to 65535", f.Path, text)
	}
	t.asks(weight)
	return fmt.Sprintf("weight %d", weight), nil
}

func (f *File) read() (string, error) {
	// A pipe would have the check wait for its writer.
	file, err := os.OpenFile(f.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%s is not a file", f.Path))
	}
	text, err := io.ReadAll(io.LimitReader(file, mostFile))
	return strings.TrimSpace(string(text)), err
}
