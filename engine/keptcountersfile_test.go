package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"fulcrum/lvs"
)

// someServers are real servers and services of all kinds.
func someServers() []lvs.RealServerID {
	four, six := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("[fd00::1]:80")
	ranged := lvs.ServiceID{
		Protocol: lvs.UDP, Address: four, Last: netip.MustParseAddr("10.0.0.9"), LastPort: 90,
	}
	var all []lvs.RealServerID
	for _, service := range []lvs.ServiceID{
		{Protocol: lvs.TCP, Address: four}, {Protocol: lvs.SCTP, Address: six},
		lvs.IDOfMark(7, false), lvs.IDOfMark(7, true), ranged,
	} {
		for _, address := range []netip.AddrPort{{}, four, six, netip.MustParseAddrPort("[::ffff:10.0.0.1]:80")} {
			all = append(all, lvs.RealServerID{Service: service, Address: address})
		}
	}
	return all
}

// TestCounterKeys: each identity has a key of its own, from which it is read again.
func TestCounterKeys(t *testing.T) {
	seen := map[counterKey]bool{}
	for _, id := range someServers() {
		for _, kind := range []byte{trafficCount, zeroedCount} {
			k := serverKey(kind, id)
			if got, ok := k.server(); !ok || got != id || seen[k] {
				t.Errorf("%v became %v, %v", id, got, ok)
			}
			seen[k] = true
		}
	}
	for _, name := range []string{"", "x", "port/" + string(bytes.Repeat([]byte("p"), 63))} {
		k, fits := nameKey(name)
		if got, ok := k.name(); !fits || !ok || got != name {
			t.Errorf("%q became %q, %v", name, got, ok)
		}
	}
	if _, fits := nameKey(string(make([]byte, 73))); fits {
		t.Error("a name that is too long")
	}
}

// TestCounterFile: a file that outgrows a piece has every record, and a crash while a record gets
// its key leaves it unused.
func TestCounterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counters")
	f, err := newCounterFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const n = keptStep/counterLen + 5
	for i := range n {
		key, _ := nameKey(fmt.Sprint("count ", i))
		slot, err := f.take(key)
		if err != nil || slot != i+1 {
			t.Fatalf("slot %d, %v", slot, err)
		}
		f.set(slot, counts{uint64(i), 5: 9})
	}
	f.giveBack(3)
	f.giveBack(0)
	f.set(0, counts{1})
	f.record(8)[0].Store(0) // its other words are written, the first one is not
	if slot, _ := f.take(serverKey(trafficCount, someServers()[0])); slot != 3 {
		t.Errorf("slot %d", slot)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c, err := readCounters(in)
	if err != nil || len(c.named) != n-2 || len(c.traffic) != 1 || c.named[fmt.Sprint("count ", n-1)] != (counts{n - 1, 5: 9}) {
		t.Errorf("%v: %d names", err, len(c.named))
	}
	if _, err := newCounterFile(path); err == nil {
		t.Error("a file was made twice")
	}
	if s, err := os.Stat(path); err != nil || s.Mode().Perm() != 0o600 {
		t.Error(s.Mode(), err)
	}
}

// TestTwoRecordsOfOne: of two records of a real server that was forgotten and came back, the larger
// counts hold, as readers have seen them.
func TestTwoRecordsOfOne(t *testing.T) {
	key := serverKey(trafficCount, someServers()[1])
	file := counterText(countersHeader(), counts{})
	file = append(file, counterText(key, counts{1, 9, 3})...)
	file = append(file, counterText(key, counts{4, 2, 6})...)
	c, err := readCounters(bytes.NewReader(file))
	if err != nil || c.traffic[someServers()[1]] != (counts{4, 9, 6}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// counterText is a record as it is in a file.
func counterText(key counterKey, n counts) []byte {
	b := key[:]
	for _, v := range n {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return b
}

// FuzzReadCounters: no file is believed beyond its bounds, and what is believed is in the file.
func FuzzReadCounters(f *testing.F) {
	file := counterText(countersHeader(), counts{})
	for i, id := range someServers() {
		name, _ := nameKey(fmt.Sprint("worker/", i, "/received"))
		file = append(file, counterText(serverKey(trafficCount, id), counts{1, 2, 3})...)
		file = append(file, counterText(name, counts{mostCount})...)
		file = append(file, make([]byte, counterLen)...)
	}
	f.Add(file)
	f.Add(file[:counterLen+3])
	f.Add([]byte(countersMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := readCounters(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name, n := range c.named {
			nameNow(name, 3)
			key, fits := nameKey(name)
			if !fits || !bytes.Contains(data, key[:]) || n[0] > mostCount {
				t.Errorf("%q: %v", name, n)
			}
		}
		for id, n := range c.traffic {
			if key := serverKey(trafficCount, id); !bytes.Contains(data, key[:]) || n[0] > mostCount {
				t.Errorf("%v: %v", id, n)
			}
		}
	})
}
