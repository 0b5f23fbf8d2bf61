package neighbour_test

import (
	"fmt"
	"net/netip"

	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

var (
	ownMAC     = packet.MAC{2, 0, 0, 0, 0, 1}
	serverMAC  = packet.MAC{2, 0, 0, 0, 1, 9}
	ownAddress = packet.AddrOf(netip.MustParseAddr("10.0.0.1"))
	server     = packet.AddrOf(netip.MustParseAddr("10.0.0.9"))
)

// exampleTable returns a table of a director with one port.
func exampleTable() neighbour.Table {
	return neighbour.New(neighbour.Config{Ports: []neighbour.Port{{MAC: ownMAC, MTU: 1500}}})
}

// reply returns the real server's answer to an ARP request of the director.
func reply() packet.ARP {
	a := packet.ARP(make([]byte, packet.ARPLen))
	a.Encode(packet.ARPFields{
		Op:        packet.ARPReply,
		SenderMAC: serverMAC, SenderIP: server.V4(),
		TargetMAC: ownMAC, TargetIP: ownAddress.V4(),
	})
	return a
}

// A real server needs a next hop: the table returns the question, and learns from the answer.
func ExampleTable() {
	table := exampleTable()
	const port, now = 0, 0
	hop, ok := table.Find(server, port, now)
	if !ok {
		fmt.Println("the table is full")
		return
	}
	question := table.Want(hop, ownAddress, now)
	fmt.Println("ask all stations:", question.Hop == hop && question.To.IsZero())
	fmt.Println(table.At(hop).State())

	here := neighbour.Here{Port: port, Answered: true, Stranger: true, OnSubnet: true}
	reception, _ := table.ReceiveARP(reply(), here, now+1)
	fmt.Println("learnt:", reception.Learnt == hop)
	fmt.Println(table.At(hop).State(), table.At(hop).MAC())
	// Output:
	// ask all stations: true
	// incomplete
	// learnt: true
	// reachable 02:00:00:00:01:09
}

// A packet without a known MAC waits in the table until the answer comes.
func ExampleTable_Hold() {
	table := exampleTable()
	const port, now = 0, 0
	hop, _ := table.Find(server, port, now)

	wait, question := table.Hold(hop, &ports.Packet{Length: 60}, now)
	fmt.Println("held:", wait == neighbour.Held, "- ask:", question.Hop == hop)
	wait, question = table.Hold(hop, &ports.Packet{Length: 1514}, now+1)
	fmt.Println("held:", wait == neighbour.Held, "- ask:", question.Hop == hop)
	fmt.Println(table.Waiting(hop), "packets wait")

	here := neighbour.Here{Port: port, Answered: true, Stranger: true, OnSubnet: true}
	reception, _ := table.ReceiveARP(reply(), here, now+2)
	for _, p := range table.Take(reception.Learnt) {
		fmt.Println("send", p.Length, "bytes to", table.At(reception.Learnt).MAC())
	}
	fmt.Println(table.Held(), "packets wait")
	// Output:
	// held: true - ask: true
	// held: true - ask: false
	// 2 packets wait
	// send 60 bytes to 02:00:00:00:01:09
	// send 1514 bytes to 02:00:00:00:01:09
	// 0 packets wait
}
