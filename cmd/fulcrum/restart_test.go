package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"fulcrum/lab"
)

// TestSessionsSurvive: established connections and flows of datagrams go on over a director that is
// killed and one that is stopped, in all modes, families, and with one worker and with two. No
// client sees a reset or an error, and each stays with its real server.
func TestSessionsSurvive(t *testing.T) {
	for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
		for _, mode := range lab.Modes() {
			for workers := 1; workers <= 2; workers++ {
				t.Run(fmt.Sprintf("%s/%s/%d", family, mode, workers), func(t *testing.T) {
					t.Parallel()
					b := newBed(t, lab.Config{
						Mode: mode, Family: family, Workers: workers, Arms: 1 + workers%2, KeepSessions: true,
					})
					clients := b.longLived(6)
					clients.goOn("at first")
					for name, end := range map[string]func(){
						"killed": func() {
							if err := b.KillDirector(); err != nil {
								t.Fatal(err)
							}
						},
						"stopped": func() { b.stopDirector() },
					} {
						await := clients.begin(name)
						end()
						b.startDirector()
						await()
						clients.goOn(name + ", again")
						b.keptAll(12)
					}
					same(t, "answers", len(b.get(6)), 6)
					b.stopDirector()
				})
			}
		}
	}
}

// keptAll expects in the log of a director that it has all sessions of the one before.
func (b *bed) keptAll(least int) {
	b.t.Helper()
	kept, found := 0, 0
	log := b.Log("director")
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, `msg="kept `); ok {
			fmt.Sscanf(rest, "%d of %d sessions", &kept, &found)
		}
	}
	if kept < least || kept != found {
		b.t.Errorf("kept %d of %d sessions, want all, and %d or more", kept, found, least)
	}
}

// longLived are connections and flows that must not end.
type longLived struct {
	b   *bed
	all []*lab.LongLived
	was []lab.Answer
}

// longLived makes n connections and n flows.
func (b *bed) longLived(n int) *longLived {
	b.t.Helper()
	c := b.client(lab.ClientConfig{Patience: 2 * patience})
	l := &longLived{b: b}
	for range n {
		for _, open := range []func() (*lab.LongLived, error){
			func() (*lab.LongLived, error) { return c.Connect(b.t.Context()) },
			func() (*lab.LongLived, error) { return c.Flow(b.t.Context()) },
		} {
			one, err := open()
			if err != nil {
				b.t.Fatal(err)
			}
			b.t.Cleanup(one.Close)
			l.all = append(l.all, one)
		}
	}
	l.was = make([]lab.Answer, len(l.all))
	return l
}

// begin has all ask, and returns what waits for their answers.
func (l *longLived) begin(when string) (await func()) {
	var asking sync.WaitGroup
	for i, one := range l.all {
		asking.Go(func() {
			a, err := one.Ask()
			if err != nil {
				l.b.t.Errorf("%s: %v", when, err)
			} else if l.was[i].Name != "" && (a.Name != l.was[i].Name || a.Client != l.was[i].Client) {
				l.b.t.Errorf("%s: %s as %v answers, before %s as %v", when, a.Name, a.Client, l.was[i].Name,
					l.was[i].Client)
			}
			l.was[i] = a
		})
	}
	return asking.Wait
}

func (l *longLived) goOn(when string) { l.begin(when)() }
