package control

import "fulcrum/config"

// Kernel is what keeps the host's kernel from answering in the director's place. Running tells it
// of each change, one at a time. Ports may be called by any goroutine.
type Kernel interface {
	// Change is called before the engine takes a change of one service. Either may be nil: the
	// service is added or removed. It hides what next has. The function that it returns is called
	// after the engine has taken the change, or with false if it has not.
	Change(was, next *config.Service) (done func(made bool), err error)
	// Replace is the same for a change of the whole configuration.
	Replace(was, next *config.Config) (done func(made bool), err error)
	// Ports returns what is known, in the order of the configuration's ports.
	Ports() []KernelPort
}

// KernelPort is what the kernel does at the interface of a port. It is zero for a port whose
// packets the kernel does not get.
type KernelPort struct {
	Guarded bool   // what is the director's is hidden from the kernel
	Hidden  uint64 // packets, since the guard was set
	// Answers say why the kernel answers packets of the director too, one sentence each.
	Answers []string
	// Host is the port's host interface; nil without one.
	Host *HostInterface
}

// HostInterface is a port's host interface: by it the kernel's stack shares the port. The counts
// are frames, and bytes from the Ethernet header on.
type HostInterface struct {
	Name          string `json:"name"`
	Up            bool   `json:"up"`
	ToHost        uint64 `json:"to_host"`
	ToHostBytes   uint64 `json:"to_host_bytes"`
	FromHost      uint64 `json:"from_host"`
	FromHostBytes uint64 `json:"from_host_bytes"`
	// Drops are frames that did not pass between the interface and the workers, by reason; only
	// reasons that occurred.
	Drops map[string]uint64 `json:"drops"`
}

// noKernel is a Kernel that gets no packets of the director.
type noKernel struct{}

func (noKernel) Change(_, _ *config.Service) (func(bool), error) { return func(bool) {}, nil }
func (noKernel) Replace(_, _ *config.Config) (func(bool), error) { return func(bool) {}, nil }
func (noKernel) Ports() []KernelPort                             { return nil }

// orNone returns k, or one that does nothing if it is nil.
func orNone(k Kernel) Kernel {
	if k == nil {
		return noKernel{}
	}
	return k
}

// addKernel adds what the kernel does to the ports of a report.
func (r *Report) addKernel(ports []KernelPort) {
	for i, k := range ports {
		p := &r.Ports[i]
		p.Guarded, p.Hidden, p.KernelAnswers, p.Host = k.Guarded, k.Hidden, k.Answers, k.Host
	}
}

// PortGuard is a port with a guard.
type PortGuard struct {
	Port   string `json:"port"`
	Hidden uint64 `json:"hidden"` // packets of the director that the kernel did not get
}

// PortGuards returns the guarded ports, in their order.
func (r *Report) PortGuards() []PortGuard {
	all := []PortGuard{} // JSON shows an empty list, not null
	for _, p := range r.Ports {
		if p.Guarded {
			all = append(all, PortGuard{p.Name, p.Hidden})
		}
	}
	return all
}

// PortHost is a port with a host interface.
type PortHost struct {
	Port string `json:"port"`
	HostInterface
}

// PortHosts returns the ports with a host interface, in their order.
func (r *Report) PortHosts() []PortHost {
	all := []PortHost{} // JSON shows an empty list, not null
	for _, p := range r.Ports {
		if p.Host != nil {
			all = append(all, PortHost{p.Name, *p.Host})
		}
	}
	return all
}

// KernelWarning says that the kernel answers packets of the director, and why.
func KernelWarning(why string) string { return "the kernel may answer too: " + why }
