package engine

import (
	"fmt"
	"os"
	"sync"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/persist"
	"fulcrum/steer"
)

// resumption is the taking over of one file.
type resumption struct {
	engine *Engine
	names  map[uint32]lvs.RealServerID // of the run before
	file   string
	from   int // the worker that it was

	servers map[uint32]keptServer // those that were looked up, by the id that they had
	claim   lastClaim
	since   uint32 // ms: when read began

	found, kept int
	dropped     map[string]int
	said        conntrack.KeptFile
	moved       []movedSession // to other workers
	strays      []stray
	hasher      packet.Hasher // of strays
	// ends holds real servers with sessions of a mode, which is not theirs now, in which the client's
	// end owns the flows.
	ends map[uint32]lvs.Mode
	err  error

	mirror *conntrack.Mirror // of a file that its director still changes; otherwise nil
	places []place           // by place in the file: where its session is now
	spread bool              // some of them are at other workers
	behind []int             // places whose sessions are to be entered again
}

// place says where a session of a file is now: at which worker, and in which slot. Zero is nowhere.
type place struct{ worker, slot uint32 }

func placeAt(w *Worker, slot uint32) place { return place{uint32(w.number) + 1, slot} }

// resumptions are those of all files of a run.
type resumptions []*resumption

// each calls do for all files at once.
func (all resumptions) each(do func(*resumption)) {
	var done sync.WaitGroup
	for _, r := range all {
		done.Go(func() { do(r) })
	}
	done.Wait()
}

type movedSession struct {
	session conntrack.KeptSession
	to      keptServer
	home    int // the worker
	stray   bool
}

func (r *resumption) drop(why string, n int) {
	if r.dropped == nil {
		r.dropped = map[string]int{}
	}
	r.dropped[why] += n
}

func (r *resumption) read() {
	r.since = r.engine.cfg.now()
	f, err := os.Open(r.file)
	if err != nil {
		r.err = err
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		r.said, err = conntrack.ReadKept(f, info.Size(), r.takeAll)
	}
	if err != nil {
		r.err = fmt.Errorf("%s: %w", r.file, err)
	}
}

// takeAll takes some sessions over. It has the memory of all of them prefetched first.
func (r *resumption) takeAll(all []conntrack.KeptSession) {
	r.found += len(all)
	w := r.engine.workers[min(r.from, len(r.engine.workers)-1)]
	for i := range all {
		w.sessions.PrefetchKept(&all[i])
	}
	for i := range all {
		r.take(w, &all[i])
	}
}

// take takes a session over, or puts it aside for another worker.
func (r *resumption) take(w *Worker, s *conntrack.KeptSession) {
	to := r.serverOf(w, s.Server)
	if to.entry == nil || !r.fits(w, s, to) {
		r.drop(keptRemoved, 1)
		return
	}
	home, strays := w.homeOfKept(s, r.from)
	if home != r.from {
		r.moved = append(r.moved, movedSession{*s, to, home, strays})
		return
	}
	r.put(w, s, to, strays)
}

// keptServer is a real server of the run before.
type keptServer struct {
	entry   *serverEntry // nil if it is not configured any more
	service *serviceEntry
	id      uint32 // of now
}

// serverOf returns what a real server of the run before is now.
func (r *resumption) serverOf(w *Worker, before uint32) keptServer {
	if s, found := r.servers[before]; found {
		return s
	}
	name, named := r.names[before]
	if !named {
		return keptServer{}
	}
	if r.servers == nil {
		r.servers = map[uint32]keptServer{}
	}
	var s keptServer
	id, incarnation, known := r.engine.registry.present(name)
	if known && int(id) < len(w.snap.servers) {
		e := w.snap.servers[id]
		if e != nil && !e.gone && e.incarnation == incarnation {
			service, _ := w.snap.serviceOf(e.service)
			s = keptServer{e, service, id}
		}
	}
	r.servers[before] = s
	return s
}

// rehome gives sessions to other workers.
func (all resumptions) rehome() {
	for _, r := range all {
		for i := range r.moved {
			m := &r.moved[i]
			r.put(r.engine.workers[m.home], &m.session, m.to, m.stray)
		}
		r.moved = nil
	}
}

// put has a worker go on with a session. strays: its client's packets come to another worker.
func (r *resumption) put(w *Worker, s *conntrack.KeptSession, to keptServer, strays bool) {
	slot, why := w.goOn(s, to)
	if why != "" {
		r.drop(why, 1)
		return
	}
	r.kept++
	if r.places != nil {
		r.places[s.Place] = placeAt(w, slot)
		r.spread = r.spread || w.number != r.from
	}
	if s.Mode.Owner() == lvs.ClientEnd && to.entry.mode.Owner() != lvs.ClientEnd {
		if r.ends == nil {
			r.ends = map[uint32]lvs.Mode{}
		}
		r.ends[to.id] = s.Mode
	}
	if strays {
		in := s.In()
		r.strays = append(r.strays, stray{r.hasher.Hash(&in), w.number})
	}
}

