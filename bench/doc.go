// Package bench measures a director: it makes traffic, starts the device under test on a virtual
// link, and turns counts into figures, tables and plots.
//
// A Generator plays every station but the director: clients, gateway and real servers. It runs on
// one thread over one ports.Queue and allocates nothing while it runs. Each of its packets has a
// stamp. So it counts packets that come back and packets that are lost, and measures latency. It
// works with any device.
//
// Without a link, packets are made in the subject's own process, by a library in C that it preloads
// (Synth). CountInstructions needs neither: it executes turns of the director one instruction after
// the other. Both kinds of cost are kept by commit (Record).
//
// RunHTTPClients and ServeHTTP are real clients and a real web server on the kernel's TCP, each on
// one thread. They and a subject stand in network namespaces of their own.
//
// A Bench starts the generator and a subject (the director, or dpdk-testpmd as the baseline) as
// processes of their own, each on its own CPU, and runs suites of trials. This package does not
// know DPDK: the caller opens the generator's port.
//
// Anyone may use Generator, Trial and Result, one goroutine at a time. A Bench is for the command
// fulcrum bench.
package bench
