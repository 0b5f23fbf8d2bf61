package neighbour

// class says which entries give way to others (RFC 6583, 7.1). Entries of the configuration take
// any place, and strangers take none of theirs.
type class uint8

const (
	unlisted   class = iota // the place is free
	kept                    // a gateway, a real server's next hop or a static entry: never gives way
	waiting                 // a stranger for which packets wait: it has one of few queues
	failed                  // a stranger that did not answer
	unproven                // a stranger that told its MAC, and has answered no question
	incomplete              // a stranger that is being asked for
	proven                  // a stranger that has answered a question
	numClasses
)

// limits bound the classes of strangers whose existence is not proven. The oldest gives way to the
// newest of its class, long before the table is full.
var limits = [numClasses]int{
	unlisted: MaxEntries, kept: MaxEntries, waiting: MaxEntries,
	failed: 2048, unproven: 8192, incomplete: 4096, proven: MaxEntries,
}

// secondChances bounds how many unproven strangers are passed over because packets go to them.
const secondChances = 8

// list holds the entries of a class, the oldest first. It is linked by their records.
type list struct {
	head, tail Hop
	n          int
}

func (t *Table) push(c class, h Hop) {
	l, r := &t.lists[c], &t.records[h]
	r.class, r.prev, r.next = c, l.tail, 0
	if l.tail != 0 {
		t.records[l.tail].next = h
	} else {
		l.head = h
	}
	l.tail = h
	l.n++
}

func (t *Table) unlink(h Hop) {
	r := &t.records[h]
	l := &t.lists[r.class]
	if r.prev != 0 {
		t.records[r.prev].next = r.next
	} else {
		l.head = r.next
	}
	if r.next != 0 {
		t.records[r.next].prev = r.prev
	} else {
		l.tail = r.prev
	}
	l.n--
	r.class, r.prev, r.next = unlisted, 0, 0
}

// renew makes an entry the newest of its class.
func (t *Table) renew(h Hop) {
	c := t.records[h].class
	t.unlink(h)
	t.push(c, h)
}

// classOf returns the class that an entry should have.
func (t *Table) classOf(h Hop) class {
	e := &t.entries[h]
	switch {
	case e.kept():
		return kept
	case e.queue != 0:
		return waiting
	case e.state == Failed:
		return failed
	case e.state == Incomplete:
		return incomplete
	case t.records[h].proven:
		return proven
	}
	return unproven
}

// settle lists an entry whose state has changed, as the newest of its class. It makes the oldest of
// a class that exceeds its limit give way.
func (t *Table) settle(h Hop) {
	c := t.classOf(h)
	if was := t.records[h].class; was == c && (c == kept || c == waiting) {
		return
	} else if was != unlisted {
		t.unlink(h)
	}
	t.push(c, h)
	if t.lists[c].n > limits[c] {
		t.forget(t.oldest(c))
	}
}

// oldest returns the entry of a class that gives way first: strangers to which packets go come
// after the others.
func (t *Table) oldest(c class) Hop {
	l := &t.lists[c]
	for range min(secondChances, l.n) {
		if c != unproven || !t.entries[l.head].Used {
			break
		}
		t.renew(l.head)
	}
	return l.head
}

// giveWay forgets an entry for another one in a full table. Proven strangers give way to entries of
// the configuration, and to strangers only if nothing goes to them any more, or nothing has since
// they came as hints.
func (t *Table) giveWay(forKept bool, now uint32) (ok bool) {
	for _, c := range [...]class{failed, unproven, incomplete} {
		if t.lists[c].n > 0 {
			t.forget(t.oldest(c))
			return true
		}
	}
	h := t.lists[proven].head
	if h == 0 {
		return false
	}
	e, r := &t.entries[h], &t.records[h]
	if forKept || !e.Used && (r.hint || e.Age(now) >= ReachableTime) {
		t.forget(h)
		return true
	}
	t.renew(h) // so that the next stranger finds another one
	return false
}
