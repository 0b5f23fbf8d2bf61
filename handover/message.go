package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// Version is the version of the protocol.
const Version = 1

// Offer is the first message: what the predecessor hands over.
type Offer struct {
	Version int    `json:"version"`
	Process int    `json:"process"` // its number
	Keep    string `json:"keep"`    // the folder of its sessions, session.keep
	// Devices describes its ports, for the part of the successor that opens them.
	Devices json.RawMessage `json:"devices,omitempty"`
}

// Validate returns an error if this program cannot take over what is offered.
func (o *Offer) Validate() error {
	switch {
	case o.Version != Version:
		return fmt.Errorf("the director that runs hands over by version %d of the protocol, "+
			"this program takes over by version %d: restart the director", o.Version, Version)
	case o.Keep == "":
		return errors.New("the director that runs offers no sessions")
	}
	return nil
}

// step is a message after the Offer.
type step string

const (
	warm       step = "warm"
	yours      step = "yours"
	forwarding step = "forwarding"
	failed     step = "failed"
)

// message is a step with what belongs to it.
type message struct {
	Step step `json:"step"`
	// Error says why the successor has failed.
	Error string `json:"error,omitempty"`
	// Report is what the successor says of its start.
	Report json.RawMessage `json:"report,omitempty"`
}

// mostBytes bounds what one side reads of the other.
const mostBytes = 64 << 20

// channel is one end of the socket pair.
type channel struct {
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

func newChannel(conn net.Conn) *channel {
	return &channel{
		conn: conn, in: json.NewDecoder(io.LimitReader(conn, mostBytes)), out: json.NewEncoder(conn),
	}
}

// await reads a message, which must be the wanted step.
func (c *channel) await(want step) (m message, err error) {
	if err := c.in.Decode(&m); err != nil {
		return m, fmt.Errorf("wait for %q: %w", want, err)
	}
	switch {
	case m.Step == failed:
		return m, &FailedError{m.Error}
	case m.Step != want:
		return m, fmt.Errorf("wait for %q: %q came", want, m.Step)
	}
	return m, nil
}

// FailedError is what a successor says of its failure.
type FailedError struct{ Reason string }

// Error returns the reason.
func (e *FailedError) Error() string { return e.Reason }
