package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"fulcrum/lvs"
)

// The file counters of a run has records of 128 bytes, in the machine's byte order. The first one
// is the header: a magic text, the version, and the length of a record. Each other one is unused or
// has a key and what is shown under it:
//
//	offset  0  kind; 0 is unused
//	        1  protocol, or the length of the name
//	        2  families of the three addresses, two bits each: 0 is none, 1 IPv4, 2 IPv6
//	        4  mark
//	        8  a name; or 16 bytes each for the VIP, the last VIP of a range, and the real server
//	       56  their ports, 2 bytes each; then zeros
//	       80  six counts of 8 bytes
//
// A key is written with its first word last, so that a crash leaves a record unused or whole.

// countersVersion is the version of the file's format. Names that a director does not know are no
// other format: they are skipped.
const countersVersion = 1

const (
	countersMagic = "fulcrum counters"

	counterLen    = 128 // bytes of a record
	counterKeyLen = 80
	counterWords  = counterLen / 8
	keyWords      = counterKeyLen / 8
	numCounts     = counterWords - keyWords
	nameAt        = 8
	portsAt       = 56

	// mostCounters bounds the records of a file that is read.
	mostCounters = 2 * maxServers
	// mostCount is the largest count that is believed: it leaves room for all that may be added.
	mostCount = 1 << 62
)

// The kinds of records.
const (
	namedCount   = 1 + iota // counts of the director with a name
	trafficCount            // of a service, or of a real server with its unanswered SYNs last
	zeroedCount             // likewise, as it was when it was displayed as zero the last time
)

// counterKey is the key of a record. A service has the key of a real server without address.
type counterKey [counterKeyLen]byte

// counts are those of a record.
type counts [numCounts]uint64

func countsOf(t Traffic) (n counts) {
	for i, v := range t.all() {
		n[i] = *v
	}
	return n
}

func (n *counts) traffic() (t Traffic) {
	for i, v := range t.all() {
		*v = n[i]
	}
	return t
}

// nameKey returns the key of a name. ok is false if it is too long.
func nameKey(name string) (k counterKey, ok bool) {
	k[0], k[1] = namedCount, byte(len(name))
	return k, copy(k[nameAt:], name) == len(name)
}

// name returns the name of a key.
func (k *counterKey) name() (name string, ok bool) {
	if int(k[1]) > counterKeyLen-nameAt {
		return "", false
	}
	name = string(k[nameAt : nameAt+int(k[1])])
	same, _ := nameKey(name)
	return name, same == *k
}

// serverKey returns the key of a real server, or of a service if it has no address.
func serverKey(kind byte, id lvs.RealServerID) (k counterKey) {
	k[0], k[1] = kind, byte(id.Service.Protocol)
	binary.NativeEndian.PutUint32(k[4:], id.Service.Mark)
	last := netip.AddrPortFrom(id.Service.Last, id.Service.LastPort)
	for i, a := range [...]netip.AddrPort{id.Service.Address, last, id.Address} {
		at := k[nameAt+16*i:]
		switch {
		case a.Addr().Is4():
			k[2] |= 1 << (2 * i)
			four := a.Addr().As4()
			copy(at, four[:])
		case a.Addr().Is6():
			k[2] |= 2 << (2 * i)
			sixteen := a.Addr().As16()
			copy(at, sixteen[:])
		}
		binary.NativeEndian.PutUint16(k[portsAt+2*i:], a.Port())
	}
	return k
}

// server returns the real server of a key.
func (k *counterKey) server() (id lvs.RealServerID, ok bool) {
	var all [3]netip.AddrPort
	for i := range all {
		at := k[nameAt+16*i:]
		var a netip.Addr
		switch k[2] >> (2 * i) & 3 {
		case 1:
			a = netip.AddrFrom4([4]byte(at[:4]))
		case 2:
			a = netip.AddrFrom16([16]byte(at[:16]))
		}
		all[i] = netip.AddrPortFrom(a, binary.NativeEndian.Uint16(k[portsAt+2*i:]))
	}
	id.Service = lvs.ServiceID{
		Protocol: lvs.Protocol(k[1]), Mark: binary.NativeEndian.Uint32(k[4:]), Address: all[0],
		Last: all[1].Addr(), LastPort: all[1].Port(),
	}
	id.Address = all[2]
	return id, serverKey(k[0], id) == *k
}

// countersHeader returns the first record of a file.
func countersHeader() (k counterKey) {
	copy(k[:], countersMagic)
	binary.NativeEndian.PutUint32(k[len(countersMagic):], countersVersion)
	binary.NativeEndian.PutUint32(k[len(countersMagic)+4:], counterLen)
	return k
}

// checkCountersHeader returns an error for a header of anything else.
func checkCountersHeader(k *counterKey) error {
	rest, ok := bytes.CutPrefix(k[:], []byte(countersMagic))
	if !ok {
		return errCounters
	}
	v, size := binary.NativeEndian.Uint32(rest), binary.NativeEndian.Uint32(rest[4:])
	if v != countersVersion || size != counterLen {
		return fmt.Errorf("%w: its format is %d with records of %d bytes, this director reads %d and %d",
			errCounters, v, size, countersVersion, counterLen)
	}
	return nil
}

