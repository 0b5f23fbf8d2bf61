// Fulcrum is the director and all of its tools in one binary.
//
//	fulcrum run --config FILE   run the director in the foreground
//	fulcrum check FILE          explain every problem of a configuration
//	fulcrum status              ask a running director, as many other commands do
//	fulcrum lab                 send traffic through all modes on this machine
//	fulcrum version             print the versions of Fulcrum, Go and DPDK
//
// The exit status is 0, 1 for an error, and 2 for wrong usage. plan and drain also use 3.
package main
