package probe

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
)

// SMTP checks that a mail server greets, and takes HELO and QUIT (RFC 5321).
type SMTP struct{ Name string } // of HELO; "fulcrum" if empty

func (s *SMTP) run(ctx context.Context, to Target, t *trace) (string, error) {
	c, err := dial(ctx, "tcp", to, t)
	if err != nil {
		return "", err
	}
	defer closing(ctx, c)()
	text := textproto.NewConn(bounded{c, new(int)})
	greeting, err := expect(text, 220, "greeting", t)
	if err != nil {
		return "", err
	}
	name := s.Name
	if name == "" {
		name = "fulcrum"
	}
	for _, step := range []struct {
		command string
		code    int
	}{{"HELO " + name, 250}, {"QUIT", 221}} {
		if err := text.PrintfLine("%s", step.command); err != nil {
			return "", plain(step.command, err)
		}
		if _, err := expect(text, step.code, step.command, t); err != nil {
			return "", err
		}
	}
	return greeting, nil
}

func expect(text *textproto.Conn, code int, step string, t *trace) (string, error) {
	_, message, err := text.ReadResponse(code)
	var refused *textproto.Error
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("%s: %d %s", step, refused.Code, refused.Msg)
	case err != nil:
		return "", plain(step, err)
	}
	t.step(step, "%d %s", code, message)
	return message, nil
}
