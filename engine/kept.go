package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/persist"
	"fulcrum/ports"
	"fulcrum/steer"
)

// Sessions may outlive the process (Config.Keep). Their records are in files; a director that
// starts reads those of the run before, and enters each session anew: at the worker that owns its
// flows now, for the real server that has its identity now, and counted as any other. What no
// longer fits is dropped by name. Nothing is done for it per packet, and per session only what the
// records need anyway.

// KeptReport says what became of the sessions of the run before.
type KeptReport struct {
	Found   int            // sessions in the files
	Kept    int            // that go on
	Dropped map[string]int // the others, by reason
	Took    time.Duration  // to read them
	Dark    time.Duration  // from the last sign of the run before to the first turn of this one
	Missed  uint64         // packets that the devices lost until the first turn, by their own counters
	Aside   []string       // files that were not read, or not written, with the reasons
	// Sum counts the sessions of all starts since the counters began: "kept", and those dropped by
	// reason.
	Sum map[string]uint64
}

// The reasons why sessions do not go on.
const (
	keptBroken  = "broken"  // cut off by a crash, or damaged
	keptExpired = "expired" // it would have ended meanwhile
	keptRemoved = "removed" // its service or its real server is not configured any more
	keptLocal   = "local"   // its local address is not the service's any more
	keptFull    = "full"    // there is no room, or another session has its flow
)

// KeptReasons returns all reasons why sessions do not go on.
func KeptReasons() []string {
	return []string{keptBroken, keptExpired, keptRemoved, keptLocal, keptFull}
}

// Kept returns what became of the sessions of the run before; nil if none are kept.
func (e *Engine) Kept() *KeptReport {
	if e.kept == nil {
		return nil
	}
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	r := e.kept.report
	r.Sum = e.kept.sum()
	return &r
}

// keeping is the state of an engine whose sessions are kept.
type keeping struct {
	run   *keptRun // of this process
	aside []string // runs that are not taken, with the reasons
	// following are the files of a director that still runs, and before is its run, until TakeOver.
	following resumptions
	before    *keptRun
	hints     *keptHints

	mu     sync.Mutex
	report KeptReport
	beat   uint32 // ms: the last sign of the run before
	seen   bool   // beat is valid

	counters keptCounters
}

// resume takes the sessions of an earlier run over. No worker runs yet.
func (e *Engine) resume(before *keptRun) {
	began := time.Now()
	e.kept.beginWorkers(e)
	all := make(resumptions, before.Workers)
	random := newRandom(e.cfg.Seed)
	hasher := packet.NewHasher(random.Uint64(), random.Uint64())
	for i := range all {
		all[i] = &resumption{
			engine: e, names: before.names, file: before.table(i), from: i, hasher: hasher,
		}
	}
	if e.cfg.Successor {
		e.kept.following = all
		all.each((*resumption).open)
	}
	all.each((*resumption).read)
	all.rehome()
	e.kept.sumUp(e, all)
	if !e.cfg.Successor {
		e.takeHints(before)
	}
	e.kept.endWorkers(e)
	e.kept.report.Took = time.Since(began)
}

// beginWorkers lends the workers what they need to enter sessions, before their first turn.
func (k *keeping) beginWorkers(e *Engine) {
	snap, now := e.snap.Load(), e.cfg.now()
	for _, w := range e.workers {
		w.snap, w.now = snap, now
	}
}

// sumUp sums up what became of the sessions of all files.
func (k *keeping) sumUp(e *Engine, all resumptions) {
	k.report = KeptReport{Aside: k.aside, Took: k.report.Took}
	for _, r := range all {
		k.add(r)
	}
	e.followStrays(all)
}

// endWorkers reverses beginWorkers: the first turn adopts the snapshot.
func (k *keeping) endWorkers(e *Engine) {
	for _, w := range e.workers {
		w.sessions.Beat(k.beat)
		w.snap = nil
	}
}

// followStrays has the workers find sessions that are not where their clients' packets come.
func (e *Engine) followStrays(all resumptions) {
	var lost []stray
	for _, r := range all {
		lost = append(lost, r.strays...)
	}
	c := e.begin(time.Now())
	c.findStrays(newStrays(all[0].hasher, lost))
	for _, r := range all {
		for id, mode := range r.ends {
			c.putClientEnd(e.registry.live[id], mode)
		}
	}
	c.publish()
}

// add sums up what a file has brought.
func (k *keeping) add(r *resumption) {
	k.report.Found += r.found + r.said.Broken
	k.report.Kept += r.kept
	if r.said.Broken > 0 {
		r.drop(keptBroken, r.said.Broken)
	}
	for why, n := range r.dropped {
		if k.report.Dropped == nil {
			k.report.Dropped = map[string]int{}
		}
		k.report.Dropped[why] += n
	}
	if r.err != nil {
		k.report.Aside = append(k.report.Aside, r.err.Error())
	} else if r.said.Beat != 0 && (!k.seen || int32(r.said.Beat-k.beat) > 0) {
		k.beat, k.seen = r.said.Beat, true
	}
}

