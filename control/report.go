package control

import (
	"fmt"
	"io"
	"text/tabwriter"

	"fulcrum/config"
	"fulcrum/engine"
)

// Report is what a director did, as JSON has it. Received + Originated = Transmitted + Consumed + the sum of Drops +
// Held.
type Report struct {
	Received    uint64            `json:"received"`
	Originated  uint64            `json:"originated"`
	Transmitted uint64            `json:"transmitted"`
	Consumed    uint64            `json:"consumed"`
	Held        uint64            `json:"held"`
	Drops       map[string]uint64 `json:"drops"` // by reason; only those that occurred
	Ports       []PortReport      `json:"ports"`
	Services    []ServiceReport   `json:"services"`

	drops []drop // in the order of a packet's way
}

type drop struct {
	reason, meaning string
	packets         uint64
}

// PortReport counts a port's packets.
type PortReport struct {
	Name        string `json:"name"`
	Received    uint64 `json:"received"`
	Transmitted uint64 `json:"transmitted"`
}

// Traffic counts sessions, packets, and bytes of IP packets.
type Traffic struct {
	Connections uint64 `json:"connections"`
	InPackets   uint64 `json:"in_packets"`
	InBytes     uint64 `json:"in_bytes"`
	OutPackets  uint64 `json:"out_packets"`
	OutBytes    uint64 `json:"out_bytes"`
}

// ServiceReport is a service's part.
type ServiceReport struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Mode     string `json:"mode"`
	Traffic
	RealServers []RealServerReport `json:"real_servers"`
}

// RealServerReport is a real server's part.
type RealServerReport struct {
	Address string `json:"address"`
	Weight  int32  `json:"weight"`
	Traffic
}

// NewReport puts the configuration's names to what the engine counted.
func NewReport(c *config.Config, e engine.Report) Report {
	r := Report{
		Received: e.Received, Originated: e.Originated, Transmitted: e.Transmitted, Consumed: e.Consumed, Held: e.Held,
		Drops: map[string]uint64{},
	}
	for v := range engine.NumVerdicts {
		if n := e.Drops[v]; n > 0 {
			r.Drops[v.String()] = n
			r.drops = append(r.drops, drop{v.String(), v.Meaning(), n})
		}
	}
	for i, p := range e.Ports {
		r.Ports = append(r.Ports, PortReport{c.Ports[i].Name, p.Received, p.Transmitted})
	}
	for i, s := range e.Services {
		r.Services = append(r.Services, newServiceReport(&c.Services[i], s))
	}
	return r
}

func newServiceReport(c *config.Service, e engine.ServiceReport) ServiceReport {
	s := ServiceReport{
		Name: c.Name, Address: c.Address.String(), Protocol: c.Protocol, Mode: c.Mode, Traffic: Traffic(e.Traffic),
	}
	for _, rs := range e.RealServers {
		s.RealServers = append(s.RealServers, RealServerReport{rs.Address.String(), rs.Weight, Traffic(rs.Traffic)})
	}
	return s
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "port\treceived\ttransmitted\t\n")
	for _, p := range r.Ports {
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", p.Name, p.Received, p.Transmitted)
	}
	fmt.Fprint(t, "\nservice\tconnections\tin packets\tin bytes\tout packets\tout bytes\t\n")
	for _, s := range r.Services {
		s.write(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.writeAccount(w)
}

func (s *ServiceReport) write(t io.Writer) {
	row := func(name string, c Traffic) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t\n", name, c.Connections, c.InPackets, c.InBytes, c.OutPackets, c.OutBytes)
	}
	row(fmt.Sprintf("%s %s %s %s", s.Name, s.Protocol, s.Address, s.Mode), s.Traffic)
	for _, rs := range s.RealServers {
		row(rs.Address, rs.Traffic)
	}
}

// writeAccount shows where every packet went.
func (r *Report) writeAccount(w io.Writer) error {
	fmt.Fprintf(w, "\nreceived %d + originated %d = transmitted %d + consumed %d + dropped %d + held %d\n",
		r.Received, r.Originated, r.Transmitted, r.Consumed, r.dropped(), r.Held)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range r.drops {
		fmt.Fprintf(t, "  %d\t%s\t%s\n", d.packets, d.reason, d.meaning)
	}
	return t.Flush()
}

func (r *Report) dropped() uint64 {
	var n uint64
	for _, d := range r.drops {
		n += d.packets
	}
	return n
}
