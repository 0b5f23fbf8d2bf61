package lab

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fulcrum/lvs"
)

// transferDeadline is far longer than any transfer of a trial takes.
const transferDeadline = 30 * time.Second

// Result is the outcome of a Trial.
type Result struct {
	Mode             lvs.Mode           // of the lab
	Requests, Echoes Tally              // of HTTP and of UDP
	Upload, Download Transfer           // the zero Transfer if they were not tried
	Spread           map[string]int     // answered requests by real server
	Seen             map[netip.Addr]int // answered requests by the client address the real server saw
	Report           *Report            // nil if the director gave none
	// Failures says in a sentence each what failed. The trial is green if there are none.
	Failures []string
	// DirectorLog is the end of the director's log if there were failures.
	DirectorLog string
	// Kept is the id of the lab if it was left standing. Web is the address where it then serves HTTP.
	Kept string
	Web  netip.AddrPort
}

// Green reports whether nothing failed.
func (r *Result) Green() bool { return len(r.Failures) == 0 }

func (r *Result) fail(err error) {
	if err != nil {
		r.Failures = append(r.Failures, err.Error())
	}
}

func (r *Result) failf(format string, values ...any) { r.fail(fmt.Errorf(format, values...)) }

// Tally counts requests sent and requests answered.
type Tally struct {
	OK, Sent int   // answered, sent
	First    error // the first failure
}

// begin counts one more as sent. It returns false if there were n already or one failed.
func (t *Tally) begin(n int) bool {
	if t.Sent == n || t.First != nil {
		return false
	}
	t.Sent++
	return true
}

func (t *Tally) count(err error) bool {
	if err == nil {
		t.OK++
	}
	t.First = cmp.Or(t.First, err)
	return err == nil
}

// String returns the answered and the sent requests, such as "299/300".
func (t Tally) String() string { return fmt.Sprintf("%d/%d", t.OK, t.Sent) }

// String returns the rate of a verified transfer, or what went wrong.
func (t Transfer) String() string {
	switch {
	case t.Took == 0:
		return "none"
	case !t.Verified:
		return "checksum differs"
	default:
		return fmt.Sprintf("%.0f MB/s verified", t.Rate())
	}
}

// judge compares what was seen with what the mode promises.
func (r *Result) judge(l *Lab) {
	r.judgeTally("HTTP requests", r.Requests)
	r.judgeTally("UDP echoes", r.Echoes)
	r.judgeTransfer("upload", r.Upload)
	r.judgeTransfer("download", r.Download)
	r.judgeSpread(l)
	r.judgeSeen(l)
	r.judgeWay()
	r.fail(r.Report.Conserved())
}

func (r *Result) judgeTally(what string, t Tally) {
	if t.OK != t.Sent {
		r.failf("%d of %d %s were not answered; the first: %w", t.Sent-t.OK, t.Sent, what, t.First)
	}
}

func (r *Result) judgeTransfer(what string, t Transfer) {
	if t.Took != 0 && !t.Verified { // a failed transfer has been reported
		r.failf("the %s of %d bytes does not have the sender's checksum", what, t.Bytes)
	}
}

// judgeSpread expects exact shares from the round-robin schedulers. The others go by load, which
// differs from run to run.
func (r *Result) judgeSpread(l *Lab) {
	weights := l.config.Weights
	if !l.config.Scheduler.Turns() {
		return
	}
	if !l.config.Scheduler.Weighted() {
		weights = slices.Repeat([]int{1}, len(weights))
	}
	sum := sum(weights)
	for i, rs := range l.plan.realServers {
		want, got := r.Requests.Sent*weights[i]/sum, r.Spread[rs.Name]
		if want != got {
			r.failf("%s answered %d requests, but %s gives it %d", rs.Name, got, l.config.Scheduler, want)
		}
	}
}

func sum(list []int) (n int) {
	for _, v := range list {
		n += v
	}
	return n
}

func (r *Result) judgeSeen(l *Lab) {
	right, name := l.plan.clients, "client"
	if l.config.Mode.Source() == lvs.Local {
		right, name = l.plan.local, "local"
	}
	for address := range r.Seen {
		if !slices.Contains(right, address) {
			r.failf("a real server saw requests from %s, not from a %s address", address, name)
		}
	}
}

func (r *Result) judgeWay() {
	passed := r.Report.OutPackets()
	switch {
	case r.Mode.TwoWay() && passed == 0:
		r.failf("no response passed the director, although it does in mode %s", r.Mode)
	case !r.Mode.TwoWay() && passed != 0:
		r.failf("%d response packets passed the director, although they go straight in mode %s",
			passed, r.Mode)
	}
}

// names returns the real servers that answered in their order: their names end with a number.
func (r *Result) names() []string {
	return slices.SortedFunc(maps.Keys(r.Spread), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// spread returns the shares in the order of the real servers.
func (r *Result) spread() string {
	var shares []string
	for _, name := range r.names() {
		shares = append(shares, fmt.Sprint(r.Spread[name]))
	}
	return strings.Join(shares, "/")
}

// seen returns the lowest address and how many more there are.
func (r *Result) seen() string {
	list := slices.SortedFunc(maps.Keys(r.Seen), netip.Addr.Compare)
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0].String()
	default:
		return fmt.Sprintf("%s +%d", list[0], len(list)-1)
	}
}

// way returns the way that responses took.
func (r *Result) way() string {
	switch {
	case r.Report == nil:
		return ""
	case r.Report.OutPackets() == 0:
		return "straight"
	default:
		return fmt.Sprintf("director (%d)", r.Report.OutPackets())
	}
}

func (r *Result) drops() string {
	if r.Report == nil {
		return ""
	}
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(r.Report.Drops)) {
		if n := r.Report.Drops[reason]; n != 0 {
			list = append(list, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

func (r *Result) conserved() string {
	switch {
	case r.Report == nil:
		return ""
	case r.Report.Conserved() != nil:
		return "broken"
	default:
		return "ok"
	}
}
