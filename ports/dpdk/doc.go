// Package dpdk drives network devices with DPDK's poll-mode drivers: real ones by PCI address and
// virtual ones (net_af_packet, net_pcap, net_ring, ...) by DPDK's device strings. It is the only
// cgo in the tree; its ports are used through the interfaces of package ports.
//
// # Threads
//
// Start, OpenPort and the Close methods belong to control: any goroutine, one call at a time (a
// lock sees to that). A driver that works on a network interface looks it up in the network
// namespace of the calling thread, so a caller in a namespace of its own has to be locked to its
// thread.
//
// A Queue belongs to one worker: a goroutine that has called runtime.LockOSThread, is pinned to
// its CPU, and then has called RegisterThread. An unregistered goroutine may use a queue too, but
// has no buffer cache and pays for it with each packet.
//
// Attributes, link state and statistics of a port may be read by anyone, until it is closed.
//
// # Several queues
//
// A port opens with a queue for each worker, or as many as the device has. Where the driver has RSS it gets a key whose
// 16-bit words repeat (ports.SymmetricKey) and an indirection table that names all queues in turn; what the port says
// of its RSS is what the driver says of itself afterwards. A driver that says nothing, such as net_af_packet, net_tap
// and net_ring, has none to tell. net_null takes all settings, and receives the same on every queue.
//
// # Packets
//
// VLAN tags stay in the packet. net_af_packet also receives what the kernel itself sends out of the
// interface, and a VLAN tag that it puts back takes four bytes of the headroom.
//
// # Lifetimes
//
// One process starts DPDK once and never again, not even after Close: that is DPDK's own rule.
// Packets stay valid while the port whose pool they came from is open or they have not been given
// back, and no longer than the EAL: after EAL.Close the memory is gone.
package dpdk
