package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"fulcrum/modes"
)

// TestMailIsAnsweredPieceByPiece: a worker does one piece of a letter a turn until it is done, and
// then takes the next letter.
func TestMailIsAnsweredPieceByPiece(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)))
	for range 2 {
		pieces, answered := 0, make(chan error)
		go func() {
			answered <- b.engine.ask(t.Context(), 0,
				func(*Worker) bool { pieces++; return pieces == 3 })
		}()
		turns := 0
		for b.worker.mail.letter.Load() == nil {
			time.Sleep(time.Millisecond)
		}
		for b.worker.mail.letter.Load() != nil {
			b.turnAll()
			turns++
		}
		if err := <-answered; err != nil || turns != 3 || pieces != 3 {
			t.Fatalf("%v, %d pieces in %d turns", err, pieces, turns)
		}
	}
}

// TestNobodyWaitsForAStuckWorker: control gives up at its deadline, and its letter is not done
// afterwards.
func TestNobodyWaitsForAStuckWorker(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	never := func(*Worker) bool { t.Error("asked after the deadline"); return true }
	for range 2 { // the second sender finds the letter of the first
		if err := b.engine.ask(ctx, 0, never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want a deadline exceeded", err)
		}
	}
	b.turn()
	if b.worker.mail.letter.Load() != nil {
		t.Error("the letter is still there")
	}
}
