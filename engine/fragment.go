package engine

import "fulcrum/ports"

// fragment takes a fragment.
func (w *Worker) fragment(p *ports.Packet, m *meta) Verdict { return DropFragment }
