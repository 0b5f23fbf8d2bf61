package capture

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
)

var recorded = time.Date(2025, time.January, 2, 3, 4, 5, 678901234, time.UTC)

// sample returns a file of three packets: one received, one sent, and one dropped.
func sample(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, []string{"front", "back"}, 64)
	if err != nil {
		t.Fatal(err)
	}
	web := frames(t)["web"]
	for i, r := range []Record{
		{Stage: Rx, Port: 0, Length: len(web), Data: web},
		{Stage: Tx, Port: 1, Length: 1500, Data: web},
		{Stage: Drop, Port: 0, Length: len(web), Data: web[:51]},
	} {
		r.Time = recorded.Add(time.Duration(i)).UnixNano()
		comment := ""
		if r.Stage == Drop {
			comment = "no_session: of no session"
		}
		if err := w.Write(&r, comment); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// TestOthersReadIt checks that gopacket finds the interfaces, the times and the bytes.
func TestOthersReadIt(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(sample(t)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	web := frames(t)["web"]
	for i, want := range []struct {
		port   string
		length int
		data   []byte
	}{{"front", len(web), web}, {"back", 1500, web}, {"front", len(web), web[:51]}} {
		data, info, err := r.ReadPacketData()
		if err != nil {
			t.Fatal(err)
		}
		port, err := r.Interface(info.InterfaceIndex)
		if err != nil || port.Name != want.port || info.Length != want.length ||
			!bytes.Equal(data, want.data) {
			t.Errorf("packet %d: %v, port %+v, %+v, %x", i, err, port, info, data)
		}
		if !info.Timestamp.Equal(recorded.Add(time.Duration(i))) {
			t.Errorf("packet %d: recorded at %v", i, info.Timestamp)
		}
	}
}

// TestWiresharkShowsTheReason checks that tshark shows the comment.
func TestWiresharkShowsTheReason(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark here")
	}
	file := filepath.Join(t.TempDir(), "sample.pcapng")
	if err := os.WriteFile(file, sample(t), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(tshark, "-r", file, "-T", "fields",
		"-e", "frame.comment", "-e", "frame.interface_name").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(string(said), "\t", "|")
	want := "|front\n|back\nno_session: of no session|front\n"
	if got != want {
		t.Errorf("tshark says\n%s, want\n%s", got, want)
	}
}

// TestCounterCounts: it counts the packets that are complete, however the stream is cut.
func TestCounterCounts(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, []string{"front"}, 64)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.Write(&Record{Data: make([]byte, 33), Length: 33}, "why"); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{1, 7, 8, 100, 1 << 20} {
		for cut, want := range map[int]int{0: 3, 1: 2, file.Len(): 0} {
			var c Counter
			for piece := range slices.Chunk(file.Bytes()[:file.Len()-cut], size) {
				if n, err := c.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if c.Packets != want {
				t.Errorf("by %d bytes, %d missing: %d packets, want %d", size, cut, c.Packets, want)
			}
		}
	}
}
