package conntrack

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// run advances the clock by the given ms and calls Expire every ms.
func run(table *Table, now *uint32, ms int) { runEvery(1, table, now, ms) }

// runEvery is run for a worker that calls Expire less often.
func runEvery(step uint32, table *Table, now *uint32, ms int) {
	for end := *now + uint32(ms); *now != end; {
		*now += step
		table.Expire(*now)
	}
}

// clocks are start times of a test: ordinary ones, and times shortly before the ticks or the clock
// wrap or change their sign.
var clocks = []uint32{0, 1, 123_456_789, 1<<25 - 9000, 1<<26 - 9000, 1<<26 - 5000, 1<<26 - 200_000,
	1<<31 - 9000, 1<<32 - 9000, 1<<32 - 1}

// TestExpiryIsPrecise: a session does not end before its timeout, and ends soon after it.
func TestExpiryIsPrecise(t *testing.T) {
	for _, start := range clocks {
		t.Run(fmt.Sprint(start), func(t *testing.T) {
			now, worst := start, int32(0)
			var timeouts Timeouts
			for s := range NumStates {
				timeouts.Set(s, time.Duration(1+int(s)*997)*time.Millisecond)
			}
			table := newTable(t, Config{Max: 1000, Timeouts: timeouts, Ended: func(_ uint32, s *Session) {
				late := int32(now - s.LastSeen - timeouts[s.State])
				worst = max(worst, late)
				if late < 0 || late > lateness {
					t.Errorf("in %v %d ms after its timeout", s.State, late)
				}
			}})
			r := rand.New(rand.NewPCG(1, uint64(start)))
			for i := range 500 {
				slot := mustInsert(t, table, i, now)
				table.SetState(slot, State(r.IntN(int(NumStates))), now)
				run(table, &now, r.IntN(20))
			}
			run(table, &now, 30_000)
			if table.Len() != 0 {
				t.Errorf("%d sessions never end", table.Len())
			}
			t.Logf("at most %d ms late", worst)
		})
	}
}

// TestPacketsKeepASessionAlive: each packet restarts the timeout.
func TestPacketsKeepASessionAlive(t *testing.T) {
	for _, now := range clocks {
		ended := false
		table := newTable(t, Config{Max: 10, Ended: func(uint32, *Session) { ended = true }})
		slot := mustInsert(t, table, 1, now)
		table.SetState(slot, Established, now)
		for range 5 {
			runEvery(50, table, &now, 899_000)
			table.Track(slot, Input, EventAck, now)
		}
		if ended {
			t.Fatal("ended in spite of its packets")
		}
		runEvery(50, table, &now, 900_000+lateness)
		if !ended {
			t.Error("not ended after the last packet")
		}
	}
}

// TestShorterTimeoutIsHonoured: when a change of state shortens the timeout, it counts from the
// packet of the change.
func TestShorterTimeoutIsHonoured(t *testing.T) {
	for _, now := range clocks {
		table := newTable(t, Config{Max: 10})
		slot := mustInsert(t, table, 1, now)
		table.SetState(slot, Established, now)
		run(table, &now, 100_000) // now its tick is that of 900 s
		table.Track(slot, Input, EventRst, now)
		run(table, &now, 9_999)
		if table.Len() != 1 {
			t.Error("CLOSE ended before 10 s")
		}
		run(table, &now, 1+lateness)
		if table.Len() != 0 {
			t.Error("CLOSE did not end after 10 s")
		}
	}
}

// TestOtherTimeouts: existing sessions end by new timeouts, be they shorter or longer than the old.
func TestOtherTimeouts(t *testing.T) {
	for _, now := range clocks {
		for _, established := range []int{90_000, 1_800_000} {
			table := newTable(t, Config{Max: 1000})
			for i := range 500 {
				table.SetState(mustInsert(t, table, i, now), Established, now)
			}
			run(table, &now, 50_000) // all have their ticks now, at 900 s
			timeouts := DefaultTimeouts()
			timeouts.Set(Established, time.Duration(established)*time.Millisecond)
			table.SetTimeouts(timeouts)
			runEvery(50, table, &now, established-50_000-50)
			if n := table.Len(); n != 500 {
				t.Errorf("%d ms: %d sessions before their time", established, n)
			}
			run(table, &now, 50+lateness)
			if n := table.Len(); n != 0 {
				t.Errorf("%d ms: %d sessions after their time", established, n)
			}
		}
	}
}

