// Package capture records packets: a language that says which, a ring that takes them from a worker to whoever writes them down, and
// the pcapng format, in which each dropped packet carries its reason as a comment.
//
// What a worker calls (Filter.Match, Ring.Put) neither allocates nor waits. A ring has one writer and one reader; everything
// else is for one caller at a time.
package capture
