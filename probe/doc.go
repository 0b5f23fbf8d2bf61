// Package probe checks real servers: it connects, asks, and says what it saw, step by step. A check
// ends at its deadline, reads a bounded part of what servers send, and leaves nothing behind.
//
// It does each check once. Package health decides when, and what the results mean. All functions
// are for the control side and safe for concurrent use.
//
// Connects makes the most frequent check, that a connection is accepted, for many real servers at
// the lowest price. Run finds the same.
package probe
