package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock reads CLOCK_BOOTTIME in milliseconds at the price of a monotonic reading, which needs no
// system call. It asks the kernel for the difference of the two clocks only now and then, since
// they part only while the machine sleeps. Clock never goes backwards: to a caller that compares
// readings, a step back would look like 49 days.
type Clock struct {
	base   time.Time
	offset time.Duration // boot time at base, at most
	synced time.Duration // time since base at the last question to the kernel
	read   time.Duration // time since base at the last reading
}

const (
	clockSync = time.Second
	// clockSlept is how much boot time must gain before Clock assumes that the machine slept. A
	// smaller gain is the time that the question took.
	clockSlept = 50 * time.Millisecond
)

// NewClock starts a clock. One goroutine uses it.
func NewClock() *Clock {
	c := &Clock{base: time.Now()}
	c.sync()
	return c
}

// sync adopts the kernel's offset if the machine has slept. The monotonic clock is read after boot
// time, so that the offset is never too large. It never shrinks.
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
