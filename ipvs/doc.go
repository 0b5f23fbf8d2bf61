// Package ipvs speaks the dialect by which the kernel's IPVS is controlled: generic netlink
// messages of the family IPVS, here over a unix socket. ipvsadm, keepalived and other programs that
// know IPVS administer a director by it.
//
// The codec (message.go, service.go, destination.go, stats.go) is pure and goes both ways. It takes
// any bytes. Table turns requests into changes of the running configuration, each checked, atomic
// and audited like every other change, and answers as the kernel does, errno by errno. Server
// serves a table to a bounded number of clients. Read asks a kernel, or another director, for what
// it has.
//
// The facts are those of Linux 6.12: include/uapi/linux/ip_vs.h, net/netfilter/ipvs/ip_vs_ctl.c,
// ip_vs_est.c and ip_vs_conn.c, net/netlink/af_netlink.c and genetlink.c. Numbers are in the byte
// order of the host unless a comment says otherwise.
//
// Any goroutine may call a Table and a Server.
package ipvs
