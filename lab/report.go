package lab

import "fmt"

// Report is what the director says about its run when it ends; counts are packets unless named otherwise.
type Report struct {
	Received    uint64            `json:"received"`
	Originated  uint64            `json:"originated"`
	Transmitted uint64            `json:"transmitted"`
	Consumed    uint64            `json:"consumed"`
	Held        uint64            `json:"held"`
	Drops       map[string]uint64 `json:"drops"` // by reason
	Ports       []PortReport      `json:"ports"`
	Services    []ServiceReport   `json:"services"`
	Workers     []WorkerReport    `json:"workers"`
}

// WorkerReport is one worker's part.
type WorkerReport struct {
	Transmitted uint64   `json:"transmitted"`
	TakenOver   uint64   `json:"taken_over"`
	HandedOver  []uint64 `json:"handed_over"` // by worker
}

// PortReport is one port's part.
type PortReport struct {
	Name        string `json:"name"`
	Received    uint64 `json:"received"`
	Transmitted uint64 `json:"transmitted"`
}

// Traffic is counted for services and real servers: in from the client, out from the real server.
type Traffic struct {
	Connections uint64 `json:"connections"`
	InPackets   uint64 `json:"in_packets"`
	InBytes     uint64 `json:"in_bytes"`
	OutPackets  uint64 `json:"out_packets"`
	OutBytes    uint64 `json:"out_bytes"`
}

// ServiceReport is one virtual service's part.
type ServiceReport struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Mode     string `json:"mode"`
	Traffic
	RealServers []RealServerReport `json:"real_servers"`
}

// RealServerReport is one real server's part of a service.
type RealServerReport struct {
	Address string `json:"address"`
	Traffic
}

// Dropped is the sum over all reasons.
func (r *Report) Dropped() uint64 {
	var sum uint64
	for _, n := range r.Drops {
		sum += n
	}
	return sum
}

// Conserved checks the law that every packet has a name: received + originated = transmitted + consumed + drops + held.
func (r *Report) Conserved() error {
	in, out := r.Received+r.Originated, r.Transmitted+r.Consumed+r.Dropped()+r.Held
	if in == out {
		return nil
	}
	return fmt.Errorf("packets vanished: received %d + originated %d = %d, but transmitted %d + consumed %d + dropped %d + held %d = %d",
		r.Received, r.Originated, in, r.Transmitted, r.Consumed, r.Dropped(), r.Held, out)
}

// OutPackets counts responses that passed the director, over all services.
func (r *Report) OutPackets() uint64 {
	var sum uint64
	for _, s := range r.Services {
		sum += s.OutPackets
	}
	return sum
}
