package ipvs

import (
	"errors"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// mostDatagram bounds what is sent at a time, in bytes: libnl receives four pages
// (nl_recv in libnl's lib/nl.c).
const mostDatagram = 16 << 10

// answers sends the answers to one request.
type answers struct {
	to       netlink.Header // of the request
	request  []byte         // its data
	send     func(datagram []byte) error
	datagram []byte // messages of a dump that were not sent yet
	err      error  // of sending; nothing is sent after it
}

func (a *answers) header(kind uint16, flags netlink.HeaderFlags) netlink.Header {
	return netlink.Header{
		Type: netlink.HeaderType(kind), Flags: flags, Sequence: a.to.Sequence, PID: a.to.PID,
	}
}

// one sends an answer that is the only one.
func (a *answers) one(family uint16, data []byte) {
	a.flush()
	a.datagram = appendMessage(a.datagram[:0], a.header(family, 0), data)
	a.flush()
}

// part adds one of many answers, and reports whether more are wanted.
func (a *answers) part(family uint16, data []byte) bool {
	if len(a.datagram)+headerLen+aligned(len(data)) > mostDatagram {
		a.flush()
	}
	a.datagram = appendMessage(a.datagram, a.header(family, netlink.Multi), data)
	return a.err == nil
}

// done ends many answers.
func (a *answers) done() {
	a.part(uint16(netlink.Done), make([]byte, 4))
	a.flush()
}

// acknowledge says how a request ended: by an errno, or well if err is nil. An error has the whole
// request, a good end only its header, as the kernel's (netlink_ack).
func (a *answers) acknowledge(err error) {
	number, quoted := uint32(0), a.request
	if err == nil {
		quoted = nil
	} else {
		number = uint32(-int32(errnoOf(err)))
	}
	data := host.AppendUint32(nil, number)
	data = host.AppendUint32(data, a.to.Length)
	data = host.AppendUint16(data, uint16(a.to.Type))
	data = host.AppendUint16(data, uint16(a.to.Flags))
	data = host.AppendUint32(data, a.to.Sequence)
	data = host.AppendUint32(data, a.to.PID)
	a.flush()
	h := a.header(uint16(netlink.Error), 0)
	a.datagram = appendMessage(a.datagram[:0], h, append(data, quoted...))
	a.flush()
}

func (a *answers) flush() {
	if a.err == nil && len(a.datagram) > 0 {
		a.err = a.send(a.datagram)
	}
	a.datagram = a.datagram[:0]
}

// errnoOf returns the errno of an error: EINVAL for one that the kernel cannot have.
func errnoOf(err error) unix.Errno {
	if e, is := errors.AsType[unix.Errno](err); is {
		return e
	}
	return unix.EINVAL
}
