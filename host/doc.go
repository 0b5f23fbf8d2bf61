// Package host tells what this process may take of its machine, by the limits that the kernel holds
// it to: memory, huge pages and address space. It is asked before something is taken, so that what
// is missing is an error with a remedy. The kernel itself would kill the process.
//
// It knows nothing of the director. The control side may call it at any time.
package host