// TestLongestTimeout: ticks reach 9 hours ahead, timeouts 20 days.
func TestLongestTimeout(t *testing.T) {
	const minute = uint32(60_000)
	timeouts := DefaultTimeouts()
	timeouts.Set(Established, 1000*24*time.Hour)
	now := ^uint32(0) - 100*minute
	table := newTable(t, Config{Max: 10, Timeouts: timeouts})
	table.SetState(mustInsert(t, table, 1, now), Established, now)
	for range 20 * 24 * 60 {
		now += minute
		if table.Len() != 1 {
			t.Fatal("ended early")
		}
		table.Expire(now)
	}
	run(table, &now, lateness)
	if table.Len() != 0 {
		t.Error("not ended after 20 days")
	}
}

// TestClockJumps: after a sleep of the machine, overdue sessions end within one pass, and no
// others.
func TestClockJumps(t *testing.T) {
	for _, hours := range []uint32{1, 5, 9, 10, 13, 18, 19, 27, 36, 37, 24 * 20} {
		timeouts := DefaultTimeouts()
		timeouts.Set(UDP, MaxTimeout)
		table := newTable(t, Config{Max: 100, Timeouts: timeouts})
		now := uint32(1 << 31)
		run(table, &now, 10)
		for i := range 50 {
			slot := mustInsert(t, table, i, now)
			if i%2 == 0 {
				table.SetState(slot, UDP, now)
			}
		}
		now += hours*3_600_000 - 1
		run(table, &now, lateness)
		want := 25
		if hours == 24*20 {
			want = 0
		}
		if table.Len() != want {
			t.Errorf("%d sessions after %d h; want %d", table.Len(), hours, want)
		}
	}
}

// TestExpireIsBounded: one call ends few sessions and passes over few slots; later calls do the
// rest.
func TestExpireIsBounded(t *testing.T) {
	const sessions = 100_000
	inCall, most := 0, 0
	table := newTable(t, Config{Max: sessions, Ended: func(uint32, *Session) { inCall++ }})
	for i := range sessions {
		mustInsert(t, table, i, 0)
	}
	now, calls := uint32(1_000_000), 0
	for table.Len() > 0 {
		inCall = 0
		from := table.sweep.next
		table.Expire(now)
		now++
		calls++
		most = max(most, inCall)
		if passed := (table.sweep.next + sessions - from) % sessions; passed > maxSwept {
			t.Fatalf("%d slots passed in one call", passed)
		}
		if calls > 2*sessions/maxLooked {
			t.Fatalf("%d sessions are left after %d calls", table.Len(), calls)
		}
	}
	if most > maxLooked {
		t.Errorf("%d sessions ended in one call", most)
	}
	t.Logf("%d calls, at most %d sessions in one", calls, most)
}

// TestExpireSaysWhatIsLeft: calls within one millisecond do all that is due, and the last of them
// says so.
func TestExpireSaysWhatIsLeft(t *testing.T) {
	const sessions = 100_000
	table := newTable(t, Config{Max: sessions})
	for i := range sessions {
		mustInsert(t, table, i, 0)
	}
	const now = 1_000_000
	calls := 1
	for ; table.Expire(now); calls++ {
		if calls > 2*sessions/maxLooked {
			t.Fatalf("%d sessions are left after %d calls", table.Len(), calls)
		}
	}
	if table.Len() != 0 || calls < sessions/maxLooked {
		t.Errorf("%d sessions are left after %d calls", table.Len(), calls)
	}
	if table.Expire(now) || table.Expire(now+1) {
		t.Error("something is left of an empty table")
	}
}

