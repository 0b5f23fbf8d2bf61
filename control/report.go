package control

import (
	"fmt"
	"io"
	"text/tabwriter"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// Report is what a director did, as JSON has it. Received + Originated = Transmitted + Consumed + the sum of Drops +
// Held.
type Report struct {
	Received    uint64            `json:"received"`
	Originated  uint64            `json:"originated"`
	Transmitted uint64            `json:"transmitted"`
	Consumed    uint64            `json:"consumed"`
	Held        uint64            `json:"held"`
	Drops       map[string]uint64 `json:"drops"`   // by reason; only those that occurred
	Evicted     uint64            `json:"evicted"` // half-open sessions that gave way in a full table
	Ports       []PortReport      `json:"ports"`
	Services    []ServiceReport   `json:"services"`
	Workers     []WorkerReport    `json:"workers"`
	Pauses      Pauses            `json:"pauses"`

	drops []drop // in the order of a packet's way
}

type drop struct {
	reason, meaning, remedy string
	packets                 uint64
}

// PortReport counts a port's packets. Missed, NoBuffer and the errors are the device's own counts of what never reached the
// director, or never left after it had been transmitted.
type PortReport struct {
	Name        string `json:"name"`
	Received    uint64 `json:"received"`
	Transmitted uint64 `json:"transmitted"`
	Missed      uint64 `json:"missed"`
	NoBuffer    uint64 `json:"no_buffer"`
	RxErrors    uint64 `json:"rx_errors"`
	TxErrors    uint64 `json:"tx_errors"`
}

// WorkerReport is a worker's part. HandedOver are the packets that it gave to each of the others, in the order of workers,
// because their sessions are there.
type WorkerReport struct {
	CPU         int      `json:"cpu"`
	Received    uint64   `json:"received"`
	Transmitted uint64   `json:"transmitted"`
	Sessions    int      `json:"sessions"`
	TakenOver   uint64   `json:"taken_over"`
	HandedOver  []uint64 `json:"handed_over"`
	BusyMs      int64    `json:"busy_ms"` // in turns that brought packets
	// TurnTimes tells how long the worker's turns took, the shortest first.
	TurnTimes []TurnCount `json:"turn_times"`
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
	Name      string `json:"name"`
	Address   string `json:"address"`
	Protocol  string `json:"protocol"`
	Mode      string `json:"mode"`
	Scheduler string `json:"scheduler"`
	Traffic
	RealServers []RealServerReport `json:"real_servers"`
}

// RealServerReport is a real server's part.
type RealServerReport struct {
	Address  string `json:"address"`
	Weight   int32  `json:"weight"`
	Active   int32  `json:"active"`
	Inactive int32  `json:"inactive"`
	Traffic
}

// NewReport puts the configuration's names to what the engine counted.
func NewReport(c *config.Config, e engine.Report) Report {
	r := Report{
		Received: e.Received, Originated: e.Originated, Transmitted: e.Transmitted, Consumed: e.Consumed, Held: e.Held,
		Drops: map[string]uint64{}, Evicted: e.Evicted, Pauses: readPauses(),
		Services: []ServiceReport{}, // a list in JSON, also without anything in it
	}
	for v := range engine.NumVerdicts {
		if n := e.Drops[v]; n > 0 {
			r.Drops[v.String()] = n
			r.drops = append(r.drops, drop{v.String(), v.Meaning(), v.Remedy(), n})
		}
	}
	for i, p := range e.Ports {
		r.Ports = append(r.Ports, PortReport{
			Name: c.Ports[i].Name, Received: p.Received, Transmitted: p.Transmitted,
			Missed: p.Device.RxMissed, NoBuffer: p.Device.RxNoBuffer, RxErrors: p.Device.RxErrors, TxErrors: p.Device.TxErrors,
		})
	}
	for _, w := range e.Workers {
		r.Workers = append(r.Workers, WorkerReport{
			w.CPU, w.Received, w.Transmitted, w.Sessions, w.TakenOver, w.HandedTo, w.Busy.Milliseconds(), newTurnCounts(w.Times),
		})
	}
	for _, s := range e.Services {
		r.Services = append(r.Services, newServiceReport(s))
	}
	return r
}

// newServiceReport takes names from the engine, whose services may be newer than a configuration.
func newServiceReport(e engine.ServiceReport) ServiceReport {
	s := ServiceReport{
		Name: e.Service.Name, Address: e.Service.Address.String(), Protocol: lvs.Protocol(e.Service.Protocol).String(),
		Mode: e.Service.Mode.String(), Scheduler: e.Service.Scheduler.String(), Traffic: Traffic(e.Traffic), RealServers: []RealServerReport{},
	}
	for _, rs := range e.RealServers {
		s.RealServers = append(s.RealServers, RealServerReport{
			rs.Address.String(), rs.Weight, rs.Active, rs.Inactive, Traffic(rs.Traffic),
		})
	}
	return s
}

// DropList lists the reasons for which packets were dropped, in the order of a packet's way.
func (r *Report) DropList() []Drop {
	list := []Drop{}
	for _, d := range r.drops {
		list = append(list, Drop{d.reason, d.packets, d.meaning, d.remedy})
	}
	return list
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "port\treceived\ttransmitted\tmissed\tno buffer\trx errors\ttx errors\t\n")
	for _, p := range r.Ports {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", p.Name, p.Received, p.Transmitted, p.Missed, p.NoBuffer, p.RxErrors, p.TxErrors)
	}
	fmt.Fprint(t, "\nservice\tconnections\tin packets\tin bytes\tout packets\tout bytes\t\n")
	for _, s := range r.Services {
		s.write(t)
	}
	r.writeWorkers(t)
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

// writeWorkers shows how several workers have shared the work.
func (r *Report) writeWorkers(t io.Writer) {
	if len(r.Workers) < 2 {
		return
	}
	fmt.Fprint(t, "\nworker\tCPU\treceived\ttransmitted\ttaken over\thanded over\t\n")
	for i, w := range r.Workers {
		var handed uint64
		for _, n := range w.HandedOver {
			handed += n
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t\n", i, w.CPU, w.Received, w.Transmitted, w.TakenOver, handed)
	}
}

// writeAccount shows where every packet went.
func (r *Report) writeAccount(w io.Writer) error {
	fmt.Fprintf(w, "\nreceived %d + originated %d = transmitted %d + consumed %d + dropped %d + held %d\n",
		r.Received, r.Originated, r.Transmitted, r.Consumed, r.dropped(), r.Held)
	if r.Evicted > 0 {
		fmt.Fprintf(w, "%d half-open sessions gave way in a full table\n", r.Evicted)
	}
	if r.Pauses.Count > 0 {
		fmt.Fprintf(w, "%d pauses for garbage collection, the longest %.0f µs\n", r.Pauses.Count, r.Pauses.LongestUs)
	}
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
