package sysctl

import (
	"fmt"
	"slices"
	"strings"

	"fulcrum/foreign"
)

// decide finds out what becomes of every line.
func decide(r *foreign.Report, all []*assignment, i *Import) {
	winners := make([]*assignment, len(switches))
	for n := range switches {
		winners[n] = winner(all, switches[n].name)
	}
	taken := map[*assignment][]Line{}
	for n, a := range winners {
		if a != nil && !a.exclude {
			taken[a] = append(taken[a], i.take(r, &switches[n], a))
		}
	}
	for _, a := range all {
		i.Lines = append(i.Lines, lineOf(a, taken[a], winners))
	}
}

// winner returns the line that counts for a switch: the last with its name, or else the last
// pattern unless a line excludes the name. It returns nil if no line is about the switch.
func winner(all []*assignment, name string) (last *assignment) {
	for _, a := range all {
		if a.matches(name) && (last == nil || a.rank() >= last.rank()) {
			last = a
		}
	}
	return last
}

// rank says how much a line counts against others about the same switch.
func (a *assignment) rank() int {
	switch {
	case a.exclude:
		return 1
	case a.glob():
		return 0
	}
	return 2
}

// take takes the value of the line that sets a switch, or says why not.
func (i *Import) take(r *foreign.Report, s *known, a *assignment) Line {
	l := Line{At: a.at, Text: a.text}
	value, ok := a.value, true
	if s.read != nil {
		value, ok = s.read(a.value)
	}
	i.reuse = i.reuse || s.key == "conn_reuse_mode"
	switch {
	case !ok:
		r.Wrong(a.at, "invalid %s %q: write a number that the kernel takes", s.name,
			shortened(a.value))
	case s.key == "":
		l.Fate, l.Why = s.without(value), s.why
	case value == s.usual:
		l.Fate, l.Why = AlreadySo, fmt.Sprintf("session.%s = %s", s.key, value)
	default:
		l.Fate, l.Why = Taken, fmt.Sprintf("session.%s = %s", s.key, value)
		i.keys = append(i.keys, entry{s.key, value, a.at})
	}
	return l
}

// without returns the fate of a value of a switch that has no key.
func (s *known) without(value string) Fate {
	if s.usual != "" && value == s.usual {
		return AlreadySo
	}
	return NoMeaning
}

// lineOf returns a line with its fate: that of the switches that it sets, or why it sets none.
func lineOf(a *assignment, sets []Line, winners []*assignment) Line {
	l := Line{At: a.at, Text: a.text, Fate: NotIPVS, Why: "only net.ipv4.vs is read"}
	if len(sets) > 0 {
		return joined(l, sets)
	}
	for n := range switches {
		if w := winners[n]; a.matches(switches[n].name) {
			l.Fate, l.Why = Replaced, fmt.Sprintf("line %d counts", w.at.Line)
			if a.exclude {
				l.Fate, l.Why = AlreadySo, "patterns do not set it"
			}
			return l
		}
	}
	if strings.HasPrefix(a.name, folder) {
		l.Fate, l.Why = Unknown, "Linux has no such name"
	}
	return l
}

// joined returns a line with the fates of the switches that it sets. The first in the order of
// fates stands for all.
func joined(l Line, sets []Line) Line {
	slices.SortStableFunc(sets, func(a, b Line) int { return int(a.Fate) - int(b.Fate) })
	l.Fate = sets[0].Fate
	var all []string
	for _, s := range sets {
		if s.Fate == l.Fate && !slices.Contains(all, s.Why) {
			all = append(all, s.Why)
		}
	}
	l.Why = strings.Join(all, ", ")
	return l
}
