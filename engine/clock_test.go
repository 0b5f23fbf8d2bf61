package engine

import (
	"testing"
	"time"
)

// TestClockNeverGoesBack asks for the kernel's time as often as a day of running would.
func TestClockNeverGoesBack(t *testing.T) {
	c := NewClock()
	last := c.Now()
	for range 200_000 {
		c.sync()
		now := c.Now()
		if int32(now-last) < 0 {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}

// TestClockNoticesSleep: Clock catches up with boot time that has gained on the monotonic clock.
func TestClockNoticesSleep(t *testing.T) {
	c := NewClock()
	c.offset -= time.Hour
	before := c.Now()
	c.sync()
	if gained := int32(c.Now() - before); gained < 3_599_000 {
		t.Errorf("gained %d ms of an hour", gained)
	}
}
