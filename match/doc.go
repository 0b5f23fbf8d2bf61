// Package match finds the narrowest of many ranges of addresses and ports that holds a destination.
// A prefix of IPv6 has too many addresses for a hash table, so the ranges are in a tree.
//
// Tables and spans never change after they are built. Any goroutine may read them.
package match
