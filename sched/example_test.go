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
	sched.NewPool(sched.WRR, servers, service.Load()).Publish(&service)

	request := sched.Request{
		Src: packet.AddrOf4(0xc0000201), SrcPort: 40000, // 192.0.2.1
		Dst: packet.AddrOf4(0x0a010064), DstPort: 80, // 10.1.0.100
	}
	pool := service.Load()
	for range 5 {
		i, ok := pool.Pick(&request)
		if !ok {
			fmt.Println("no real server is available")
			return
		}
		pool.At(i).Load.Begin()
		fmt.Println(pool.ID(i))
	}
	// Output:
	// 12
	// 12
	// 11
	// 12
	// 11
}
