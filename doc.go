// Package fulcrum is the root of the module and holds no code. Each folder is one concept,
// ARCHITECTURE.md draws who imports whom, and the tests beside this file check the tree against it.
package fulcrum