// errCounters reports a file that has no counters of this version of the director.
var errCounters = errors.New("no file of counters")

// counted is what a run has counted, and shown.
type counted struct {
	named           map[string]counts
	traffic, zeroed map[lvs.RealServerID]counts
}

// readCounters reads a file of counters. It believes all of it or nothing.
func readCounters(f io.Reader) (*counted, error) {
	c := &counted{map[string]counts{}, map[lvs.RealServerID]counts{}, map[lvs.RealServerID]counts{}}
	in := bufio.NewReaderSize(f, 1<<16)
	var record [counterLen]byte
	for i := 0; ; i++ {
		_, err := io.ReadFull(in, record[:])
		key := counterKey(record[:])
		switch {
		case err == io.EOF && i > 0:
			return c, nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return nil, fmt.Errorf("%w: it is cut off", errCounters)
		case err == nil && i == 0:
			err = checkCountersHeader(&key)
		case err == nil && i > mostCounters:
			return nil, fmt.Errorf("%w: it has more than %d records", errCounters, mostCounters)
		case err == nil && key[0] != 0 && !c.take(&key, record[counterKeyLen:]):
			return nil, fmt.Errorf("%w: record %d is damaged", errCounters, i)
		}
		if err != nil {
			return nil, err
		}
	}
}

// take adds a record. ok is false if it is none.
func (c *counted) take(key *counterKey, values []byte) (ok bool) {
	var n counts
	for i := range n {
		if n[i] = binary.NativeEndian.Uint64(values[8*i:]); n[i] > mostCount {
			return false
		}
	}
	switch key[0] {
	case namedCount:
		name, ok := key.name()
		c.named[name] = n
		return ok
	case trafficCount:
		return n.join(c.traffic, key)
	case zeroedCount:
		return n.join(c.zeroed, key)
	}
	return false
}

// join adds counts to those of real servers. A crash may leave two records of one that was
// forgotten and came back: the larger counts were shown.
func (n *counts) join(all map[lvs.RealServerID]counts, key *counterKey) (ok bool) {
	id, ok := key.server()
	was := all[id]
	for i := range n {
		n[i] = max(n[i], was[i])
	}
	all[id] = *n
	return ok
}

// lastCounters reads what the last run before this one has counted, whatever has become of its
// sessions: counts are good in another layout and after another boot. c is nil if there is none.
func lastCounters(folder string, this int) (c *counted, err error) {
	for _, n := range keptNumbers(folder) { // ascending
		if n == this {
			continue
		}
		path := filepath.Join(runFolder(folder, n), "counters")
		f, missing := os.Open(path)
		if missing != nil {
			continue
		}
		c, err = readCounters(f)
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		_ = f.Close() // it was read only
	}
	return c, err
}

// counterFile is a file of counters that is written.
type counterFile struct {
	file   *os.File
	pages  [][]byte // of keptStep bytes each
	next   int      // the first slot that was never used
	unused []int    // slots that were given back
}

// newCounterFile makes a file, which must not be there.
func newCounterFile(path string) (*counterFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	c := &counterFile{file: f}
	if _, err := c.take(countersHeader()); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// take gives a key a record, whose counts are zero. It returns an error if the file system has no
// room.
func (c *counterFile) take(key counterKey) (slot int, err error) {
	if last := len(c.unused) - 1; last >= 0 {
		slot, c.unused = c.unused[last], c.unused[:last]
	} else {
		if c.next*counterLen == len(c.pages)*keptStep {
			if err := c.grow(); err != nil {
				return 0, err
			}
		}
		slot = c.next
		c.next++
	}
	r := c.record(slot)
	for i := counterWords - 1; i >= 0; i-- {
		word := uint64(0)
		if i < keyWords {
			word = binary.NativeEndian.Uint64(key[8*i:])
		}
		r[i].Store(word)
	}
	return slot, nil
}

// giveBack makes a record unused. Slot 0 stands for none.
func (c *counterFile) giveBack(slot int) {
	if slot != 0 {
		c.record(slot)[0].Store(0)
		c.unused = append(c.unused, slot)
	}
}

// set stores the counts of a record, one after the other. Slot 0 stands for none.
func (c *counterFile) set(slot int, n counts) {
	if slot == 0 {
		return
	}
	r := c.record(slot)[keyWords:]
	for i := range n {
		r[i].Store(n[i])
	}
}

func (c *counterFile) record(slot int) []atomic.Uint64 {
	at := slot * counterLen
	page := c.pages[at/keptStep]
	return wordsOf(page[at%keptStep:][:counterLen])
}

func (c *counterFile) grow() error {
	page, err := mapKept(c.file, int64(len(c.pages)*keptStep))
	if err == nil {
		c.pages = append(c.pages, page)
	}
	return err
}

func (c *counterFile) close() error {
	err := c.file.Close()
	for _, page := range c.pages {
		err = errors.Join(err, unix.Munmap(page))
	}
	return err
}
