package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fulcrum/api"
	"fulcrum/lvs"
	"fulcrum/modes"
)

// emptyTable is a session table that takes next to no memory.
const emptyTable = thousand

// sessionMemory measures the memory of a director's process with this many sessions, less that of a
// process with a tiny table. The difference is the whole cost of sessions, taken at the start or
// later.
func sessionMemory(ctx context.Context, b *Bench, s Scale, k *book) error {
	b.logf("memory")
	empty := map[modes.Mode]int{}
	for _, m := range []modes.Mode{cheapest, dearest} {
		for _, n := range append([]int{emptyTable}, s.Memory...) {
			if m.Source() == lvs.Local && n > serverCount*million {
				continue // too few local addresses and ports for so many
			}
			held, err := b.heldWith(ctx, m, n, k)
			if err != nil {
				return err
			}
			if n == emptyTable {
				empty[m] = held
				continue
			}
			perSession := float64(held-empty[m]) / float64(n)
			k.add(Figure{Subject: m.String(), Name: "memory", Sessions: n, Unit: unitBytes}, perSession)
			b.logf("  %-8s %9d sessions %7.1f bytes each", m, n, perSession)
		}
	}
	return nil
}

// heldWith returns the bytes that a director holds with its table full of sessions.
func (b *Bench) heldWith(ctx context.Context, m modes.Mode, sessions int, k *book) (held int, err error) {
	err = b.measure(ctx, k, director{mode: m, sessions: sessions}, func(d *bed) error {
		r, err := d.trial(ctx, Trial{
			Kind: UDP, Flows: sessions, Size: MinSize, Create: true, Rate: 1,
			Duration: Duration(time.Millisecond),
		})
		if err == nil {
			err = created(r)
		}
		if err == nil {
			held, err = residentBytes(filepath.Join("/proc", strconv.Itoa(d.running.pid()), "status"))
		}
		if err == nil && sessions > emptyTable {
			err = d.list(ctx, sessions, k)
		}
		return err
	})
	return held, err
}

// list measures the time of a listing of all sessions.
func (d *bed) list(ctx context.Context, sessions int, k *book) error {
	began := time.Now()
	listed, err := d.countListed(ctx)
	if err == nil && listed < sessions*99/100 {
		err = errors.New("some are missing")
	}
	if err != nil {
		return fmt.Errorf("list %d sessions: %d were listed: %w", sessions, listed, err)
	}
	took := time.Since(began).Seconds()
	k.add(Figure{Subject: d.subject.name(), Name: "list all", Sessions: sessions, Unit: unitSeconds}, took)
	d.bench.logf("  %-8s %9d sessions listed in %.1f s", d.subject.name(), listed, took)
	return nil
}

// countListed counts the lines of a listing and does nothing else with them, because a client's own
// work does not belong to the figure.
func (d *bed) countListed(ctx context.Context) (lines int, err error) {
	answer, err := api.NewClient(controlSocket(d.link)).Get(ctx, "sessions", nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for buffer := make([]byte, 64<<10); ; {
		n, err := answer.Body.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// residentBytes returns the memory of a process in ordinary and in huge pages. VmRSS does not count
// huge pages.
func residentBytes(status string) (int, error) {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0, fmt.Errorf("read how much memory the director holds: %w", err)
	}
	total := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && (fields[0] == "VmRSS:" || fields[0] == "HugetlbPages:") {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, fmt.Errorf("read how much memory the director holds: %w", err)
			}
			total += kib << 10
		}
	}
	return total, nil
}

// startUp measures the time from a director's start until it is ready, on a device without a peer.
func startUp(ctx context.Context, b *Bench, s Scale, k *book) error {
	b.logf("start-up")
	for range s.Repeats {
		for _, n := range s.StartUp {
			if err := b.startUpWith(ctx, n, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bench) startUpWith(ctx context.Context, sessions int, k *book) error {
	folder, err := makeFolder()
	if err != nil {
		return fmt.Errorf("make a folder for the director: %w", err)
	}
	defer os.RemoveAll(folder)
	began := time.Now()
	subject := director{mode: cheapest, sessions: sessions, device: "net_null0"}
	p, err := subject.start(ctx, b, Link{folder: folder})
	took := time.Since(began).Seconds()
	if stopErr := p.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	k.add(Figure{Subject: cheapest.String(), Name: "start", Sessions: sessions, Unit: unitSeconds}, took)
	b.logf("  %9d sessions %6.2f s", sessions, took)
	return nil
}
