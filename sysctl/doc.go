// Package sysctl imports IPVS's switches from a file of sysctl.d as the [session] table of a
// configuration, and says of every line what becomes of it.
//
// The grammar is that of sysctl.d(5): comments, assignments, a leading - for settings that may
// fail, names with dots or slashes, and globs, which explicit names precede. The facts about
// net.ipv4.vs are those of Linux's Documentation/networking/ipvs-sysctl.rst and
// net/netfilter/ipvs/ip_vs_ctl.c. Anyone may call it.
package sysctl
