package dpvs

// mostCPU is the highest number of a CPU that the configuration takes.
const mostCPU = 1023

// takeWorker takes the CPU of a worker that forwards.
func (i *importer) takeWorker(e *entry) {
	if !e.open {
		i.Wrong(e.place, "%s: missing block: add { and }", e)
		return
	}
	kind, cpu := "slave", -1
	for _, x := range e.block {
		switch x.words[0] {
		case "type":
			kind = x.value()
		case "cpu_id":
			var ok bool
			if cpu, ok = i.number(x, 0, mostCPU); !ok {
				return
			}
		case "port":
			i.takeKeys("worker_defs.worker.port", x, nil)
		default:
			i.leaveKey("worker_defs.worker."+x.words[0], x)
		}
	}
	i.addWorker(e, kind, cpu)
}

func (i *importer) addWorker(e *entry, kind string, cpu int) {
	first, taken := i.cpus[cpu]
	switch {
	case kind == "master":
		i.Leave(e.place, e.String(), "the control side runs on all CPUs that no worker has")
	case kind == "kni":
		i.Leave(e.place, e.String(), noKNI)
	case kind != "slave":
		i.Wrong(e.place, "%s: unknown type %q: write master, slave or kni", e, kind)
	case cpu < 0:
		i.Wrong(e.place, "%s: missing cpu_id: write the worker's CPU, such as cpu_id 1", e)
	case taken:
		i.Leave(e.place, e.String(), "its CPU has the worker of "+first.String())
	default:
		i.cpus[cpu] = e.place
		i.result.Workers = append(i.result.Workers, cpu)
	}
}
