package sched_test

import (
	"fmt"
	"sync/atomic"

	"fulcrum/packet"
	"fulcrum/sched"
)

// A service with three real servers and weighted round robin.
func ExamplePool() {
	servers := []sched.Server{
		{ID: 10, Weight: 1, Load: new(sched.Load)},
		{ID: 11, Weight: 2, Load: new(sched.Load)},
		{ID: 12, Weight: 3, Load: new(sched.Load)},
	}
	var service atomic.Pointer[sched.Pool]
	sched.NewPool(sched.Rule{Kind: sched.WRR}, servers, service.Load()).Publish(&service)

	request := sched.Request{Key: &packet.Key{
		Flow: packet.Flow{
			Src: packet.AddrOf4(0xc0000201), SrcPort: 40000, // 192.0.2.1
			Dst: packet.AddrOf4(0x0a010064), DstPort: 80, // 10.1.0.100
		},
		Protocol: packet.ProtocolTCP,
	}}
	pool := service.Load()
	for range 5 {
		i, ok := pool.Pick(request)
		if !ok {
			fmt.Println("no real server is available")
			return
		}
		pool.At(i).Load.Begin()
		fmt.Println(pool.ID(i))
	}
	// Output:
	// 12
	// 11
	// 10
	// 12
	// 12
}

// A real server at its upper threshold gets no more sessions until it falls below the lower one.
func ExampleLoad_Overloaded() {
	small := sched.Server{ID: 10, Weight: 1, Upper: 2, Lower: 1, Load: new(sched.Load)}
	large := sched.Server{ID: 11, Weight: 1, Load: new(sched.Load)}
	var service atomic.Pointer[sched.Pool]
	sched.NewPool(sched.Rule{Kind: sched.RR}, []sched.Server{large, small}, nil).Publish(&service)

	pool := service.Load()
	for range 6 {
		i, _ := pool.Pick(sched.Request{})
		pool.At(i).Load.Begin()
		fmt.Print(pool.ID(i), " ")
	}
	fmt.Println(small.Load.Overloaded())

	const active = false
	small.Load.End(active)
	fmt.Println(small.Load.Total(), "session:", small.Load.Overloaded())
	small.Load.End(active)
	fmt.Println(small.Load.Total(), "sessions:", small.Load.Overloaded())
	// Output:
	// 10 11 10 11 11 11 true
	// 1 session: true
	// 0 sessions: false
}
