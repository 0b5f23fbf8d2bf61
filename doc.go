// Package fulcrum is the root of the module and holds no code: each folder is one concept, ARCHITECTURE.md draws who
// imports whom, and the test beside this file holds the tree to it.
package fulcrum
