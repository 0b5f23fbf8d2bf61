package bench

import "fulcrum/packet"

// source decides which flow sends which step next.
type source struct {
	steps   []packet.TCPFlags
	fresh   bool
	order   shuffle
	n       uint32
	next    uint32 // flow, or place in the order
	step    int    // of the next packet, where a flow has several
	spacing uint32 // flows between one step of a flow and its next
	// begun is the number of flows that have begun, up to the spacing of all steps.
	begun uint32
}

// longestSpacing keeps a flow's steps apart by more packets than the rings between generator and
// director hold. So one step has arrived before the next is sent.
const longestSpacing = 4096

func newSource(k Kind, flows uint32) source {
	steps := kinds[k].run
	return source{
		steps: steps, fresh: kinds[k].fresh, order: newShuffle(flows), n: flows,
		spacing: min(longestSpacing, flows/uint32(len(steps))),
	}
}

// take returns the flow and the step of the next packet. A flow's later steps come once enough
// flows have begun after it.
func (s *source) take() (flow uint32, step packet.TCPFlags) {
	if !s.fresh {
		flow = s.order.at(s.next)
		s.advance()
		return flow, s.steps[0]
	}
	if uint32(s.step)*s.spacing > s.begun {
		s.advance()
	}
	flow, step = s.before(uint32(s.step)*s.spacing), s.steps[s.step]
	if s.step++; s.step == len(s.steps) {
		s.advance()
	}
	return flow, step
}

func (s *source) advance() {
	s.step = 0
	s.begun = min(s.begun+1, uint32(len(s.steps))*s.spacing)
	if s.next++; s.next == s.n {
		s.next = 0
	}
}

// before returns the flow that many flows before the next.
func (s *source) before(by uint32) uint32 {
	if by <= s.next {
		return s.next - by
	}
	return s.n - (by - s.next)
}
