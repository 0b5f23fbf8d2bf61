// Package keepalived reads the virtual servers of a keepalived.conf and makes services of them, as far as Fulcrum has what they ask for; what it has
// not is listed. Facts are those of keepalived.conf(5).
package keepalived
