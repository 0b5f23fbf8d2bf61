package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"

	"fulcrum/lab"
)

// bed is a lab whose director is this program. The end of the test removes it. TestMain checks that
// no lab leaves anything behind, because by then the next test may have a lab of the same id.
type bed struct {
	*lab.Lab
	t      *testing.T
	config lab.Config
}

// newBed builds a lab and starts its director.
func newBed(t *testing.T, c lab.Config) *bed {
	t.Helper()
	needRoot(t)
	needTime(t)
	c.Binary = ownBinary(t)
	l, err := lab.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{l, t, c}
	t.Cleanup(b.remove)
	b.startDirector()
	return b
}

func (b *bed) remove() {
	if b.t.Failed() {
		b.t.Logf("the director's log:\n%s", b.Log("director"))
	}
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bed) startDirector() {
	b.t.Helper()
	// Not the test's context, which ends before its cleanup.
	if err := b.StartDirector(context.Background()); err != nil {
		b.t.Fatal(err)
	}
}

// stopDirector stops the director and returns its report, which accounts for every packet.
func (b *bed) stopDirector() *lab.Report {
	b.t.Helper()
	r, err := b.StopDirector()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := r.Conserved(); err != nil {
		b.t.Error(err)
	}
	if r.Held != 0 {
		b.t.Errorf("%d packets are held by a director that has stopped", r.Held)
	}
	return r
}

// client returns a client that is closed when the test ends.
func (b *bed) client(c lab.ClientConfig) *lab.Client {
	client := b.NewClient(c)
	b.t.Cleanup(client.Close)
	return client
}

// get sends n requests, several at a time, each on a new connection. All must be answered.
func (b *bed) get(n int) []lab.Answer {
	b.t.Helper()
	return b.ask(n, b.client(lab.ClientConfig{}).Get)
}

// echo sends n datagrams, each from a new socket; all must come back.
func (b *bed) echo(n int) []lab.Answer {
	b.t.Helper()
	client := b.client(lab.ClientConfig{})
	return b.ask(n, func(ctx context.Context) (lab.Answer, error) {
		a, err := client.Echo(ctx, []byte("are you there?"))
		if err == nil && string(a.Payload) != "are you there?" {
			err = fmt.Errorf("%s echoed %q", a.Name, a.Payload)
		}
		return a, err
	})
}

// askers is the number of requests at a time.
const askers = 8

func (b *bed) ask(n int, one func(context.Context) (lab.Answer, error)) []lab.Answer {
	b.t.Helper()
	answers, failures := make([]lab.Answer, n), make([]error, n)
	turn := make(chan int)
	var group sync.WaitGroup
	for range askers {
		group.Go(func() {
			for i := range turn {
				answers[i], failures[i] = one(b.t.Context())
			}
		})
	}
	for i := range n {
		turn <- i
	}
	close(turn)
	group.Wait()
	b.noFailure(failures)
	return answers
}

func (b *bed) noFailure(failures []error) {
	b.t.Helper()
	count, first := 0, error(nil)
	for _, err := range failures {
		if err != nil {
			count++
			first = errors.Join(first, err)
		}
	}
	if count > 0 {
		b.t.Fatalf("%d of %d were not answered: %v", count, len(failures), first)
	}
}

// spread returns the number of answers of each real server.
func spread(answers []lab.Answer) [3]int {
	var n [3]int
	for _, a := range answers {
		n[strings.Index("123", strings.TrimPrefix(a.Name, "rs"))]++
	}
	return n
}

// share returns the number of n sessions that round robin with these weights gives each real
// server.
func share(n int, weights [3]int) [3]int {
	unit := n / (weights[0] + weights[1] + weights[2])
	return [3]int{unit * weights[0], unit * weights[1], unit * weights[2]}
}

// same fails when two values differ.
func same[V any](t *testing.T, what string, got, want V) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// inside runs a function in the namespace of one of the lab's roles. Its thread ends with it, so
// that no other code runs in that namespace.
func (b *bed) inside(role string, do func() error) {
	b.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- enter("fulcrum-"+b.ID()+"-"+role, do)
	}()
	if err := <-done; err != nil {
		b.t.Fatalf("in the namespace of %s: %v", role, err)
	}
}

func enter(name string, do func() error) error {
	handle, err := netns.GetFromName(name)
	if err != nil {
		return err
	}
	defer handle.Close()
	if err := netns.Set(handle); err != nil {
		return err
	}
	return do()
}

// directorFile returns the configuration file of the lab's director.
func (b *bed) directorFile() string {
	b.t.Helper()
	file, err := b.DirectorFile()
	if err != nil {
		b.t.Fatal(err)
	}
	return file
}

// second starts another director in the director's namespace.
func (b *bed) second(arguments ...string) *program {
	b.t.Helper()
	p := newProgram(b.t, arguments...)
	b.inside("director", func() error { return p.command.Start() })
	return p.adopt()
}
