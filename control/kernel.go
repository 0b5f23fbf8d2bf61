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
		p.Guarded, p.Hidden, p.KernelAnswers = k.Guarded, k.Hidden, k.Answers
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

// KernelWarning says that the kernel answers packets of the director, and why.
func KernelWarning(why string) string { return "the kernel may answer too: " + why }
