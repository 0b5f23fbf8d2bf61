// Package ipvsadm implements the command language of ipvsadm(8). It parses command lines, applies
// them to a configuration, and prints services and their counters in the form that scripts parse.
//
// The package does no I/O of its own, but for looking up ports' names in /etc/services: the caller
// fetches the configuration from the director and applies the changed one there. The facts are
// those of ipvsadm 1.31 and its manual page, and of DPVS's ipvsadm for the options it adds.
package ipvsadm
