// Package director runs the whole program: ports, engine, control API and metrics of one
// configuration. They are parts that start in order and stop in reverse order. If a part fails to
// start, the parts before it are stopped and nothing is left behind.
//
// The package opens no device itself. Config.Devices opens the ports: on DPDK in the binary, in
// memory in a test. The command handles flags, signals, systemd and output. One goroutine at a time
// may call a method, unless the method's comment says otherwise.
package director
