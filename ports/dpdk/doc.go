// Package dpdk drives network devices with DPDK's poll-mode drivers: real devices by PCI address,
// and virtual ones (net_af_packet, net_pcap, net_ring, ...) by DPDK's device strings. It is the
// only cgo in the tree. Its ports are used through the interfaces of package ports.
//
// # Threads
//
// Start, OpenPort and the Close methods belong to the control side. They may be called from any
// goroutine; a lock serialises them. A driver that uses a network interface looks it up in the
// network namespace of the calling thread. A caller in a namespace of its own must therefore be
// locked to its thread.
//
// A Queue belongs to one worker: a goroutine that has called runtime.LockOSThread, is pinned to
// its CPU, and then has called RegisterThread. An unregistered goroutine may use a queue too, but
// it has no buffer cache, which makes every packet more expensive.
//
// Attributes, link state and statistics of a port may be read from any goroutine until the port is
// closed.
//
// # Several queues
//
// A port opens one queue for each worker, or fewer if the device has fewer. A driver with RSS gets
// a key whose 16-bit words repeat (ports.SymmetricKey) and an indirection table that names all
// queues in turn. The port's RSS is what the driver reports afterwards. A driver that reports
// nothing, such as net_af_packet, net_tap and net_ring, has no RSS. net_null accepts all settings
// and receives the same packets on every queue.
//
// # Packets
//
// VLAN tags stay in the packet. net_af_packet also receives the packets that the kernel itself
// sends through the interface. A VLAN tag that it reinserts takes four bytes of the headroom.
//
// # Lifetimes
//
// A process can start DPDK once and never again, not even after Close: that is DPDK's own rule. A
// packet stays valid while the port whose pool it came from is open, and after that until its
// buffer is freed. EAL.Close ends the life of all packets, because it unmaps the memory.
package dpdk
