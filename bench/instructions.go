package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// Cost is what a packet costs.
type Cost struct {
	Total float64 `json:"total"` // in the unit of its record
	// Parts are the shares of functions, if they are known. They add up to Total.
	Parts map[string]float64 `json:"parts,omitempty"`
}

// CountInstructions counts the instructions that a packet takes in each case: those of this
// program, the command fulcrum, which it starts to run the director's turns. Two counts of one
// program are equal.
func CountInstructions(ctx context.Context, cases []Case) (map[string]Cost, error) {
	binary, s, err := ownSymbols()
	if err != nil {
		return nil, err
	}
	costs := map[string]Cost{}
	for _, c := range cases {
		t, err := countCase(ctx, binary, s, c)
		if err != nil {
			return nil, fmt.Errorf("count the instructions of %v: %w", c, err)
		}
		costs[c.String()] = t.cost(countedTurns * ports.MaxBurst)
	}
	return costs, nil
}

// caseDeadline is far more than a case takes on a busy machine.
const caseDeadline = 2 * time.Minute

// countCase counts on a thread of its own, which traces the process and ends with it.
func countCase(ctx context.Context, binary string, s symbols, c Case) (*tally, error) {
	t := &tally{symbols: s, by: map[string]uint64{}}
	ctx, cancel := context.WithTimeout(ctx, caseDeadline)
	defer cancel()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- countOnThread(ctx, binary, c, t)
	}()
	return t, <-done
}

func countOnThread(ctx context.Context, binary string, c Case, t *tally) error {
	if err := pinToOne(); err != nil {
		return err
	}
	p := exec.Command(binary, "bench", "turns", "--mode", c.Mode.String(), "--sessions",
		fmt.Sprint(c.Sessions), fmt.Sprintf("--ipv6=%t", c.Six), fmt.Sprintf("--new=%t", c.Fresh))
	// With one P and no timer for preemption, nothing but the turns runs.
	p.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	var log bytes.Buffer
	p.Stdout, p.Stderr = &log, &log
	if err := countTurns(ctx, p, t); err != nil {
		return fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	return nil
}

// pinToOne pins the thread, and the processes that it starts, to one CPU. A step takes a third of
// the time if its two context switches stay there.
func pinToOne() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("read the thread's CPUs: %w", err)
	}
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			set.Zero()
			set.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin the thread to one CPU: %w", err)
	}
	// Ahead of other programs, if root counts: each would make every step wait.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	return nil
}

// WriteTable writes the costs of each case, with its dearest functions.
func (r *Record) WriteTable(w io.Writer, functions int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s/packet\t\n", r.Unit)
	for _, c := range AllCases() {
		cost, measured := r.Costs[c.String()]
		if !measured {
			continue
		}
		fmt.Fprintf(t, "%s\t%.1f\t\n", c, cost.Total)
		for _, name := range cost.dearest(functions) {
			fmt.Fprintf(t, "%s\t%.1f\t\n", name, cost.Parts[name])
		}
	}
	return t.Flush()
}

// dearest returns the functions that cost most, dearest first.
func (c *Cost) dearest(most int) []string {
	names := slices.SortedFunc(maps.Keys(c.Parts), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.Parts[b], c.Parts[a]), cmp.Compare(a, b))
	})
	return names[:min(len(names), most)]
}
