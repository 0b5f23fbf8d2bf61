// Package keepalived imports the virtual servers of a keepalived.conf as services, as far as
// Fulcrum supports what they ask for, and lists the rest.
//
// The import has four steps: files to lines (includes, conditions, definitions), lines to words,
// words to blocks, blocks to services. What it does not understand is an error with its place.
// What it understands but Fulcrum does not support is a note with its place. The facts are those
// of keepalived.conf(5) of version 2.3, and for full NAT those of the keepalived of DPVS.
package keepalived
