package engine

import (
	"context"
	"net/netip"
	"time"

	"fulcrum/lvs"
	"fulcrum/persist"
)

// TemplateInfo describes a template at the moment when a worker copied it.
type TemplateInfo struct {
	Protocol   lvs.Protocol
	Clients    netip.Prefix  // the network whose clients stay together
	Of         lvs.ServiceID // the service that has the client's sessions
	RealServer netip.AddrPort
	Service    string        // its name
	Call       uint64        // stands for the Call-ID; 0 unless found by one
	Left       time.Duration // until it ends, or is put off by 60 s while sessions live under it
	Sessions   int           // that live under it
	Confirmed  bool          // a client has shown that it is there: it does not give way
}

// shownTemplates holds what a worker copies for one letter, and what is needed to describe it.
type shownTemplates struct {
	templates [listChunk]persist.Template
	n         int
	next      uint32
	snap      *snapshot
}

// Templates calls show for each template after a place, with the place of that template; 0 is the
// beginning. It ends when show returns false or there are no more templates. Those that begin or
// end meanwhile may be shown or not. Any goroutine may call it.
func (e *Engine) Templates(
	ctx context.Context, after uint32, show func(t *TemplateInfo, place uint32) bool,
) error {
	chunk := &shownTemplates{next: after}
	for more := true; more; more = chunk.next != 0 {
		err := e.letter(ctx, 0, func(w *Worker) bool {
			chunk.n, chunk.next = e.templates.List(chunk.next, w.now, chunk.templates[:])
			chunk.snap = w.snap
			return true
		})
		if err != nil {
			return err
		}
		for i := range chunk.templates[:chunk.n] {
			t := &chunk.templates[i]
			if info, ok := chunk.snap.describe(t); ok && !show(&info, t.Place) {
				return nil
			}
		}
	}
	return nil
}

// describe describes a template. ok is false if its real server or its service was removed.
func (n *snapshot) describe(t *persist.Template) (info TemplateInfo, ok bool) {
	if int(t.Server.ID) >= len(n.servers) {
		return info, false
	}
	server := n.servers[t.Server.ID]
	if server.gone || server.incarnation != t.Server.Incarnation {
		return info, false
	}
	service, ok := n.serviceOf(server.service)
	if !ok {
		return info, false
	}
	a := t.Network.Netip()
	bits := a.BitLen()
	if service.sticky.timeout != 0 {
		bits = service.sticky.bits
	}
	return TemplateInfo{
		Protocol: server.id.Service.Protocol, Clients: netip.PrefixFrom(a, bits),
		Of: server.id.Service, RealServer: server.id.Address, Service: service.name,
		Call: t.Call, Left: time.Duration(max(t.Left, 0)) * time.Millisecond,
		Sessions: int(t.Sessions), Confirmed: t.Confirmed,
	}, true
}
