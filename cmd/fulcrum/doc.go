// Fulcrum is the director and all of its tools in one binary.
//
//	fulcrum run --config FILE   run the director in the foreground
//	fulcrum check FILE          explain every mistake in a configuration
//	fulcrum lab                 show all modes at work on this machine
//
// The exit status is 0, 1 for an error, and 2 for wrong usage.
package main
