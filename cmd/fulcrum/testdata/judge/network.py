"""The network that the director under test stands in, and its configuration."""

import ipaddress

ROUTER_MAC, CLIENT_SIDE = "02:00:00:00:00:fe", 0
SERVER_SIDE = 1
# DPDK's own addresses of net_pcap0 and net_pcap1.
PORT_MACS = ["02:70:63:61:70:00", "02:70:63:61:70:01"]

FRONT = {4: "10.0.0.1", 6: "fd00::1"}
BACK = {4: "10.1.0.1", 6: "fd01::1"}
ROUTER = {4: "10.0.0.254", 6: "fd00::fe"}
VIP = {4: "10.0.0.100", 6: "fd00::100"}
SERVERS = {4: ["10.1.0.11", "10.1.0.12", "10.1.0.13"], 6: ["fd01::11", "fd01::12", "fd01::13"]}
LOCAL = {4: ["10.1.0.50", "10.1.0.51"], 6: ["fd01::50", "fd01::51"]}
LOCAL_RANGE = {f: f"{LOCAL[f][0]}-{LOCAL[f][-1]}" for f in LOCAL}
EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
PREFIX = {4: 24, 6: 64}
MTU = 1500

# The services of every VIP: protocol, port, and its real servers' port where the mode can change it.
SERVICES = {"tcp": (80, 8080), "udp": (53, 5353), "sctp": (3868, 13868)}
DRAINED_PORT = 81  # TCP, without an available real server
SILENT_PORT = 9  # no service


def server_mac(address):
    """A real server's Ethernet address holds the last byte of its IP address."""
    return "02:00:00:00:01:%02x" % ipaddress.ip_address(address).packed[-1]


def family(address):
    return ipaddress.ip_address(address).version


def endpoint(address, port):
    return f"[{address}]:{port}" if family(address) == 6 else f"{address}:{port}"


class Setup:
    """One configuration: a mode, the family of the VIP and that of the real servers, and the VLANs of both ports."""

    mss = 1300  # of TCP's service
    echo = True  # the director answers echo requests

    def __init__(self, mode, vip, server, vlans):
        self.mode, self.vip, self.server, self.vlans, self.protocols = mode, vip, server, vlans, list(SERVICES)
        self.families = sorted({4, vip, server})

    def vip_address(self):
        return VIP[self.vip]

    def servers(self):
        return SERVERS[self.server]

    def server_port(self, protocol):
        if protocol == "icmp":
            return 0
        port, translated = SERVICES[protocol]
        return translated if self.through_director() else port

    def through_director(self):
        return self.mode in ("nat", "fullnat")

    def mixed(self):
        """Whether packets change their family, so that nothing of their IP header is kept."""
        return self.mode == "fullnat" and self.vip != self.server

    def room(self, wire):
        """How large a packet may be that comes on a wire."""
        if wire == SERVER_SIDE:
            return MTU - (20 if self.mixed() else 0)
        return MTU - ({4: 20, 6: 40}[self.server] if self.mode == "ipip" else 0)

    def toml(self, devices):
        parts = ['[director]\nworkers = 1\n\n[dpdk]\nhugepages = "off"\nmemory = "128MiB"\n']
        for name, device, own, vlan in zip(("front", "back"), devices, (FRONT, BACK), self.vlans):
            addresses = ", ".join(f'"{own[f]}/{PREFIX[f]}"' for f in self.families)
            parts.append(f'[[port]]\nname = "{name}"\ndevice = "{device}"\naddresses = [{addresses}]\nvlan = {vlan}\n')
        for f in self.families:
            parts.append(f'[[route]]\nto = "{EVERYWHERE[f]}"\nvia = "{ROUTER[f]}"\n')
            parts += [neighbour(ROUTER[f], ROUTER_MAC)] + [neighbour(a, server_mac(a)) for a in SERVERS[f]]
        # Sessions end by what passes, not because a machine is slow: these two have 4 seconds.
        parts.append('[session]\nmax = 20_000\n[session.timeouts]\nsctp_init1 = "600s"\nsctp_rejected = "600s"\n')
        parts += [self.service(p, SERVICES[p][0], 1) for p in self.protocols]
        parts.append(self.service("tcp", DRAINED_PORT, 0))
        return "\n".join(parts)

    def service(self, protocol, port, weight):
        name = protocol if weight else "drained"
        lines = ["[[service]]", f'name = "{name}"', f'address = "{endpoint(self.vip_address(), port)}"', f'protocol = "{protocol}"',
                 f'mode = "{self.mode}"', 'scheduler = "rr"']
        if name == "tcp":
            lines += [f"mss = {self.mss}"] + ([] if self.echo else ["echo = false"])
        if self.mode == "fullnat":
            lines.append(f'local_addresses = ["{LOCAL_RANGE[self.server]}"]')
        for address in self.servers():
            to = self.server_port(protocol) if weight else port
            lines += ["  [[service.real_server]]", f'  address = "{endpoint(address, to)}"', f"  weight = {weight}"]
        return "\n".join(lines) + "\n"


def neighbour(address, mac):
    return f'[[neighbour]]\naddress = "{address}"\nmac = "{mac}"\n'