// TestNoStarvation: at the table's beginning as many sessions end as one call may end. The session
// in the last slot still gets its turn.
func TestNoStarvation(t *testing.T) {
	const sessions = 20_000
	timeouts := DefaultTimeouts()
	timeouts[None] = 0
	table := newTable(t, Config{Max: sessions, Timeouts: timeouts})
	now := uint32(5000)
	var last uint32
	for i := range sessions {
		last = mustInsert(t, table, i, now)
	}
	table.SetState(last, Close, now) // 10 s
	next := sessions
	for elapsed := range uint32(15_000) {
		now++
		table.Expire(now)
		for table.Len() < table.Cap() && table.At(last).Live() {
			mustInsert(t, table, next, now)
			next++
		}
		if !table.At(last).Live() {
			if elapsed < 9_999 || elapsed > 10_000+2*lateness {
				t.Errorf("ended after %d ms", elapsed)
			}
			t.Logf("ended after %d ms, %d others came and went", elapsed, next-sessions)
			return
		}
	}
	t.Error("the last slot's session never ends")
}

// ownOf returns timeouts of its own for a session whose real server has an odd id.
func ownOf(own *Timeouts) func(*Session) *Timeouts {
	return func(s *Session) *Timeouts {
		if s.Server%2 == 0 {
			return nil
		}
		return own
	}
}

// TestOwnTimeouts: a session ends by its own timeout, be it shorter or longer than the table's, and
// by the table's in states without its own.
func TestOwnTimeouts(t *testing.T) {
	for _, now := range clocks {
		for _, tt := range []struct {
			state State
			own   int // ms
		}{{Close, 3000}, {Close, 30_000}, {None, 5000}, {None, 500}} {
			var own Timeouts
			own[tt.state] = uint32(tt.own)
			table := newTable(t, Config{Max: 10, Own: ownOf(&own)})
			table.OwnTimeoutsChanged()
			slots := map[uint32]int{}
			for i := range 2 {
				slot := mustInsert(t, table, i, now)
				table.At(slot).Server = uint32(i)
				table.SetState(slot, tt.state, now)
				slots[slot] = []int{int(DefaultTimeouts()[tt.state]), tt.own}[i]
			}
			other := mustInsert(t, table, 2, now)
			table.At(other).Server = 1
			table.SetState(other, SynRecv, now)
			slots[other] = 60_000
			for begin := now; now-begin < 65_000; {
				run(table, &now, 1)
				for slot, timeout := range slots {
					after, live := int(now-begin), table.At(slot).Live()
					if live && after > timeout+lateness || !live && after < timeout {
						t.Fatalf("%v, own %d: slot %d live %t after %d ms", tt.state, tt.own, slot, live, after)
					}
				}
			}
		}
	}
}

// TestOtherOwnTimeouts: existing sessions end by new timeouts of their own at once, and by the
// table's when they have none any more.
func TestOtherOwnTimeouts(t *testing.T) {
	now := uint32(0)
	own := Timeouts{}
	table := newTable(t, Config{Max: 100, Own: ownOf(&own)})
	for i := range 60 {
		slot := mustInsert(t, table, i, now)
		table.At(slot).Server = uint32(i)
		table.SetState(slot, Established, now)
	}
	run(table, &now, 50_000) // all have their ticks now, at 900 s
	own[Established] = 100_000
	table.OwnTimeoutsChanged()
	run(table, &now, 10_000)
	own[Established] = 0
	table.OwnTimeoutsChanged()
	run(table, &now, 100_000)
	if n := table.Len(); n != 60 {
		t.Errorf("%d sessions of 60 without own timeouts any more", n)
	}
	own[Established] = 100_000
	table.OwnTimeoutsChanged()
	run(table, &now, lateness)
	if n := table.Len(); n != 30 {
		t.Errorf("%d sessions are left, want the 30 without own timeouts", n)
	}
}
