package persist

// Template describes a template.
type Template struct {
	Key
	Server    Server
	Left      int32  // ms until it ends without another session; negative: 60 s more are due
	Sessions  uint32 // that live under it
	Confirmed bool   // it never gives way to another
	Place     uint32 // where it is; List goes on after it
}

// List copies templates into all, those after a place; 0 is the beginning. It returns how many it
// copied, and the place to go on after; 0 when there are no more. It looks at no more than 64
// records beyond the copied ones, so that it may return few or none before the end.
func (t *Table) List(after uint32, now uint32, all []Template) (n int, next uint32) {
	shards := uint32(len(t.shards))
	for looked := 0; looked < sweptTogether+len(all) && n < len(all); looked++ {
		if after >= t.end() {
			return n, 0
		}
		s, i := &t.shards[after&(shards-1)], after>>t.bits
		after++
		if t.copyTo(&all[n], s, i, now) {
			n++
		}
	}
	return n, after
}

// end returns the greatest place that a template may have.
func (t *Table) end() uint32 { return uint32(len(t.shards[0].records)) << t.bits }

func (t *Table) copyTo(to *Template, s *shard, i, now uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= s.used || !s.records[i].live || s.records[i].ended(now) {
		return false
	}
	e := &s.records[i]
	*to = Template{
		Key: e.key(), Server: e.server, Left: int32(e.deadline - now),
		Sessions: e.sessions, Confirmed: e.confirmed, Place: t.place(s, i),
	}
	return true
}
