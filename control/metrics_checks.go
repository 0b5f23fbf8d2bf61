package control

import "fulcrum/health"

// readCheckTimes adds the duration of each real server's latest check.
func readCheckTimes(r *reading, s *series) {
	if r.checks == nil {
		return
	}
	c, k := r.running, r.checks
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range c.Services {
		service := &c.Services[i]
		if !isChecked(service) {
			continue
		}
		for _, rs := range service.RealServers {
			t, _, ok := k.checkOf(service, rs)
			if !ok {
				continue
			}
			if last, known := k.watch.Latest(t.ID); known {
				s.add(last.Latency().Seconds(), labels{service.Name, rs.Address.String()})
			}
		}
	}
}

// eachPool reads who gets the new sessions of each service with checks or sorry servers.
func eachPool(is func(c health.Choice, holds bool) bool) func(*reading, *series) {
	return func(r *reading, s *series) {
		if r.checks == nil {
			return
		}
		r.checks.mu.Lock()
		defer r.checks.mu.Unlock()
		for i := range r.running.Services {
			if service := &r.running.Services[i]; isChecked(service) {
				s.add(truth(is(r.checks.chosen(service))), labels{service.Name})
			}
		}
	}
}

func readCheckCounts(r *reading, s *series) {
	c := r.checkCounts()
	s.add(float64(c.Good), labels{"good"})
	s.add(float64(c.Bad), labels{"bad"})
	s.add(float64(c.Late), labels{"late"})
}

func readDoubts(r *reading, s *series) { s.add(float64(r.checkCounts().Doubts), labels{}) }

func (r *reading) checkCounts() health.Counts {
	if r.checks == nil {
		return health.Counts{}
	}
	r.checks.mu.Lock()
	defer r.checks.mu.Unlock()
	return r.checks.watch.Counts()
}
