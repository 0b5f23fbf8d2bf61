package dpdk

// #include <rte_version.h>
import "C"

// Version returns DPDK's name and version, such as "DPDK 22.11.5". Anyone may call it, also before
// Start.
func Version() string { return C.GoString(C.rte_version()) }
