package engine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/persist"
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
	Aside   []string       // files that were not read, with the reasons
}

// The reasons why sessions do not go on.
const (
	keptBroken  = "broken"  // cut off by a crash, or damaged
	keptExpired = "expired" // it would have ended meanwhile
	keptRemoved = "removed" // its service or its real server is not configured any more
	keptLocal   = "local"   // its local address is not the service's any more
	keptOwner   = "owner"   // its two flows belong to two workers now
	keptFull    = "full"    // there is no room, or another session has its flow
)

// KeptReasons returns all reasons why sessions do not go on.
func KeptReasons() []string {
	return []string{keptBroken, keptExpired, keptRemoved, keptLocal, keptOwner, keptFull}
}

// Kept returns what became of the sessions of the run before; nil if none are kept.
func (e *Engine) Kept() *KeptReport {
	if e.kept == nil {
		return nil
	}
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	r := e.kept.report
	return &r
}

// keeping is the state of an engine whose sessions are kept.
type keeping struct {
	run   *keptRun // of this process
	hints *keptHints

	mu     sync.Mutex
	report KeptReport
	beat   uint32 // ms: the last sign of the run before
	seen   bool   // beat is valid
}

// resume takes the sessions of an earlier run over. No worker runs yet.
func (e *Engine) resume(before *keptRun) {
	began := time.Now()
	now := e.cfg.now()
	snap := e.snap.Load()
	for _, w := range e.workers {
		w.snap, w.now = snap, now
	}
	all := make([]*resumption, before.Workers)
	var reading sync.WaitGroup
	for i := range all {
		all[i] = &resumption{engine: e, names: before.names, file: before.table(i), from: i}
		reading.Go(all[i].read)
	}
	reading.Wait()
	for _, r := range all {
		r.rehome()
		e.kept.add(r)
	}
	e.takeHints(before)
	for _, w := range e.workers {
		w.sessions.Beat(e.kept.beat)
		w.snap = nil // the first turn adopts it
	}
	e.kept.report.Took = time.Since(began)
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

// turned notes when the workers turn again.
func (k *keeping) turned(now uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
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
	err         error
}

type movedSession struct {
	session conntrack.KeptSession
	to      keptServer
	owner   int // the worker
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
	switch owner := w.ownerOfKept(s, to.entry, r.from); {
	case owner < 0:
		r.drop(keptOwner, 1)
	case owner == r.from:
		r.put(w, s, to)
	default:
		r.moved = append(r.moved, movedSession{*s, to, owner})
	}
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
func (r *resumption) rehome() {
	for i := range r.moved {
		m := &r.moved[i]
		r.put(r.engine.workers[m.owner], &m.session, m.to)
	}
	r.moved = nil
}

// put has a worker go on with a session.
func (r *resumption) put(w *Worker, s *conntrack.KeptSession, to keptServer) {
	if why := w.goOn(s, to.entry, to.id); why != "" {
		r.drop(why, 1)
		return
	}
	r.kept++
}

// fits reports whether a session may be one of a real server, whatever a file says.
func (w *Worker) fits(s *conntrack.KeptSession, server *serverEntry) bool {
	in, out := s.In(), s.Out()
	service, ok := w.snap.serviceAt(in.Dst, in.DstPort, in.Protocol)
	if isEcho(in.Protocol) {
		service, ok = w.snap.passing.get(addressKey(in.Dst))
	}
	six := !in.Src.Is4()
	return ok && service.live == server.service && out.Src == server.address &&
		six == (server.families&clients6 != 0) && w.isStranger(in.Src)
}

// ownerOfKept returns the worker to which a session's flows belong; -1 if they belong to two. from
// is the worker that had it: where a device does not tell how it spreads packets, it stays there.
func (w *Worker) ownerOfKept(s *conntrack.KeptSession, server *serverEntry, from int) int {
	workers := len(w.engine.workers)
	if workers == 1 {
		return 0
	}
	in, out := s.In(), s.Out()
	_, port, _ := w.snap.routes.next(in.Src)
	owner := w.probableOwner(port, &in)
	if owner == steer.Receiver {
		owner = from % workers
	}
	if s.Mode.Source() != lvs.Local {
		return owner
	}
	back := conntrack.Key{Flow: out, Protocol: s.Protocol}
	if to := w.answerOwner(&back); to != owner {
		return -1
	}
	return owner
}

// goOn enters a session of the run before, and counts it. It returns why it does not, or "".
func (w *Worker) goOn(s *conntrack.KeptSession, server *serverEntry, id uint32) (why string) {
	if int32(w.now-s.LastSeen) < 0 {
		s.LastSeen = w.now
	}
	timeouts := w.snap.settings.Timeouts
	if w.now-s.LastSeen >= timeouts.Of(s.State, server.timeouts) {
		return keptExpired
	}
	local, isLocal := uint32(0), s.Mode.Source() == lvs.Local
	if isLocal {
		var ok bool
		if local, ok = w.localOfKept(s, server); !ok {
			return keptLocal
		}
	}
	slot, ok := w.sessions.Restore(s, w.now)
	if !ok {
		return keptFull
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
	if service.most != 0 {
		w.countLimited(to, server)
	}
	w.resumeSource(to, s, service)
	if service.sticky.timeout != 0 && !service.sticky.byCall && !isEcho(s.Protocol) {
		w.tieKept(to, s, service, server, id)
	}
	return ""
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
	if s.State == conntrack.Established || s.State == conntrack.SCTPEstablished {
		w.engine.templates.Confirm(templateOf(to))
	}
}

// keepIn begins to keep sessions in a folder, and returns the run before.
func (e *Engine) keepIn(folder string, secret uint64) (before *keptRun, err error) {
	run, before, aside, err := openKept(folder, len(e.cfg.CPUs), secret)
	if err != nil {
		return nil, fmt.Errorf("session.keep: %w", err)
	}
	e.kept = &keeping{run: run, report: KeptReport{Aside: aside}}
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
	if before != nil {
		e.resume(before)
	}
	return e.kept.run.begun(e.cfg.Keep)
}

// closeKept gives the folder up, if there is one.
func (e *Engine) closeKept() error {
	if e.kept == nil || e.kept.run == nil {
		return nil
	}
	run := e.kept.run
	e.kept.run = nil
	return errors.Join(e.kept.hints.close(), run.close())
}

// errKeptBusy says that another process has the folder.
var errKeptBusy = errors.New("another director keeps its sessions there")