// fits reports whether a session may be one of a real server, whatever a file says.
func (r *resumption) fits(w *Worker, s *conntrack.KeptSession, to keptServer) bool {
	in, out, server := s.In(), s.Out(), to.entry
	six, address := !in.Src.Is4(), server.address
	if !six && !address.Is4() {
		address = packet.AddrOf4(0) // an IPv4 client's record has no place for it
	}
	service := r.serviceAt(w, &in)
	return service != nil && service.live == server.service && out.Src == address &&
		s.Mode.Reaches(six, !server.address.Is4()) &&
		six == (server.families&clients6 != 0) && w.isStranger(in.Src)
}

// serviceAt returns the service of a client's packet, or nil.
func (r *resumption) serviceAt(w *Worker, in *conntrack.Key) (service *serviceEntry) {
	if isEcho(in.Protocol) {
		service, _ = w.snap.passing.get(addressKey(in.Dst))
	} else {
		service, _ = r.claim.find(w.snap, in)
	}
	return service
}

// homeOfKept returns the worker that is to have a session: the one to which its answers come, if
// they pass the director, and otherwise the owner of its client's packets. strays: these come to
// another. from is the worker that had it: where a device does not tell how it spreads packets, it
// stays there.
func (w *Worker) homeOfKept(s *conntrack.KeptSession, from int) (home int, strays bool) {
	workers := len(w.engine.workers)
	if workers == 1 {
		return 0, false
	}
	in, back := s.In(), conntrack.Key{Flow: s.Out(), Protocol: s.Protocol}
	_, port, _ := w.snap.routes.next(in.Src)
	owner := w.probableOwner(port, &in)
	if owner == steer.Receiver {
		owner = from % workers
	}
	home = owner
	switch {
	case s.Mode.Source() == lvs.Local:
		home = w.answerOwner(&back)
	case s.Mode.Owner() == lvs.ClientEnd && !isEcho(s.Protocol):
		home = w.engine.steering.FromServer(&back)
	}
	return home, home != owner && !isEcho(s.Protocol)
}

// goOn enters a session of the run before, and counts it. It returns why it does not, or "".
func (w *Worker) goOn(s *conntrack.KeptSession, of keptServer) (slot uint32, why string) {
	server, service := of.entry, of.service
	if int32(w.now-s.LastSeen) < 0 {
		s.LastSeen = w.now
	}
	timeouts := w.snap.settings.Timeouts
	if w.now-s.LastSeen >= timeouts.Of(s.State, server.timeouts) {
		return 0, keptExpired
	}
	local, isLocal := uint32(0), s.Mode.Source() == lvs.Local
	if isLocal {
		var ok bool
		if local, ok = w.localOfKept(s, server); !ok {
			return 0, keptLocal
		}
	}
	slot, ok := w.sessions.Restore(s, w.now)
	if !ok {
		return 0, keptFull
	}
	to := w.sessions.At(slot)
	to.Server = of.id
	server.load.Begin()
	if s.State.Active() {
		server.load.Activate()
	}
	if isLocal {
		add(server.use.at(local, w.number), 1)
	}
	if service.owner == lvs.ClientEnd {
		to.Flags |= conntrack.ByClient
	}
	if service.most != 0 {
		w.countLimited(to, server)
	}
	w.resumeSource(to, s, service)
	if service.sticky.timeout != 0 && !service.sticky.byCall && !isEcho(s.Protocol) {
		w.tieKept(to, s, of)
	}
	return slot, ""
}

// localOfKept returns the number of a session's local address, if its service still has that.
func (w *Worker) localOfKept(s *conntrack.KeptSession, server *serverEntry) (number uint32, ok bool) {
	local := s.Out().Dst
	if kind, ours := w.snap.kindOf(local); !ours || !kind.isLocal() || server.use == nil {
		return 0, false
	}
	return server.use.numbers.of.get(addressKey(local))
}

// tieKept gives a session of a persistent service its template.
func (w *Worker) tieKept(to *conntrack.Session, s *conntrack.KeptSession, of keptServer) {
	a := arrival{key: s.In()}
	key, server := templateKey(of.service, &a), persist.Server{ID: of.id, Incarnation: of.entry.incarnation}
	ref, _ := w.engine.templates.Begin(&key, server, of.service.sticky.timeout, w.now)
	to.Template, to.Life = ref.Place, ref.Life
	w.confirmKept(to)
}

// confirmKept confirms the template of an established session, if it has one.
func (w *Worker) confirmKept(s *conntrack.Session) {
	established := s.State == conntrack.Established || s.State == conntrack.SCTPEstablished
	if s.Template != 0 && established {
		w.engine.templates.Confirm(templateOf(s))
	}
}
