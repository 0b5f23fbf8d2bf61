package ipvs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// Table answers requests about the services of a director. Its methods may be called by any
// goroutine.
type Table struct {
	running *control.Running
	engine  *engine.Engine
	log     *slog.Logger
	rates   rates
}

// NewTable returns the table of a running configuration and its engine. log gets what was refused
// for a reason that the answer cannot tell.
func NewTable(r *control.Running, e *engine.Engine, log *slog.Logger) *Table {
	return &Table{running: r, engine: e, log: log}
}

// changePatience is how long a change waits for others.
const changePatience = 10 * time.Second

// refusal is an errno with its reason, which goes to the log: the answer has no place for it.
type refusal struct {
	unix.Errno
	why string
}

func (e *refusal) Error() string { return e.why }
func (e *refusal) Unwrap() error { return e.Errno }

func refuse(errno unix.Errno, form string, values ...any) error {
	return &refusal{errno, fmt.Sprintf(form, values...)}
}

// unsupported returns the error of what the kernel has and this director has not.
func unsupported(form string, values ...any) error { return refuse(unix.EINVAL, form, values...) }

// answer answers the requests of a datagram, in their order. ctx says who asks (control.WithActor).
// It returns the error of send.
func (t *Table) answer(ctx context.Context, datagram []byte, send func([]byte) error) error {
	for _, m := range split(datagram) {
		a := &answers{to: m.Header, request: m.Data, send: send}
		err := t.message(ctx, m, a)
		if dumped := err == nil && isDump(m); !dumped &&
			(err != nil || m.Header.Flags&netlink.Acknowledge != 0) {
			a.acknowledge(err)
		}
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

func isDump(m netlink.Message) bool {
	return m.Header.Type >= leastFamily && m.Header.Flags&netlink.Request != 0 &&
		m.Header.Flags&netlink.Dump == netlink.Dump
}

// message answers one message, but for its acknowledgement. The kernel ignores what is no request,
// and netlink's own types (netlink_rcv_skb).
func (t *Table) message(ctx context.Context, m netlink.Message, a *answers) error {
	if m.Header.Type < leastFamily || m.Header.Flags&netlink.Request == 0 {
		return nil
	}
	switch {
	case len(m.Data) < genlLen:
		return unix.EINVAL
	case m.Header.Type == Family:
		return t.request(ctx, m, a)
	case m.Header.Type == ctrlFamily:
		return resolve(m, a)
	case m.Header.Type == SessionFamily && m.Data[0] == sessionsDump && isDump(m):
		return t.listSessions(ctx, a)
	case m.Header.Type == SessionFamily:
		return unix.EOPNOTSUPP
	}
	return unix.ENOENT
}

// request answers a message of the family IPVS.
func (t *Table) request(ctx context.Context, m netlink.Message, a *answers) error {
	r, err := decodeRequest(m)
	if err != nil {
		return err
	}
	if r.dump {
		return t.dump(&r, a)
	}
	if answer := t.getters()[r.Command]; answer != nil {
		return answer(&r, a)
	}
	do := t.changes()[r.Command]
	if do == nil {
		return unix.EOPNOTSUPP
	}
	ctx, cancel := context.WithTimeout(ctx, changePatience)
	defer cancel()
	err = do(ctx, &r)
	t.note(ctx, &r, err)
	return errnoFor(&r, err)
}

type (
	getter func(*request, *answers) error
	change func(context.Context, *request) error
)

func (t *Table) getters() map[Command]getter {
	return map[Command]getter{
		GetService: t.getService, GetConfig: t.getConfig, GetInfo: t.getInfo,
	}
}

func (t *Table) changes() map[Command]change {
	return map[Command]change{
		NewService: t.newService, SetService: t.setService, DelService: t.delService,
		NewDest: t.newDest, SetDest: t.setDest, DelDest: t.delDest,
		NewDaemon: t.newDaemon, DelDaemon: t.delDaemon,
		SetConfig: t.setConfig, Zero: t.zero, Flush: t.flush,
	}
}

// errnoFor returns the errno of a change's error.
func errnoFor(r *request, err error) error {
	if _, is := errors.AsType[control.NotFoundError](err); is {
		return unix.ESRCH
	}
	if _, is := errors.AsType[control.ExistsError](err); is {
		return unix.EEXIST
	}
	if errors.Is(err, control.ErrAbandoned) {
		return unix.EBUSY
	}
	return err
}

// note logs why a change was refused, unless its errno says it all.
func (t *Table) note(ctx context.Context, r *request, err error) {
	_, missing := errors.AsType[control.NotFoundError](err)
	_, exists := errors.AsType[control.ExistsError](err)
	_, plain := err.(unix.Errno) // one without a reason, not one that is wrapped
	if err == nil || missing || exists || plain {
		return
	}
	t.log.Warn("a change by the IPVS socket was refused", "who", control.ActorOf(ctx),
		"command", r.Command, "reason", reason(err))
}

// reason returns the reason of an error in one line, without places in a file that is none.
func reason(err error) string {
	problems, is := errors.AsType[config.Problems](err)
	if !is || len(problems) == 0 {
		return err.Error()
	}
	p := problems[0]
	return fmt.Sprintf("%s: %s; %s", p.Key, p.What, p.Right)
}

// id returns the identity of the service that a message names. Port 0 is every port.
func (s *Service) id() (lvs.ServiceID, error) {
	if s.Mark != 0 {
		return lvs.IDOfMark(s.Mark, s.Family == unix.AF_INET6), nil
	}
	protocol := lvs.Protocol(s.Protocol)
	if s.Protocol > 255 || !isServed(protocol) {
		return lvs.ServiceID{}, refuse(unix.EPROTONOSUPPORT, "protocol %d is none that services have",
			s.Protocol)
	}
	m := lvs.Match{
		Protocol: protocol, First: s.Address, Last: s.Address,
		Ports: lvs.Ports{First: s.Port, Last: s.Port},
	}
	if s.Port == 0 {
		m.Ports = lvs.AllPorts
	}
	return lvs.IDOf(m), nil
}

func isServed(p lvs.Protocol) bool {
	for _, known := range lvs.Protocols() {
		if p == known {
			return true
		}
	}
	return false
}

// estimate moves the rates of all services. Call it every two seconds.
func (t *Table) estimate() { t.rates.look(t.running.Counts()) }
