package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Predecessor is the director from which this process takes over. One goroutine at a time may call
// its methods.
type Predecessor struct {
	*channel
	Offer Offer
	Files Files // those that were not taken yet
}

// offerTimeout is how long the first message may take, which the predecessor sends at once.
const offerTimeout = 10 * time.Second

// FromEnvironment returns the predecessor that has started this process, or nil if none has.
func FromEnvironment() (*Predecessor, error) {
	names, has := os.LookupEnv(Variable)
	if !has {
		return nil, nil
	}
	if err := os.Unsetenv(Variable); err != nil {
		return nil, err
	}
	files, err := inherited(names)
	if err != nil {
		return nil, err
	}
	p, err := newPredecessor(files)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take over from a director: %w", err), files.Close())
	}
	return p, nil
}

// newPredecessor reads the offer.
func newPredecessor(files Files) (*Predecessor, error) {
	conn, err := connOf(files.Take(channelName))
	if err != nil {
		return nil, err
	}
	p := &Predecessor{channel: newChannel(conn), Files: files}
	err = conn.SetReadDeadline(time.Now().Add(offerTimeout))
	if err == nil {
		err = p.in.Decode(&p.Offer)
	}
	if err == nil {
		err = errors.Join(p.Offer.Validate(), conn.SetReadDeadline(time.Time{}))
	}
	if err != nil {
		p.Fail(err)
		return nil, err
	}
	return p, nil
}

// Warm says that this process is ready to take over, and waits until it may.
func (p *Predecessor) Warm() error {
	if err := p.out.Encode(message{Step: warm}); err != nil {
		return fmt.Errorf("tell the director that runs: %w", err)
	}
	_, err := p.await(yours)
	return err
}

// Forwarding says that this process forwards packets, with a report of its start. The predecessor
// may have ended, which is no error.
func (p *Predecessor) Forwarding(report any) error {
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	_ = p.out.Encode(message{Step: forwarding, Report: text})
	return p.Close()
}

// Fail says why this process does not take over, and closes everything.
func (p *Predecessor) Fail(why error) {
	_ = p.out.Encode(message{Step: failed, Error: why.Error()}) // it may have ended
	_ = p.Close()
}

// Close closes the channel, and the files that were not taken.
func (p *Predecessor) Close() error { return errors.Join(p.conn.Close(), p.Files.Close()) }

// Within returns a successor within this process. Its own side is what join returns once the offer
// was sent. The files stay the caller's.
func Within(files Files) (s *Successor, join func() (*Predecessor, error), err error) {
	own, other, err := pair()
	if err != nil {
		return nil, nil, err
	}
	copies := Files{channelName: other}
	for name, f := range files {
		fd, failed := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if failed != nil {
			return nil, nil, errors.Join(failed, own.Close(), copies.Close())
		}
		copies[name] = os.NewFile(uintptr(fd), name)
	}
	join = func() (*Predecessor, error) { return newPredecessor(copies) }
	return &Successor{channel: newChannel(own)}, join, nil
}
