package config

import "fulcrum/lvs"

// checkSlowStart reports a slow start with a scheduler that knows no shares: with addresses that
// decide, or all sessions for one real server.
func (c *checker) checkSlowStart(i int) {
	if s := &c.Services[i]; s.SlowStart != 0 && !s.Scheduler.SlowStarts() {
		c.at("service", i, "slow_start").reportf(
			"leave the key out, or use scheduler "+either(lvs.SchedulersWith(lvs.Scheduler.SlowStarts)),
			"%s gives no real server a part of its share", s.Scheduler)
	}
}
