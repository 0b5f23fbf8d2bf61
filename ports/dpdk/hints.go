package dpdk

import "strings"

// probeHint returns what the operator should check when a device cannot be opened.
func (p *port) probeHint() string {
	iface := p.device.kernelInterface()
	switch {
	case p.device.isPCI:
		return "check that it is present (dpdk-devbind.py --status) and bound to vfio-pci " +
			"(dpdk-devbind.py --bind=vfio-pci " + p.device.name + ")"
	case strings.HasPrefix(p.device.name, "net_pcap"):
		return "check that the files of rx_pcap and tx_pcap can be read and written"
	case iface != "":
		return "check that interface " + iface + " exists in this network namespace (ip link show " +
			iface + "), and the driver's name"
	case strings.HasPrefix(p.device.name, "net_af_"):
		return "name its interface: " + p.device.name + ",iface=NAME"
	}
	return "check the driver's name, such as net_af_packet0, net_pcap0, net_null0 or net_ring0; " +
		"a PCI address is written 0000:3b:00.0"
}

// queuesHint returns how to configure more queues for a virtual device.
func (p *port) queuesHint() string {
	switch {
	case strings.HasPrefix(p.device.name, "net_af_packet"):
		return " (more with qpairs=N in its device string)"
	case strings.HasPrefix(p.device.name, "net_virtio_user"),
		strings.HasPrefix(p.device.name, "net_vhost"):
		return " (more with queues=N in its device string)"
	case strings.HasPrefix(p.device.name, "net_pcap"):
		return " (more with one rx_pcap and one tx_pcap for each in its device string)"
	}
	return ""
}
