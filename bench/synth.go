package bench

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// synthSource is the library that makes packets inside the subject's process.
//
//go:embed synth/synth.c
var synthSource []byte

// buildSynth compiles the library into a folder. It is not part of the program, so that a director
// has nothing of it.
func buildSynth(folder string) (library string, err error) {
	source := filepath.Join(folder, "synth.c")
	if err := os.WriteFile(source, synthSource, 0o600); err != nil {
		return "", fmt.Errorf("write the library that makes packets: %w", err)
	}
	library = filepath.Join(folder, "libsynth.so")
	// The functions of DPDK that it calls are those of the process that loads it.
	c := exec.Command("sh", "-c", `exec ${CC:-cc} $(pkg-config --cflags libdpdk) -std=gnu11 -O3 `+
		`-Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared -o "$1" "$2"`, "sh", library, source)
	if said, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the library that makes packets: %w; it needs Debian's packages gcc, pkgconf and libdpdk-dev:\n%s", err, said)
	}
	return library, nil
}

// Places in an order, as struct order of synth.c has them, after the bytes of the frame.
const (
	madeAt     = 256
	madeStep   = 128 // from one queue's count to the next
	mostQueues = 4
	orderSize  = madeAt + mostQueues*madeStep
)

// order is a file that tells the library which packets to make, and in which it counts them.
type order struct{ mapped []byte }

// newOrder writes the order for a case.
func newOrder(file string, c Case) (*order, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write the order for packets: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(encodeOrder(c)); err != nil {
		return nil, fmt.Errorf("write the order for packets: %w", err)
	}
	o := new(order)
	o.mapped, err = unix.Mmap(int(f.Fd()), 0, orderSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the order for packets: %w", err)
	}
	return o, nil
}

// encodeOrder returns the bytes of an order, with a queue for each worker. New flows come one after
// the other, and none comes again while its session exists.
func encodeOrder(c Case) []byte {
	p := newPattern(c.Six, subjectMAC)
	flows, visit := uint32(newFlows/c.workers()), shuffle{}
	if !c.Fresh {
		flows = uint32(c.Sessions / c.workers())
		visit = newShuffle(flows)
	}
	b := append(make([]byte, 0, orderSize), p.bytes[:]...)
	for _, n := range []uint32{
		uint32(p.length), p.first, uint32(p.address), uint32(p.ipSum), uint32(p.port), uint32(p.sum),
		clientHosts, firstClientPort, flows, visit.mask, uint32(visit.half), uint32(c.workers()),
	} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b[:orderSize]
}

// made returns how many packets have been made. One aligned load for each queue reads what another
// process writes.
func (o *order) made() (n uint64) {
	for at := madeAt; at < orderSize; at += madeStep {
		n += binary.LittleEndian.Uint64(o.mapped[at:])
	}
	return n
}

func (o *order) close() error { return unix.Munmap(o.mapped) }

// rate waits until so many packets have been made and a time of warming up has passed. It returns
// how many packets the subject then takes in a second of CPU time: other programs on its CPU take
// caches away from it, but no time. All its threads but the workers sleep.
func (o *order) rate(
	ctx context.Context, p *process, first uint64, warmup, duration time.Duration,
) (float64, error) {
	err := p.await(ctx, "it had forwarded its first packets", readyDeadline,
		func() bool { return o.made() >= first })
	if err == nil {
		err = p.lasts(ctx, warmup)
	}
	if err != nil {
		return 0, err
	}
	began, err := p.cpuTime()
	before := o.made()
	if err == nil {
		err = p.lasts(ctx, duration)
	}
	if err != nil {
		return 0, err
	}
	ended, err := p.cpuTime()
	return float64(o.made()-before) / (ended - began).Seconds(), err
}

// cpuTime returns the CPU time of the process, of all its threads.
func (p *process) cpuTime() (time.Duration, error) {
	const clock = 2 // of what the scheduler counts: CPUCLOCK_SCHED of linux/posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid()<<3|clock), &t); err != nil {
		return 0, fmt.Errorf("read the CPU time of %s: %w", p.name, err)
	}
	return time.Duration(t.Nano()), nil
}

// lasts waits while the process runs.
func (p *process) lasts(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	return p.await(ctx, "its time was over", d+readyDeadline, func() bool {
		return !time.Now().Before(end)
	})
}
