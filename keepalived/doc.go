// Package keepalived reads the virtual servers of a keepalived.conf and makes services of them, as far as Fulcrum has what they ask for; what it has
// not is listed. The way: files to lines (includes, conditions, definitions), lines to words, words to blocks, blocks to services. What cannot be
// understood is an error with its place; what is understood and not here is a note with its place. Facts are those of keepalived.conf(5) of 2.3.
package keepalived
