package health

// Member is a real server of a service as its choice sees it.
type Member struct {
	Weight int  // the operator's
	Up     bool // by its checks
}

// Quorum says how many of a service's real servers must be up, by the sum of their weights.
type Quorum struct{ Need, Hysteresis int }

// Holds reports whether the quorum is there, if it was there before or not. As in keepalived it is
// lost below Need - Hysteresis, and regained at Need + Hysteresis.
func (q Quorum) Holds(weight int, held bool) bool {
	if held {
		return weight >= q.Need-q.Hysteresis
	}
	return weight >= q.Need+q.Hysteresis
}

// Choice says who gets a service's new sessions.
type Choice uint8

// The choices.
const (
	Healthy Choice = iota // the real servers that are up
	Sorry                 // the sorry servers, since the quorum is lost
	Panic                 // all real servers, up or not, since too few are up
)

// Policy is what a service does when real servers are down.
type Policy struct {
	Quorum Quorum
	Sorry  bool // it has sorry servers
	Panic  int  // percent of its real servers; below that all of them are used. 0: never
}

// Choose returns who gets new sessions, and whether the quorum holds. held says whether it did
// before. Real servers of weight 0 count for nothing.
func (p *Policy) Choose(members []Member, held bool) (c Choice, holds bool) {
	weight, up, all := 0, 0, 0
	for _, m := range members {
		if m.Weight == 0 {
			continue
		}
		all++
		if m.Up {
			weight += m.Weight
			up++
		}
	}
	holds = p.Quorum.Holds(weight, held)
	switch {
	case !holds && p.Sorry:
		return Sorry, false
	case up*100 < p.Panic*all:
		return Panic, holds
	}
	return Healthy, holds
}
