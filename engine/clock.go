package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock reads CLOCK_BOOTTIME in milliseconds at the price of a monotonic reading, which needs no system call: it asks
// the kernel for the difference of the two only now and then, since they part only while the machine sleeps.
type Clock struct {
	base   time.Time
	offset time.Duration // boot time at base
	synced time.Duration // since base
}

const clockSync = time.Second

// NewClock starts a clock.
func NewClock() *Clock {
	c := &Clock{base: time.Now()}
	c.sync(0)
	return c
}

func (c *Clock) sync(elapsed time.Duration) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) == nil {
		c.offset = time.Duration(ts.Nano()) - elapsed
	}
	c.synced = elapsed
}

// Now returns the time in milliseconds, modulo 2^32.
func (c *Clock) Now() uint32 {
	elapsed := time.Since(c.base)
	if elapsed-c.synced > clockSync {
		c.sync(elapsed)
	}
	return uint32((c.offset + elapsed) / time.Millisecond)
}
