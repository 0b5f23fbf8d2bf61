package engine

import (
	"fmt"
	"sync"

	"fulcrum/lvs"
)

// The counters of an engine that keeps its sessions go on after a restart. What a report shows is
// in the run's file before the report is returned, so that no later run shows less. A keeper writes
// the file once a second besides. Nothing is done for it per packet: the file has what the workers
// publish.
//
// A run begins with what the run before has counted. Workers begin their own counters there. Those
// of a real server are added wherever its counts are read (liveServer.before).

// keptCounters is what an engine keeps of its counters.
type keptCounters struct {
	mu      sync.Mutex
	file    *counterFile // nil while there is none
	cells   []cell
	records map[any]*recordOf // of each *liveService and *liveServer
	pass    uint64            // counts the times at which all were written
	zeroes  map[lvs.RealServerID]zero
	servers []counts // of the service in hand
	failed  bool     // the file had no room

	templates TemplateStats     // of the runs before: the counts only
	kept      map[string]uint64 // likewise; see KeptReport.Sum
}

// recordOf is the record of a service or of a real server.
type recordOf struct {
	id   lvs.RealServerID // of a service without address
	slot int              // 0 if the file had no room
	pass uint64           // when it was last written
}

// beginCounters begins the file of this run.
func (e *Engine) beginCounters() error {
	k := &e.kept.counters
	file, err := newCounterFile(e.kept.run.path("counters"))
	if err != nil {
		return err
	}
	k.kept = map[string]uint64{}
	k.file, k.cells, k.records = file, e.cells(), map[any]*recordOf{}
	k.zeroes = map[lvs.RealServerID]zero{}
	for i := range k.cells {
		c := &k.cells[i]
		key, _ := nameKey(c.name) // names of ports have 63 bytes at most
		if c.slot, err = file.take(key); err != nil {
			return err
		}
	}
	return nil
}

// takeOverCounters has the engine go on from what the last run has counted. No worker runs yet, and
// nobody reads.
func (e *Engine) takeOverCounters() {
	before, err := lastCounters(e.cfg.Keep, e.kept.run.number)
	if err != nil {
		e.kept.putAside(err)
	}
	if before != nil {
		e.takeOverZeroes(before)
		e.goOnCounting(before)
	}
	e.keepCounters()
}

// putAside notes a file that was not read, or not written.
func (k *keeping) putAside(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.aside = append(k.aside, err.Error())
	k.report.Aside = append(k.report.Aside, err.Error())
}

// keepCounters writes all counters to the file, if they are kept.
func (e *Engine) keepCounters() {
	if e.kept == nil {
		return
	}
	k := &e.kept.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return
	}
	k.pass++
	k.keepTotals()
	for _, live := range e.registry.all() {
		e.keepService(live)
	}
	for of, r := range k.records {
		if r.pass != k.pass { // the director has forgotten it
			delete(k.records, of)
			k.file.giveBack(r.slot)
			k.dropZero(r.id)
		}
	}
}

// keepTotals writes all counters but those of services, if they are kept.
func (e *Engine) keepTotals() {
	if e.kept == nil {
		return
	}
	k := &e.kept.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != nil {
		k.keepTotals()
	}
}

func (k *keptCounters) keepTotals() {
	for i := range k.cells {
		k.file.set(k.cells[i].slot, k.cells[i].load())
	}
}

// keepCountersOf writes the counters of a service and its real servers, if they are kept.
func (e *Engine) keepCountersOf(live *liveService) {
	if e.kept == nil {
		return
	}
	k := &e.kept.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != nil {
		e.keepService(live)
	}
}

// all returns the services that are configured or remembered.
func (r *registry) all() []*liveService {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*liveService, 0, len(r.services))
	for _, s := range r.services {
		all = append(all, s)
	}
	return all
}

// keepService writes the counters of a service and its real servers as reports show them. The
// caller has locked the counters.
func (e *Engine) keepService(live *liveService) {
	k := &e.kept.counters
	v, sum := e.countService(live)
	e.keepRecord(live, lvs.RealServerID{Service: live.id}, countsOf(sum))
	for i, server := range v.servers {
		e.keepRecord(server, server.id, k.servers[i])
	}
}

// countService counts as reportService does. It leaves the counts of the real servers of the view
// in keptCounters.servers.
func (e *Engine) countService(live *liveService) (v *serviceView, sum Traffic) {
	k := &e.kept.counters
	e.counting.RLock()
	defer e.counting.RUnlock()
	for {
		v, k.servers = live.view.Load(), k.servers[:0]
		sum = v.forgotten
		for _, server := range v.servers {
			own := e.countedBy(server)
			sum.add(own)
			n := countsOf(own)
			n[numTraffic] = e.signsOf(server).SYNsUnanswered
			k.servers = append(k.servers, n)
		}
		if live.view.Load().released == v.released {
			return v, sum
		}
	}
}

// keepRecord writes the counts of a service or a real server.
func (e *Engine) keepRecord(of any, id lvs.RealServerID, n counts) {
	k := &e.kept.counters
	r := k.records[of]
	if r == nil {
		r = &recordOf{id: id, slot: e.takeRecord(serverKey(trafficCount, id))}
		k.records[of] = r
	}
	r.pass = k.pass
	k.file.set(r.slot, n)
}

// takeRecord returns a record for a key; 0 if the file system has no room.
func (e *Engine) takeRecord(key counterKey) int {
	slot, err := e.kept.counters.file.take(key)
	if err != nil && !e.kept.counters.failed {
		e.kept.counters.failed = true
		e.kept.putAside(fmt.Errorf("counters of what is new are not kept: %w", err))
	}
	return slot
}

// closeCounters writes the counters for the last time. Afterwards reports write none.
func (e *Engine) closeCounters() error {
	if e.kept == nil {
		return nil
	}
	e.keepCounters()
	k := &e.kept.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	file := k.file
	if k.file = nil; file == nil {
		return nil
	}
	return file.close()
}
