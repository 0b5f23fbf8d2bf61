package ipvs

import (
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// request is a message of the family IPVS.
type request struct {
	Command Command
	dump    bool
	service []byte // nil without the attribute
	dest    []byte
	daemon  []byte
	timeout [3]uint32 // TCP, TCP after a FIN, UDP, in seconds; 0 for one that is not given
}

// decodeRequest reads a message of the family IPVS. The error is an errno.
func decodeRequest(m netlink.Message) (r request, err error) {
	if len(m.Data) < genlLen {
		return r, unix.EINVAL
	}
	r.Command = Command(m.Data[0])
	r.dump = m.Header.Flags&netlink.Dump == netlink.Dump
	_, err = eachAttribute(m.Data[genlLen:], func(kind uint16, d *netlink.AttributeDecoder) {
		switch kind {
		case attrService:
			r.service = d.Bytes()
		case attrDest:
			r.dest = d.Bytes()
		case attrDaemon:
			r.daemon = d.Bytes()
		case attrTimeoutTCP, attrTimeoutTCPFin, attrTimeoutUDP:
			r.timeout[kind-attrTimeoutTCP] = d.Uint32()
		}
	})
	if err != nil {
		return r, unix.EINVAL
	}
	return r, nil
}

// key returns the service that the request names, with its settings if it has to have them. The
// error is an errno.
func (r *request) key(whole bool) (s Service, err error) {
	if r.service == nil {
		return s, unix.EINVAL
	}
	if s, err = decodeService(r.service); err != nil || !s.keyed() {
		return s, unix.EINVAL
	}
	if s.Family != unix.AF_INET && s.Family != unix.AF_INET6 {
		return s, unix.EAFNOSUPPORT
	}
	if whole && !s.whole() {
		return s, unix.EINVAL
	}
	return s, nil
}

// destination returns the destination that the request names, in a service of a family, with its
// settings if it has to have them. The error is an errno.
func (r *request) destination(family uint16, whole bool) (d Destination, err error) {
	if r.dest == nil {
		return d, unix.EINVAL
	}
	d, err = decodeDestination(r.dest)
	if err != nil || !d.keyed() || whole && !d.whole() {
		return d, unix.EINVAL
	}
	if d.in(family); !d.Address.IsValid() {
		return d, unix.EAFNOSUPPORT
	}
	return d, nil
}
