package ports_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// propertiesOfTwo are those of a port with two queues.
func propertiesOfTwo() ports.Properties {
	return ports.Properties{
		Name: "front", Device: "memory", MAC: [6]byte{2, 0, 0, 0, 0, 1}, MTU: 1500, Queues: 2,
		RSS: &ports.RSSConfig{
			Key: ports.SymmetricKey(ports.LeastKey), Table: []uint16{0, 1, 0, 1},
			Spread: ports.SpreadSource, Types: ports.AllHashTypes,
		},
	}
}

// portWith returns a memory port with the properties.
func portWith(t *testing.T, p ports.Properties, pool *memory.Pool) *memory.Port {
	t.Helper()
	c := memory.Config{Name: p.Name, MAC: p.MAC, MTU: p.MTU, Queues: p.Queues, Pool: pool}
	if p.RSS != nil {
		var err error
		if c.RSS, err = ports.NewRSS(*p.RSS); err != nil {
			t.Fatal(err)
		}
	}
	return memory.NewPort(c)
}

// TestPropertiesReachAnotherProcess: a port's properties are those that it was made with, also
// after they were encoded and decoded.
func TestPropertiesReachAnotherProcess(t *testing.T) {
	want := propertiesOfTwo()
	for range 2 {
		told, err := json.Marshal(ports.PropertiesOf(portWith(t, want, nil)))
		if err != nil {
			t.Fatal(err)
		}
		var got ports.Properties
		if err := json.Unmarshal(told, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || got.Validate() != nil || want.Differ(got) != nil {
			t.Errorf("%v, %v\n%s", got.Validate(), want.Differ(got), diff)
		}
		want.RSS = nil
	}
}

// TestPropertiesThatNoPortHas are refused, and the words say which.
func TestPropertiesThatNoPortHas(t *testing.T) {
	for says, spoil := range map[string]func(*ports.Properties){
		"name of 0 bytes":        func(p *ports.Properties) { p.Name = "" },
		"device of 5000":         func(p *ports.Properties) { p.Device = strings.Repeat("x", 5000) },
		"MTU 0":                  func(p *ports.Properties) { p.MTU = 0 },
		"MTU 65537":              func(p *ports.Properties) { p.MTU = 65537 },
		"0 queues":               func(p *ports.Properties) { p.Queues = 0 },
		"-1 queues":              func(p *ports.Properties) { p.Queues = -1 },
		"1025 queues":            func(p *ports.Properties) { p.Queues = 1025 },
		"key of 39 bytes":        func(p *ports.Properties) { p.RSS.Key = p.RSS.Key[:39] },
		"key of 256 bytes":       func(p *ports.Properties) { p.RSS.Key = ports.SymmetricKey(256) },
		"empty indirection":      func(p *ports.Properties) { p.RSS.Table = nil },
		"table of 65536 entries": func(p *ports.Properties) { p.RSS.Table = make([]uint16, 65536) },
		"names queue 2 of 2":     func(p *ports.Properties) { p.RSS.Table[3] = 2 },
		"spread 3":               func(p *ports.Properties) { p.RSS.Spread = 3 },
		"set 3 of hashed fields": func(p *ports.Properties) { p.RSS.Types.Other6 = 3 },
		"equal 16-bit words":     func(p *ports.Properties) { p.RSS.Key[4] = 1 },
	} {
		p := propertiesOfTwo()
		spoil(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
		if _, err := ports.NewLate(p); err == nil {
			t.Errorf("a port without %s", says)
		}
	}
}

// FuzzProperties: whatever another process tells, a late port is made of it or an error comes.
func FuzzProperties(f *testing.F) {
	seed, err := json.Marshal(propertiesOfTwo())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"name":"a","mtu":1500,"queues":1,"mac":[1,2],"rss":{"Key":"","Table":[65535]}}`))
	f.Fuzz(func(t *testing.T, told []byte) {
		var p ports.Properties
		if json.Unmarshal(told, &p) != nil {
			return
		}
		l, err := ports.NewLate(p)
		if err != nil {
			return
		}
		if err := p.Differ(ports.PropertiesOf(l)); err != nil {
			t.Error(err)
		}
		if rss := l.RSS(); rss != nil && rss.Queue(0xffffffff) >= l.Queues() {
			t.Error("a queue that the port does not have")
		}
	})
}
