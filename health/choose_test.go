package health

import "testing"

func TestQuorum(t *testing.T) {
	q := Quorum{Need: 4, Hysteresis: 1}
	held := true
	for _, tt := range []struct {
		weight int
		want   bool
	}{{5, true}, {4, true}, {3, true}, {2, false}, {3, false}, {4, false}, {5, true}, {3, true}} {
		if held = q.Holds(tt.weight, held); held != tt.want {
			t.Errorf("weight %d: %v", tt.weight, held)
		}
	}
}

func TestChoose(t *testing.T) {
	up, down, drained := Member{1, true}, Member{1, false}, Member{0, true}
	for _, tt := range []struct {
		policy  Policy
		members []Member
		want    Choice
		holds   bool
	}{
		{Policy{Quorum: Quorum{Need: 1}}, []Member{up, down}, Healthy, true},
		{Policy{Quorum: Quorum{Need: 1}}, []Member{down, down}, Healthy, false},
		{Policy{Quorum: Quorum{Need: 1}, Sorry: true}, []Member{down, down}, Sorry, false},
		{Policy{Quorum: Quorum{Need: 1}, Sorry: true}, []Member{down, drained}, Sorry, false},
		{Policy{Quorum: Quorum{Need: 2}, Sorry: true}, []Member{up, down}, Sorry, false},
		{Policy{Quorum: Quorum{Need: 1}, Sorry: true}, nil, Sorry, false},
		{Policy{Quorum: Quorum{Need: 1}, Panic: 50}, []Member{up, down}, Healthy, true},
		{Policy{Quorum: Quorum{Need: 1}, Panic: 50}, []Member{up, down, down}, Panic, true},
		{Policy{Quorum: Quorum{Need: 1}, Panic: 50}, []Member{up, drained, drained}, Healthy, true},
		{Policy{Quorum: Quorum{Need: 1}, Panic: 50}, []Member{down, down}, Panic, false},
		{Policy{Quorum: Quorum{Need: 1}, Panic: 50, Sorry: true}, []Member{down}, Sorry, false},
	} {
		got, holds := tt.policy.Choose(tt.members, true)
		if got != tt.want || holds != tt.holds {
			t.Errorf("%+v %v: %v, %v", tt.policy, tt.members, got, holds)
		}
	}
}
