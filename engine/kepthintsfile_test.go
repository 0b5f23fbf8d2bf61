package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
)

// drawHints draws a list.
func drawHints(r *rapid.T) hintList {
	l := hintList{number: rapid.Uint64().Draw(r, "number")}
	l.names = rapid.SliceOfN(rapid.String(), 1, 5).Draw(r, "names")
	for range rapid.IntRange(0, 20).Draw(r, "hints") {
		h := neighbour.Hint{
			Address: packet.Addr{Hi: rapid.Uint64().Draw(r, "hi"), Lo: rapid.Uint64().Draw(r, "lo")},
			Port:    uint16(rapid.IntRange(0, len(l.names)-1).Draw(r, "port")),
			Proven:  rapid.Bool().Draw(r, "proven"),
		}
		binary.LittleEndian.PutUint32(h.MAC[1:], rapid.Uint32().Draw(r, "MAC"))
		l.all = append(l.all, h)
	}
	return l
}

// TestHintList: what is written is read, of two lists the newer one, and no list that lost a bit.
func TestHintList(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		older, newer := drawHints(r), drawHints(r)
		newer.number = older.number/2 + 1 + older.number
		if newer.number < older.number {
			older, newer = newer, older
		}
		file := make([]byte, 2*keptStep)
		first := rapid.IntRange(0, 1).Draw(r, "place")
		copy(file[first*keptStep:], older.append(nil))
		text := newer.append(nil)
		copy(file[(1-first)*keptStep:], text)
		if got, err := decodeHints(placesOf(file)); err != nil || !reflect.DeepEqual(got, newer) {
			r.Fatalf("%+v, %v, want %+v", got, err, newer)
		}
		bit := rapid.IntRange(0, 8*len(text)-1).Draw(r, "bit")
		file[(1-first)*keptStep+bit/8] ^= 1 << (bit % 8)
		if got, err := decodeHints(placesOf(file)); err != nil || !reflect.DeepEqual(got, older) {
			r.Fatalf("without bit %d: %+v, %v, want %+v", bit, got, err, older)
		}
	})
}

// TestFullHintList: a table's neighbours fit, and more are left out; names take no room from the
// other list.
func TestFullHintList(t *testing.T) {
	all := make([]neighbour.Hint, neighbour.MaxEntries+10)
	for name, want := range map[string]int{
		"front":                         neighbour.MaxEntries,
		strings.Repeat("x", keptStep/2): (keptStep/2 - hintsHeader - 4) / hintLen,
		strings.Repeat("x", keptStep):   0,
	} {
		l := hintList{number: 1, names: []string{name}, all: all}
		text := l.append(nil)
		var got hintList
		if err := got.decode(text); err != nil || len(got.all) != want {
			t.Errorf("%d hints, %v, want %d", len(got.all), err, want)
		}
	}
}

// TestDamagedHints: a file that cannot be read is named, and costs only what it says. One that is
// half good is used.
func TestDamagedHints(t *testing.T) {
	s := oneArm
	n := s.resolving(s.web(modes.NAT, 1))
	folder := t.TempDir()
	b := newBed(t, s, n, keptIn(folder, 1))
	b.tellAll()
	b.keep()
	b.wait(200)
	b.receive(s.front, asksFor(s.own(s.front).addr, station("10.0.0.80", 80)))
	b.collectAll()
	b.ask(modes.NAT, tcp(client, webVIP, "S"))
	b.keep()
	b.close()
	run := filepath.Join(folder, "run-0")
	for name, tt := range map[string]struct {
		damage func(b []byte) []byte
		aside  string
	}{
		"none":           {func(b []byte) []byte { return b }, ""},
		"one list":       {func(b []byte) []byte { clear(b[keptStep:]); return b }, ""},
		"never written":  {func(b []byte) []byte { clear(b); return b }, ""},
		"a damaged list": {func(b []byte) []byte { b[60] ^= 1; return b }, ""},
		"half":           {func(b []byte) []byte { return b[:keptStep] }, ""},
		"empty":          {func(b []byte) []byte { return nil }, "it is cut off"},
		"cut off":        {func(b []byte) []byte { return b[:60] }, "it is damaged"},
		"damaged": {
			func(b []byte) []byte { b[60] ^= 1; b[keptStep+60] ^= 1; return b }, "it is damaged",
		},
		"another format": {
			func(b []byte) []byte { b[16]++; b[keptStep+16]++; return b }, "its format is 2",
		},
		"foreign": {func(b []byte) []byte { return bytes.Repeat([]byte("foreign "), keptStep/4) },
			"no file of neighbours"},
	} {
		t.Run(name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "keep")
			if err := os.CopyFS(filepath.Join(copied, "run-0"), os.DirFS(run)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(copied, "run-0", "neighbours")
			file, err := os.ReadFile(path)
			if err = errors.Join(err, os.WriteFile(path, tt.damage(file), 0o600)); err != nil {
				t.Fatal(err)
			}
			b := newSilentBed(t, s, n, keptIn(copied, 1))
			r := b.engine.Kept()
			if r.Kept != 1 || len(r.Aside) != min(1, len(tt.aside)) ||
				tt.aside != "" && !strings.Contains(r.Aside[0], tt.aside) {
				t.Errorf("%+v", r)
			}
			b.turn()
			b.announced()
			b.tellAll()
			b.ask(modes.NAT, tcp(client, webVIP, "A"))
		})
	}
	if err := os.Remove(filepath.Join(run, "neighbours")); err != nil { // as of an older version
		t.Fatal(err)
	}
	b = newBed(t, s, n, keptIn(folder, 1))
	b.keptReport(1, nil)
}

// FuzzReadNeighbours: no file stops a start, and whatever comes of it can be given to a table. A
// right sum is put into every other input, so that more than the sum is read.
func FuzzReadNeighbours(f *testing.F) {
	l := hintList{number: 7, names: []string{"front", "back"}, all: []neighbour.Hint{
		{Address: packet.AddrOf4(0x0a000009), MAC: packet.MAC{2, 9}, Proven: true},
		{Address: packet.Addr{Hi: 0xfd << 56, Lo: 9}, Port: 1, MAC: packet.MAC{2, 10}},
	}}
	good := l.append(nil)
	f.Add(good, true)
	f.Add(good[:len(good)-1], true)
	f.Add([]byte{}, false)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x81
		f.Add(bad, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if sum && len(b) >= hintsHeader {
			copy(b, hintsMagic)
			binary.LittleEndian.PutUint32(b[16:], hintsFormat)
			binary.LittleEndian.PutUint32(b[24:], uint32(len(b)))
			binary.LittleEndian.PutUint32(b[20:], crc32.Checksum(b[hintsSummed:], hintsTable))
		}
		got, err := decodeHints(placesOf(b))
		if err != nil && (len(got.all) != 0 || len(got.names) != 0) {
			t.Errorf("%+v although %v", got, err)
		}
		table := neighbour.New(neighbour.Config{Ports: make([]neighbour.Port, len(got.names))})
		for i := range got.all {
			h := &got.all[i]
			if table.TakeHint(h, 1000); h.MAC.IsMulticast() || h.MAC.IsZero() {
				continue
			}
			place, known := table.Lookup(h.Address, h.Port)
			if !known || !table.At(place).HasMAC() {
				t.Errorf("%+v is not known", *h)
			}
		}
	})
}

// placesOf returns the two lists of a file, as far as they go.
func placesOf(file []byte) (places [2][]byte) {
	for i := range places {
		at := min(i*keptStep, len(file))
		places[i] = file[at:min(at+keptStep, len(file))]
	}
	return places
}
