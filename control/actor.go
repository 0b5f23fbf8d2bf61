package control

import (
	"context"
	"fmt"
)

// Actor is who makes a change. The zero value is unknown.
type Actor struct {
	// Name says who it is: the program at the control socket, the token over TCP, a signal, or a part
	// of the director, such as "drain". It may be anything: quote it.
	Name string `json:"name"`
	// UID and PID are the program's at the control socket. PID is 0 for others.
	UID int `json:"uid"`
	PID int `json:"pid,omitempty"`
	// From is the address of a client over TCP, with its port.
	From string `json:"from,omitempty"`
}

// String returns the actor as in `"fulcrum" (uid 0, pid 4711)`, `token "admin" from 10.0.0.9:3344`.
func (a Actor) String() string {
	switch {
	case a.PID > 0:
		return fmt.Sprintf("%q (uid %d, pid %d)", a.Name, a.UID, a.PID)
	case a.From != "":
		return fmt.Sprintf("token %q from %s", a.Name, a.From)
	case a.Name == "":
		return "unknown"
	}
	return a.Name
}

type actorKey struct{}

// WithActor returns a context for changes that a makes.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns who makes the changes of a context.
func ActorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