// turned notes when the workers turn again, and what the devices have missed.
func (k *keeping) turned(now uint32, all []ports.Port) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range all {
		s, _ := p.Stats() // a device without counters has nothing to report
		k.report.Missed += s.RxMissed
	}
	if k.seen {
		k.report.Dark = time.Duration(now-k.beat) * time.Millisecond
	}
}

// resumption is the taking over of one file.
type resumption struct {
	engine *Engine
	names  map[uint32]lvs.RealServerID // of the run before
	file   string
	from   int // the worker that it was

	servers map[uint32]keptServer // those that were looked up, by the id that they had

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
	if to.entry == nil || !w.fits(s, to.entry) {
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
	entry *serverEntry // nil if it is not configured any more
	id    uint32       // of now
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
			s = keptServer{e, id}
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
	slot, why := w.goOn(s, to.entry, to.id)
	if why != "" {
		r.drop(why, 1)
		return
	}
	r.kept++
	if r.places != nil {
		r.places[s.Place] = placeAt(w, slot)
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
func (w *Worker) fits(s *conntrack.KeptSession, server *serverEntry) bool {
	in, out := s.In(), s.Out()
	service, ok := w.snap.serviceAt(in.Dst, in.DstPort, in.Protocol)
	if isEcho(in.Protocol) {
		service, ok = w.snap.passing.get(addressKey(in.Dst))
	}
	six, address := !in.Src.Is4(), server.address
	if !six && !address.Is4() {
		address = packet.AddrOf4(0) // an IPv4 client's record has no place for it
	}
	return ok && service.live == server.service && out.Src == address &&
		s.Mode.Reaches(six, !server.address.Is4()) &&
		six == (server.families&clients6 != 0) && w.isStranger(in.Src)
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
func (w *Worker) goOn(
	s *conntrack.KeptSession, server *serverEntry, id uint32,
) (slot uint32, why string) {
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
	to.Server = id
	server.load.Begin()
	if s.State.Active() {
		server.load.Activate()
	}
	if isLocal {
		add(server.use.at(local, w.number), 1)
	}
	service, _ := w.snap.serviceOf(server.service)
	if service.owner == lvs.ClientEnd {
		to.Flags |= conntrack.ByClient
	}
	if service.most != 0 {
		w.countLimited(to, server)
	}
	w.resumeSource(to, s, service)
	if service.sticky.timeout != 0 && !service.sticky.byCall && !isEcho(s.Protocol) {
		w.tieKept(to, s, service, server, id)
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
func (w *Worker) tieKept(
	to *conntrack.Session, s *conntrack.KeptSession, service *serviceEntry, server *serverEntry, id uint32,
) {
	a := arrival{key: s.In()}
	key := templateKey(service, &a)
	ref, _ := w.engine.templates.Begin(
		&key, persist.Server{ID: id, Incarnation: server.incarnation}, service.sticky.timeout, w.now)
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

// keepIn begins to keep sessions in a folder, and returns the run before.
func (e *Engine) keepIn(folder string, secret uint64) (before *keptRun, err error) {
	run, before, aside, err := openKept(folder, len(e.cfg.CPUs), secret, e.cfg.KeepLock)
	if err != nil {
		return nil, fmt.Errorf("session.keep: %w", err)
	}
	if e.cfg.Successor && before == nil {
		return nil, errors.Join(fmt.Errorf("session.keep: %s has no sessions of the director that runs: %s",
			folder, strings.Join(aside, "; ")), run.close())
	}
	e.kept = &keeping{run: run, aside: aside, report: KeptReport{Aside: aside}}
	e.registry.kept = run
	path := run.path("neighbours")
	if e.kept.hints, err = newKeptHints(path, e.cfg.Ports, len(e.cfg.CPUs)); err != nil {
		return nil, errors.Join(fmt.Errorf("session.keep: %w", err), e.closeKept())
	}
	return before, nil
}

// fileOfWorker returns the file for a worker's sessions, or "".
func (e *Engine) fileOfWorker(i int) string {
	if e.kept == nil {
		return ""
	}
	return e.kept.run.table(i)
}

// takeOverKept takes the sessions of the run before over.
func (e *Engine) takeOverKept(before *keptRun) error {
	if e.kept == nil {
		return nil
	}
	if err := e.beginCounters(); err != nil {
		return fmt.Errorf("session.keep: %w", err)
	}
	if e.cfg.Successor {
		e.kept.before = before
		e.resume(before)
		return e.kept.following.failed()
	}
	e.takeOverCounters()
	if before != nil {
		e.resume(before)
	}
	return e.kept.run.begun()
}

// closeKept gives the folder up, if there is one.
func (e *Engine) closeKept() error {
	if e.kept == nil || e.kept.run == nil {
		return nil
	}
	run := e.kept.run
	e.kept.run = nil
	return errors.Join(e.kept.following.close(), e.kept.hints.close(), run.close())
}

// errKeptBusy says that another process has the folder.
var errKeptBusy = errors.New("another director keeps its sessions there")
