package conntrack

// Why this is sound: the test only reads sizes and offsets.

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Session{}); n != 64 {
		t.Errorf("a session takes %d bytes; want one cache line", n)
	}
	if n := unsafe.Sizeof(Addresses6{}); n != 64 {
		t.Errorf("an IPv6 session's addresses take %d bytes; want one cache line", n)
	}
	if n := unsafe.Sizeof(bucket{}); n != 64 {
		t.Errorf("a bucket takes %d bytes; want one cache line", n)
	}
}

func TestSizeOfFragmented(t *testing.T) {
	if n := unsafe.Sizeof(fragmented{}); n != 128 {
		t.Errorf("a datagram takes %d bytes; want two cache lines", n)
	}
}

// TestBucketLayout holds the layout that candidates_amd64.s relies on.
func TestBucketLayout(t *testing.T) {
	var b bucket
	if tags, refs := unsafe.Offsetof(b.tags), unsafe.Offsetof(b.refs); tags != 0 ||
		unsafe.Sizeof(b.tags) != 20 || refs != 24 {
		t.Errorf("tags at %d, references at %d", tags, refs)
	}
	if last := makeRef(1<<30-2, Inbound); last.Slot() != 1<<30-2 {
		t.Errorf("the last slot is %#x", last.Slot())
	}
}

// TestByteMap compares the record and an IPv6 session's second line with the byte maps of the
// package comment.
func TestByteMap(t *testing.T) {
	var s Session
	var a Addresses6
	fields := map[string]field{
		"client address":        {unsafe.Offsetof(s.In.Src), unsafe.Sizeof(s.In.Src)},
		"VIP":                   {unsafe.Offsetof(s.In.Dst), unsafe.Sizeof(s.In.Dst)},
		"client port":           {unsafe.Offsetof(s.In.SrcPort), unsafe.Sizeof(s.In.SrcPort)},
		"service port":          {unsafe.Offsetof(s.In.DstPort), unsafe.Sizeof(s.In.DstPort)},
		"protocol":              {unsafe.Offsetof(s.Protocol), unsafe.Sizeof(s.Protocol)},
		"state":                 {unsafe.Offsetof(s.State), unsafe.Sizeof(s.State)},
		"flags":                 {unsafe.Offsetof(s.Flags), unsafe.Sizeof(s.Flags)},
		"real server's address": {unsafe.Offsetof(s.Out) + unsafe.Offsetof(s.Out.Src), 4},
		"real server's port":    {unsafe.Offsetof(s.Out) + unsafe.Offsetof(s.Out.SrcPort), 2},
		"real server id":        {unsafe.Offsetof(s.Server), unsafe.Sizeof(s.Server)},
		"last seen, ms":         {unsafe.Offsetof(s.LastSeen), unsafe.Sizeof(s.LastSeen)},
		"packets in":            {unsafe.Offsetof(s.PacketsIn), unsafe.Sizeof(s.PacketsIn)},
		"packets out":           {unsafe.Offsetof(s.PacketsOut), unsafe.Sizeof(s.PacketsOut)},
		"sequence delta":        {unsafe.Offsetof(s.SeqDelta), unsafe.Sizeof(s.SeqDelta)},
		"mode":                  {unsafe.Offsetof(s.Mode), unsafe.Sizeof(s.Mode)},
		"next hop":              {unsafe.Offsetof(s.NextHop), unsafe.Sizeof(s.NextHop)},
		"generation":            {unsafe.Offsetof(s.Generation), unsafe.Sizeof(s.Generation)},
		"route epoch":           {unsafe.Offsetof(s.RouteEpoch), unsafe.Sizeof(s.RouteEpoch)},
		"template; in a free record the next free one": {unsafe.Offsetof(s.Template),
			unsafe.Sizeof(s.Template)},
		"life of the template": {unsafe.Offsetof(s.Life), unsafe.Sizeof(s.Life)},
		"where its answers go": {unsafe.Offsetof(s.Out) + unsafe.Offsetof(s.Out.Dst), 4},
		"client address, IPv6": {unsafe.Offsetof(a.In) + unsafe.Offsetof(a.In.Src),
			unsafe.Sizeof(a.In.Src)},
		"VIP, IPv6": {unsafe.Offsetof(a.In) + unsafe.Offsetof(a.In.Dst),
			unsafe.Sizeof(a.In.Dst)},
		"real server's address, IPv6": {unsafe.Offsetof(a.Out) + unsafe.Offsetof(a.Out.Src),
			unsafe.Sizeof(a.Out.Src)},
		"where its answers go, IPv6": {unsafe.Offsetof(a.Out) + unsafe.Offsetof(a.Out.Dst),
			unsafe.Sizeof(a.Out.Dst)},
		"where its answers go 2": {unsafe.Offsetof(s.Out) + unsafe.Offsetof(s.Out.DstPort), 2},
	}
	covered := uintptr(0)
	for what, documented := range documentedFields(t) {
		if got, ok := fields[what]; !ok || got != documented {
			t.Errorf("%q is at %d, %d bytes; documented at %d, %d bytes", what, got.offset,
				got.size, documented.offset, documented.size)
		}
		covered += documented.size
	}
	if covered != 128 {
		t.Errorf("the byte map covers %d bytes", covered)
	}
}

type field struct{ offset, size uintptr }

// documentedFields reads the two columns "offset size name" of the byte map in doc.go.
func documentedFields(t *testing.T) map[string]field {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]field)
	for _, m := range regexp.MustCompile(`\b(\d+) +(\d+) {2}([A-Za-z].*?)(?: {3,}|\n)`).
		FindAllStringSubmatch(string(text), -1) {
		offset, _ := strconv.Atoi(m[1])
		size, _ := strconv.Atoi(m[2])
		if _, again := found[m[3]]; again {
			m[3] += " 2"
		}
		found[m[3]] = field{uintptr(offset), uintptr(size)}
	}
	return found
}

func TestMemoryPerSession(t *testing.T) {
	for _, max := range []int{1000, 200_000, 1_000_000} {
		four := len(newTable(t, Config{Max: max}).memory)
		both := len(newTable(t, Config{Max: max, MaxV6: max / 2}).memory)
		per4, per6 := float64(four)/float64(max), float64(both-four)/float64(max/2)
		t.Logf("%d sessions: %.1f bytes each, of IPv6 %.1f", max, per4, per6)
		if per4 > 96 || per6 > 160 {
			t.Errorf("%d sessions take %.1f bytes each, of IPv6 %.1f; want at most 96 and 160", max,
				per4, per6)
		}
	}
}

func TestRecordsAreAligned(t *testing.T) {
	table := newTable(t, Config{Max: 10, MaxV6: 3})
	for what, p := range map[string]unsafe.Pointer{
		"sessions":  unsafe.Pointer(&table.sessions[0]),
		"buckets":   unsafe.Pointer(&table.index.buckets[0]),
		"addresses": unsafe.Pointer(&table.addresses[0]),
	} {
		if uintptr(p)%64 != 0 {
			t.Errorf("%s begin at %p, not at the start of a cache line", what, p)
		}
	}
}
