// Package ipvsadm speaks the language of ipvsadm(8): it reads its command lines, makes of them changes of a configuration, and prints
// services and their counters in the form that scripts parse. It is pure: whoever calls it gets the configuration from the director and takes it
// there. Facts are those of ipvsadm 1.31 and its manual page.
package ipvsadm
