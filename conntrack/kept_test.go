package conntrack

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// newKept returns a table in a file.
func newKept(t testing.TB, n4, n6 int) (*Table, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessions")
	table, err := New(Config{Max: n4, MaxV6: n6, Timeouts: DefaultTimeouts(), Ended: func(uint32, *Session) {}, File: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table, path
}

// fill adds sessions of every mode and family that can be.
func fillKept(t testing.TB, table *Table, n int) (keys []Key) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		mode := lvs.Mode(i % int(lvs.NumModes))
		six := i%3 == 1 && table.CapV6() > 0
		address := func() packet.Addr {
			if six {
				return packet.Addr{Hi: 0xfd << 56, Lo: r.Uint64()}
			}
			return packet.AddrOf4(r.Uint32())
		}
		in := Key{Flow: Flow{Src: address(), Dst: address(), SrcPort: uint16(i), DstPort: 80}, Protocol: packet.ProtocolTCP}
		out := Flow{Src: address(), SrcPort: 8080}
		if mode.TwoWay() {
			out.Dst, out.DstPort = address(), uint16(i)
		} else if six {
			out.Dst = packet.Addr{}
		}
		back := Key{Flow: out, Protocol: in.Protocol}
		slot, ok := table.Insert(&in, Hashes{table.Hash(&in), table.Hash(&back)}, &out, mode.TwoWay(), 1000)
		if !ok {
			t.Fatal("the table is full")
		}
		s := table.At(slot)
		s.Server, s.Mode, s.PacketsIn = uint32(i), mode, uint32(3*i)
		table.SetState(slot, Established, 1000)
		keys = append(keys, in)
	}
	return keys
}

// read returns the sessions of a file.
func read(t testing.TB, path string) (all []KeptSession, broken int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ReadKept(f, info.Size(), func(s []KeptSession) { all = append(all, s...) })
	if err != nil {
		t.Fatal(err)
	}
	return all, k.Broken
}

// TestKept: what is in a table is in its file, also after the table is gone, and another table
// takes it over.
func TestKept(t *testing.T) {
	table, path := newKept(t, 2000, 1000)
	keys := fillKept(t, table, 1500)
	for slot := range uint32(100) {
		table.End(slot)
	}
	keys = slices.DeleteFunc(keys, func(k Key) bool { _, found := table.Lookup(table.Hash(&k), &k); return !found })
	want := map[Key][2]Flow{}
	for _, k := range keys {
		ref, _ := table.Lookup(table.Hash(&k), &k)
		in, out := table.Flows(ref.Slot())
		want[k] = [2]Flow{in, out}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	all, broken := read(t, path)
	if len(all) != len(want) || broken != 0 {
		t.Fatalf("%d sessions and %d broken, want %d", len(all), broken, len(want))
	}
	next, nextPath := newKept(t, 3000, 700)
	for i := range all {
		slot, ok := next.Restore(&all[i], 2000)
		if !ok {
			t.Fatalf("%+v was not restored", all[i])
		}
		in, out := next.Flows(slot)
		if k := all[i].In(); want[k] != [2]Flow{in, out} || *next.At(slot) != restored(all[i].Session, next.At(slot)) {
			t.Errorf("%v: %+v, want %+v", k, next.At(slot), all[i])
		}
		if _, again := next.Restore(&all[i], 2000); again {
			t.Error("restored twice")
		}
	}
	if again, broken := read(t, nextPath); len(again) != len(all) || broken != 0 {
		t.Errorf("the next file has %d sessions, %d broken", len(again), broken)
	}
}

// restored is a session as Restore leaves it.
func restored(s Session, got *Session) Session {
	s.Server, s.NextHop, s.RouteEpoch, s.Template, s.Life = 0, 0, 0, 0, 0
	s.Generation = got.Generation
	return s
}

// TestCutOff: a session that was not set up when its process died is none.
func TestCutOff(t *testing.T) {
	table, path := newKept(t, 100, 0)
	in := Key{Flow: Flow{Src: packet.AddrOf4(1), Dst: packet.AddrOf4(2), SrcPort: 1, DstPort: 80}, Protocol: packet.ProtocolTCP}
	table.Insert(&in, Hashes{In: table.Hash(&in)}, &Flow{}, false, 1000)
	if all, broken := read(t, path); len(all) != 0 || broken != 1 {
		t.Errorf("%d sessions, %d broken", len(all), broken)
	}
}

// TestKeptIsPrivate: nobody else reads the file, and an old one is never overwritten.
func TestKeptIsPrivate(t *testing.T) {
	_, path := newKept(t, 10, 0)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := New(Config{Max: 10, Ended: func(uint32, *Session) {}, File: path}); err == nil {
		t.Error("an old file was overwritten")
	}
}

// TestMemoryInAFile: a table in a file takes the memory of one that is in none, but for the header
// and what is left of the last huge page. A session takes no more than it is documented to take.
func TestMemoryInAFile(t *testing.T) {
	for _, n := range [][2]int{{1 << 18, 0}, {100_000, 50_000}, {1, 0}} {
		config := Config{Max: n[0], MaxV6: n[1], Ended: func(uint32, *Session) {}}
		plain, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		config.File = filepath.Join(t.TempDir(), "sessions")
		kept, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		more := len(kept.memory) + len(kept.file) - len(plain.memory)
		if more < keptHeaderLen || more >= keptHeaderLen+hugePageSize {
			t.Errorf("%v sessions take %d bytes more in a file", n, more)
		}
	}
	const many = 10_000_000
	if each := float64(Size(many, 0)) / many; each > 83.1 {
		t.Errorf("a session of %d takes %.2f bytes", many, each)
	}
}

// FuzzReadKept: no file stops a start, and what comes of it can be restored.
func FuzzReadKept(f *testing.F) {
	table, path := newKept(f, 20, 10)
	fillKept(f, table, 15)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	good = good[:keptHeaderLen+30*sessionLen+10*addressesLen]
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:keptHeaderLen-1])
	f.Add([]byte{})
	for i := range 40 {
		bad := bytes.Clone(good)
		bad[i] ^= 0x81
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		next, err := New(Config{Max: 20, MaxV6: 10, Timeouts: DefaultTimeouts(), Ended: func(uint32, *Session) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		n := 0
		_, err = ReadKept(bytes.NewReader(b), int64(len(b)), func(all []KeptSession) {
			for i := range all {
				s := &all[i]
				next.PrefetchKept(s)
				slot, ok := next.Restore(s, 2000)
				if !ok {
					continue
				}
				n++
				k := s.In()
				if ref, found := next.Lookup(next.Hash(&k), &k); !found || ref.Slot() != slot {
					t.Errorf("%v is not found", k)
				}
			}
		})
		if err == nil && n != next.Len() {
			t.Errorf("%d sessions, want %d", next.Len(), n)
		}
		next.EndAll()
	})
}
