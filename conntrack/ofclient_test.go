package conntrack

import (
	"encoding/binary"
	"testing"

	"fulcrum/packet"
)

// TestOfClient: OfClient4 and OfClient6 find what Confirm4 and ConfirmUsual6 confirm for inbound
// packets, and nothing else: not by references to no session, to ended ones, to those of the other
// family, or to answers.
func TestOfClient(t *testing.T) {
	for _, six := range []int{0, 3} {
		table := newTable(t, Config{Max: 4, MaxV6: six})
		for i := range 3 {
			mustInsert(t, table, i, 0)
			if six > 0 {
				mustInsert6(t, table, i, 0)
			}
		}
		table.End(1)
		if six > 0 {
			table.End(table.six.first + 1)
		}
		found := 0
		for ref := range Ref(4 + six + 2) {
			for _, r := range []Ref{ref, ref | 1<<30, ref | 1<<31, ref | 3<<30} {
				for i := range 3 {
					found += compareOfClient(t, table, r, i)
				}
			}
		}
		if want := 2 + min(six, 2); found != want {
			t.Errorf("found %d sessions, want %d", found, want)
		}
	}
}

// compareOfClient looks for both flows of a session of each family under a reference, and returns
// how often it found one.
func compareOfClient(t *testing.T, table *Table, r Ref, i int) (found int) {
	in4, out4 := flows(i)
	in6, out6 := flows6Of(i)
	sane := r != 0 && r&(1<<30) == 0 && int(r.Slot()) < len(table.sessions)
	for _, f := range []Flow4{in4, out4} {
		k := Key4{Flow4: f, Protocol: packet.ProtocolTCP}
		want := sane && r.Direction() == Inbound && table.Confirm4(r, &k)
		if s := table.OfClient4(r, &k); (s != nil) != want || want && s != table.At(r.Slot()) {
			t.Errorf("%#x: found %t, want %t", r, s != nil, want)
		} else if want {
			found++
		}
	}
	for _, f := range []Flow{in6, out6} {
		var addresses [32]byte
		for j, half := range []uint64{f.Src.Hi, f.Src.Lo, f.Dst.Hi, f.Dst.Lo} {
			binary.BigEndian.PutUint64(addresses[8*j:], half)
		}
		k := Key4{Flow4: portsOf(&f), Protocol: packet.ProtocolTCP}
		want := sane && r.Direction() == Inbound && table.ConfirmUsual6(r, &k, &addresses)
		s, a := table.OfClient6(r, &k, &addresses)
		if (s != nil) != want || want && (s != table.At(r.Slot()) || a != table.AddressesOf(r.Slot())) {
			t.Errorf("%#x: found %t, want %t", r, s != nil, want)
		} else if want {
			found++
		}
	}
	return found
}
