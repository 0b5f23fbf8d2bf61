package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock reads CLOCK_BOOTTIME in milliseconds at the price of a monotonic reading, which needs no system call: it asks
// the kernel for the difference of the two only now and then, since they part only while the machine sleeps. It never
// goes backwards: those who compare its readings would take that for 49 days.
type Clock struct {
	base   time.Time
	offset time.Duration // boot time at base, at most
	synced time.Duration // since base
	read   time.Duration // since base
}

const (
	clockSync = time.Second
	// clockSlept is how much boot time must have gained before it is believed that the machine slept: less is the time
	// that asking took.
	clockSlept = 50 * time.Millisecond
)

// NewClock starts a clock.
func NewClock() *Clock {
	c := &Clock{base: time.Now()}
	c.sync()
	return c
}

// sync takes the kernel's word if the machine has slept. Since the monotonic clock is read after boot time, the offset
// is never too large, and it never shrinks.
func (c *Clock) sync() {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	c.synced = time.Since(c.base)
	if offset := time.Duration(ts.Nano()) - c.synced; err == nil && offset > c.offset+clockSlept {
		c.offset = offset
	}
}

// Now returns the time in milliseconds, modulo 2^32.
func (c *Clock) Now() uint32 {
	c.read = time.Since(c.base)
	if c.read-c.synced > clockSync {
		c.sync()
	}
	return uint32((c.offset + c.read) / time.Millisecond)
}
