package steer_test

import (
	"fmt"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// singleQueue is a device with one queue, which tells nothing about how it spreads packets.
type singleQueue struct{ ports.Port }

func (singleQueue) Queues() int     { return 1 }
func (singleQueue) RSS() *ports.RSS { return nil }

// Where devices do not help, a hash of the client's address and port chooses the worker. Both
// directions of a nat session carry them, so both have the same owner.
func ExampleSteering() {
	const workers, secret = 4, 0x5eed
	rule := steer.New([]ports.Port{singleQueue{}}, workers, secret)

	client, vip := packet.AddrOf4(0xc0000201), packet.AddrOf4(0x0a000064)
	server := packet.AddrOf4(0x0a01000b)
	request := packet.Key{
		Flow:     packet.Flow{Src: client, SrcPort: 40000, Dst: vip, DstPort: 80},
		Protocol: packet.ProtocolTCP,
	}
	answer := packet.Key{
		Flow:     packet.Flow{Src: server, SrcPort: 8080, Dst: client, DstPort: 40000},
		Protocol: packet.ProtocolTCP,
	}
	const port = 0
	owner := rule.FromClient(port, &request, lvs.NAT.Owner())
	fmt.Println("a worker:", owner >= 0 && owner < workers)
	fmt.Println("the same for the answer:", rule.FromServer(&answer) == owner)
	// Output:
	// a worker: true
	// the same for the answer: true
}
