package conntrack_test

import (
	"fmt"
	"net/netip"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// flow returns the flow from one address and port to another.
func flow(src, dst string) conntrack.Flow {
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return conntrack.Flow{
		Src: packet.AddrOf(from.Addr()), SrcPort: from.Port(),
		Dst: packet.AddrOf(to.Addr()), DstPort: to.Port(),
	}
}

// exampleTable returns a table for 100 sessions, which reports the sessions that end.
func exampleTable(timeouts conntrack.Timeouts) *conntrack.Table {
	table, err := conntrack.New(conntrack.Config{
		Max: 100, Timeouts: timeouts,
		Ended: func(_ uint32, s *conntrack.Session) { fmt.Println("ended in state", s.State) },
	})
	if err != nil {
		panic(err)
	}
	return table
}

// A nat session is found by the client's packets, and by the real server's answers.
func ExampleTable() {
	table := exampleTable(conntrack.DefaultTimeouts())
	defer table.Close()

	request := conntrack.Key{
		Flow: flow("192.0.2.1:40000", "10.0.0.100:80"), Protocol: packet.ProtocolTCP,
	}
	answer := conntrack.Key{
		Flow: flow("10.1.0.11:8080", "192.0.2.1:40000"), Protocol: packet.ProtocolTCP,
	}
	hashes := conntrack.Hashes{In: table.Hash(&request), Out: table.Hash(&answer)}
	const twoWay, now = true, 0
	slot, ok := table.Insert(&request, hashes, &answer.Flow, twoWay, now)
	if !ok {
		fmt.Println("the table is full")
		return
	}
	table.At(slot).Mode = lvs.NAT

	for _, key := range []conntrack.Key{request, answer} {
		ref, found := table.Lookup(table.Hash(&key), &key)
		session := table.At(ref.Slot())
		fmt.Println(found, ref.Slot() == slot, ref.Direction(), session.Mode, session.State)
	}
	table.End(slot)
	_, found := table.Lookup(hashes.Out, &answer)
	fmt.Println(found)
	// Output:
	// true true inbound nat NONE
	// true true outbound nat NONE
	// ended in state NONE
	// false
}

// The state of a TCP session follows the kernel's tables, packet by packet.
func ExampleNext() {
	state := conntrack.None
	for _, p := range []struct {
		view  conntrack.View
		flags packet.TCPFlags
	}{
		{conntrack.Input, packet.TCPSyn},
		{conntrack.Output, packet.TCPSyn | packet.TCPAck},
		{conntrack.Input, packet.TCPAck},
		{conntrack.Input, packet.TCPFin | packet.TCPAck},
		{conntrack.Output, packet.TCPFin | packet.TCPAck},
		{conntrack.Input, packet.TCPAck},
	} {
		state = conntrack.Next(p.view, conntrack.EventOf(p.flags), state)
		fmt.Println(state)
	}
	// Output:
	// SYN_RECV
	// SYN_RECV
	// ESTABLISHED
	// CLOSE_WAIT
	// TIME_WAIT
	// TIME_WAIT
}

// A session ends when it had no packet for the timeout of its state.
func ExampleTable_Expire() {
	timeouts := conntrack.DefaultTimeouts()
	timeouts.Set(conntrack.UDP, 30*time.Second)
	table := exampleTable(timeouts)
	defer table.Close()

	query := conntrack.Key{
		Flow: flow("192.0.2.1:40000", "10.0.0.100:53"), Protocol: packet.ProtocolUDP,
	}
	hashes := conntrack.Hashes{In: table.Hash(&query)}
	slot, _ := table.Insert(&query, hashes, &conntrack.Flow{}, false, 0)
	table.SetState(slot, conntrack.UDP, 0)

	for now := uint32(0); now <= 40_000; now += 10 { // ms
		if now == 5000 {
			table.At(slot).LastSeen = now // a packet
		}
		table.Expire(now)
		if now%10_000 == 0 {
			fmt.Println(now/1000, "s:", table.Len(), "session")
		}
	}
	// Output:
	// 0 s: 1 session
	// 10 s: 1 session
	// 20 s: 1 session
	// 30 s: 1 session
	// ended in state UDP
	// 40 s: 0 session
}

// A fragment that comes before its datagram's first one waits for the ports.
func ExampleFragments() {
	fragments := conntrack.NewFragments(100, 0)
	ports := flow("192.0.2.1:40000", "10.0.0.100:53")
	datagram := conntrack.Datagram{
		Src: ports.Src, Dst: ports.Dst, ID: 7, Protocol: packet.ProtocolUDP,
	}
	first := conntrack.Piece{Offset: 0, Length: 1480, More: true}
	second := conntrack.Piece{Offset: 1480, Length: 1480, More: true}
	last := conntrack.Piece{Offset: 2960, Length: 40}

	_, hold, verdict := fragments.Later(&datagram, second, 0)
	fmt.Println("second:", verdict)

	decision := conntrack.Decision{
		SrcPort: ports.SrcPort, DstPort: ports.DstPort, Protocol: packet.ProtocolUDP,
	}
	released, verdict := fragments.First(&datagram, first, decision, 1, nil)
	fmt.Println("first:", verdict, "and then the second:", released[0] == hold.Place)

	decision, _, verdict = fragments.Later(&datagram, last, 2)
	fmt.Println("last:", verdict, "to port", decision.DstPort)
	fmt.Println(fragments.Len(), "unfinished datagrams")
	// Output:
	// second: held
	// first: forwarded and then the second: true
	// last: forwarded to port 53
	// 0 unfinished datagrams
}
