package probe

import (
	"errors"
	"net"
)

// mostAnswer bounds what a check reads where it asks for little, in bytes.
const mostAnswer = 64 << 10

var errTooMuch = errors.New("the answer is too long")

// bounded is a connection that reads mostAnswer bytes at most.
type bounded struct {
	net.Conn
	read *int
}

func (b bounded) Read(p []byte) (int, error) {
	if *b.read >= mostAnswer {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p)
	*b.read += n
	return n, err
}
