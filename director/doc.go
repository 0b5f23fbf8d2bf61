// Package director is the running program: it puts a configuration, ports, the engine, the control
// API and metrics together as parts that start in order and stop in reverse, so that whatever fails
// to start leaves nothing behind.
//
// It opens no device itself: ports come from Config.Devices, which in the binary is DPDK and in a
// test memory. Flags, signals, systemd and printing are the command's. Unless a method says
// something else, one goroutine at a time calls it.
package director
