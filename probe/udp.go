package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// UDP sends a datagram. Without Answer it is bad only if the host says that nobody listens, within
// udpQuiet or until the deadline if that is sooner.
type UDP struct {
	Payload []byte
	Answer  bool   // an answer must come
	Expect  []byte // with which the answer must begin, where Mask has bits set
	Mask    []byte // as long as Expect, or nil for all bits
	Least   int    // bytes of the answer
	Most    int    // bytes of the answer; 0: any
}

// udpQuiet is how long a check without an answer waits for an ICMP error.
const udpQuiet = 100 * time.Millisecond

func (u *UDP) run(ctx context.Context, to Target, t *trace) (string, error) {
	c, err := dial(ctx, "udp", to, t)
	if err != nil {
		return "", err
	}
	defer closing(ctx, c)()
	if _, err := c.Write(u.Payload); err != nil {
		return "", plain("send", err)
	}
	t.step("send", "%d bytes", len(u.Payload))
	if !u.Answer {
		return u.listen(ctx, c, t)
	}
	answer := make([]byte, mostAnswer)
	n, err := c.Read(answer)
	if err != nil {
		return "", plain("answer", err)
	}
	t.step("answer", "%d bytes", n)
	if err := u.judge(answer[:n]); err != nil {
		return "", err
	}
	return fmt.Sprintf("answer of %d bytes", n), nil
}

// listen waits for an ICMP error.
func (u *UDP) listen(ctx context.Context, c net.Conn, t *trace) (string, error) {
	end := time.Now().Add(udpQuiet)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline.Add(-time.Millisecond)
	}
	c.SetReadDeadline(end)
	n, err := c.Read(make([]byte, 1))
	var timeout net.Error
	switch {
	case err == nil:
		t.step("answer", "at least %d bytes", n)
		return "an answer", nil
	case errors.As(err, &timeout) && timeout.Timeout() && ctx.Err() == nil:
		t.step("listen", "no error")
		return "no error", nil
	}
	return "", plain("answer", err)
}

// judge checks an answer.
func (u *UDP) judge(answer []byte) error {
	switch n := len(answer); {
	case n < u.Least || u.Most > 0 && n > u.Most:
		return fmt.Errorf("answer of %d bytes", n)
	case n < len(u.Expect) || !bytes.Equal(masked(answer[:len(u.Expect)], u.Mask), masked(u.Expect, u.Mask)):
		return fmt.Errorf("the answer begins with %x", answer[:min(n, max(len(u.Expect), 8))])
	}
	return nil
}

func masked(b, mask []byte) []byte {
	out := bytes.Clone(b)
	for i := range mask {
		out[i] &= mask[i]
	}
	return out
}
