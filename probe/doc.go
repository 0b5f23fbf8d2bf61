// Package probe checks real servers: it connects, asks, and says what it saw, step by step. A check
// ends at its deadline, reads a bounded part of what servers send, and leaves nothing behind.
//
// It does each check once. Package health decides when, and what the results mean. All functions
// are for the control side and safe for concurrent use.
package probe
