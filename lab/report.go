package lab

import "fmt"

// Report is the director's report at its end. Counts are packets unless named otherwise.
type Report struct {
	Received    uint64            `json:"received"`
	Originated  uint64            `json:"originated"`
	Transmitted uint64            `json:"transmitted"`
	Consumed    uint64            `json:"consumed"`
	ToHost      uint64            `json:"to_host"`
	FromHost    uint64            `json:"from_host"`
	Held        uint64            `json:"held"`
	Drops       map[string]uint64 `json:"drops"`  // by reason
	Routed      uint64            `json:"routed"` // of nat real servers, without a session
	Ports       []PortReport      `json:"ports"`
	Services    []ServiceReport   `json:"services"`
	Workers     []WorkerReport    `json:"workers"`
	Kept        KeptReport        `json:"kept"`
}

// KeptReport says what became of the sessions of the director before, if the lab keeps them.
type KeptReport struct {
	Found  int   `json:"found"`
	Kept   int   `json:"kept"`
	DarkMs int64 `json:"dark_ms"` // without a director
}

// WorkerReport counts the packets of one worker.
type WorkerReport struct {
	Transmitted   uint64   `json:"transmitted"`
	TakenOver     uint64   `json:"taken_over"`
	HandedOver    []uint64 `json:"handed_over"` // by worker
	LongestTurnUs int64    `json:"longest_turn_us"`
}

// PortReport counts the packets of one port.
type PortReport struct {
	Name        string `json:"name"`
	Received    uint64 `json:"received"`
	Transmitted uint64 `json:"transmitted"`
	// PartialChecksums and Oversized count packets whose senders left work to a network card.
	PartialChecksums uint64 `json:"partial_checksums"`
	Oversized        uint64 `json:"oversized"`
}

// Traffic counts sessions, packets and bytes of a service or a real server: In from clients, Out
// from real servers.
type Traffic struct {
	Connections uint64 `json:"connections"`
	InPackets   uint64 `json:"in_packets"`
	InBytes     uint64 `json:"in_bytes"`
	OutPackets  uint64 `json:"out_packets"`
	OutBytes    uint64 `json:"out_bytes"`
}

// ServiceReport describes one virtual service and counts its sessions, packets and bytes.
type ServiceReport struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Mode     string `json:"mode"`
	Traffic
	RealServers []RealServerReport `json:"real_servers"`
}

// RealServerReport is the part of one real server in a service.
type RealServerReport struct {
	Address string `json:"address"`
	State   string `json:"state"` // such as "up"
	Traffic
}

// Dropped returns the sum over all reasons.
func (r *Report) Dropped() uint64 {
	var sum uint64
	for _, n := range r.Drops {
		sum += n
	}
	return sum
}

// Conserved checks the conservation law: received + originated + from host = transmitted +
// consumed + to host + drops + held.
func (r *Report) Conserved() error {
	in := r.Received + r.Originated + r.FromHost
	out := r.Transmitted + r.Consumed + r.ToHost + r.Dropped() + r.Held
	if in == out {
		return nil
	}
	return fmt.Errorf("packets vanished: received %d + originated %d + from host %d = %d, but transmitted %d + consumed %d + to host %d + dropped %d + held %d = %d",
		r.Received, r.Originated, r.FromHost, in,
		r.Transmitted, r.Consumed, r.ToHost, r.Dropped(), r.Held, out)
}

// OutPackets returns the number of responses that passed the director, over all services.
func (r *Report) OutPackets() uint64 {
	var sum uint64
	for _, s := range r.Services {
		sum += s.OutPackets
	}
	return sum
}
