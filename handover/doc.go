// Package handover is the protocol by which a running director hands over to its successor: a
// process that it has started, of the same or of another version of the program.
//
// The predecessor passes open descriptors on when it starts the process (Files), and says what they
// are in its Offer. Both processes have them at once; the predecessor alone uses them until it
// yields:
//
//	predecessor                 successor
//	    | ------- Offer ----------> |   reads its file, starts DPDK, enters all sessions
//	    | <------ warm ------------ |
//	stops its workers               |
//	    | ------- yours ----------> |   enters what has changed, starts its workers
//	    | <------ forwarding ------ |
//	ends                            |
//
// A successor that ends before "yours", or says that it has failed, is of no consequence.
//
// Messages are JSON over a socket pair that the processes alone have. Version numbers the protocol;
// unknown fields are ignored, so that a field may be added without a new version.
package handover
