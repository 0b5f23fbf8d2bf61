// Package bench measures a director: it makes traffic, starts the device under test on a virtual link, and
// turns counts into figures, tables and plots.
//
// A Generator plays everybody but the director: clients, gateway and real servers. It runs on one thread over one
// ports.Queue, allocates nothing while it runs, and knows its packets by a stamp in each of them, so that it counts
// what comes back, what is lost, and how long it took. It may be used against any device.
//
// A Bench starts the generator and a subject (the director, or dpdk-testpmd as the baseline) as processes of their own,
// each on its own CPU, and runs suites of trials. Nothing here knows DPDK: whoever calls opens the generator's port.
//
// Generator, Trial and Result may be used by anyone, one goroutine at a time; a Bench is for the command
// fulcrum bench.
package bench
