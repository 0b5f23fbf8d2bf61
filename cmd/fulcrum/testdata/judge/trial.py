"""Random valid traffic through the director, each output held against what is owed for its input."""

from scapy.packet import raw

import duty
import frames
import network
from frames import show


class Flow:
    """A client's connection. What the director chose for it is learnt from its first output, and may not change."""

    def __init__(self, protocol, client, port, vip, vport):
        self.protocol, self.client, self.port, self.vip, self.vport = protocol, client, port, vip, vport
        self.server = self.local = None  # local: address and port
        self.sent = self.answered = 0
        self.last = {}  # by wire: the number of the latest packet that came out

    def __repr__(self):
        return f"{self.protocol} {self.client}:{self.port} -> {self.vip}:{self.vport} at {self.server} from {self.local}"


class Sent:
    """A packet on its way through the director."""

    def __init__(self, number, flow, wire, p):
        self.number, self.flow, self.wire, self.packet, self.bytes = number, flow, wire, p, raw(p)


class Trial:
    def __init__(self, setup, traffic, wires, packets):
        self.setup, self.traffic, self.wires, self.wanted = setup, traffic, wires, packets
        self.random = traffic.random
        self.under_way, self.flows, self.errors = {}, [], []
        self.numbers = self.inbound = self.outbound = 0
        self.replies = []
        self.sources = {}

    def run(self):
        while self.numbers < self.wanted:
            front = [self.begin(self.next_inbound()) for _ in range(self.random.randrange(self.wires.room + 1))]
            back = [self.begin(s) for s in self.take_replies()]
            self.judge(self.wires.exchange([front, back]))
        while self.replies:
            self.judge(self.wires.exchange([[], [self.begin(s) for s in self.take_replies()]]))
        self.judge(self.wires.settle())
        self.finish()

    def take_replies(self):
        some, self.replies = self.replies[:self.wires.room], self.replies[self.wires.room:]
        return some

    # Sending.

    def begin(self, s):
        s.number = self.numbers
        self.numbers += 1
        self.under_way[self.tag_of(s.wire, s.bytes)] = s
        padding = self.traffic.data(max(0, 60 - 14 - len(s.bytes)))
        mac = network.ROUTER_MAC if s.wire == network.CLIENT_SIDE else network.server_mac(s.flow.server)
        return frames.ethernet(network.PORT_MACS[s.wire], mac, s.bytes) + padding

    def next_inbound(self):
        flow = self.pick_flow()
        first, flow.sent = flow.sent == 0, flow.sent + 1
        return Sent(0, flow, network.CLIENT_SIDE, self.make(flow, self.setup.vip, first, True, flow.client, flow.vip, flow.port, flow.vport,
                                                         network.MTU - max(0, self.setup.overhead())))

    def pick_flow(self):
        if not self.flows or self.traffic.chance(0.12):
            protocol = self.random.choice(self.setup.protocols)
            client = self.traffic.client(self.setup.vip)
            self.flows.append(Flow(protocol, client, self.random.randrange(1, 1 << 16), self.setup.vip_address(), network.SERVICES[protocol][0]))
            return self.flows[-1]
        return self.random.choice(self.flows[-50:])

    def make(self, flow, family, first, inbound, src, dst, sport, dport, limit):
        t = self.traffic
        if flow.protocol == "tcp":
            flags = ("S" if inbound else "SA") if first else t.segment_flags()
            complete = t.tcp(sport, dport, flags, limit)
        elif flow.protocol == "udp":
            complete = t.udp(sport, dport, limit, family, 4 if self.mixed() else 0)
        else:
            complete = t.sctp(sport, dport, first and inbound, limit)
        return complete(t.ip(family, src, dst))

    def mixed(self):
        """Whether packets change their family, so that their tags are not kept."""
        return self.setup.mode == "fullnat" and self.setup.vip != self.setup.server

    def answer(self, flow, got):
        """A real server's answer goes to whom it saw."""
        to, port = flow.local or (flow.client, flow.port)
        first, flow.answered = flow.answered == 0, flow.answered + 1
        limit = network.MTU - (20 if self.mixed() else 0)
        self.replies.append(Sent(0, flow, network.SERVER_SIDE, self.make(flow, self.setup.server, first, False, flow.server, to,
                                                                      self.setup.server_port(flow.protocol), port, limit)))

    # Judging.

    def tag_of(self, wire, b):
        """What identifies a packet on both sides of the director."""
        if self.mixed():
            return wire, frames.transport_tag(b)
        if b[0] >> 4 == 6:
            return wire, int.from_bytes(b[:4], "big") & 0xFFFFF
        return wire, int.from_bytes(b[4:6], "big")

    def judge(self, came):
        for wire, frame in came:
            if not frames.is_announcement(frame):
                problem = self.judge_one(wire, frame)
                if problem:
                    self.errors.append(problem)

    def judge_one(self, wire, frame):
        got = frames.network_bytes(frame)
        inner = got
        if wire == network.SERVER_SIDE and self.setup.mode == "ipip":
            inner = got[20 if got[0] >> 4 == 4 else 40:]
        s = self.under_way.pop(self.tag_of(1 - wire, inner), None)
        if s is None:
            return "came out, but nothing of the kind went in, or it came twice:\n" + show(frame)
        flow = s.flow
        if flow.last.get(wire, -1) > s.number:
            return f"came out of its turn: {flow}\n" + show(frame)
        flow.last[wire] = s.number
        if wire == network.SERVER_SIDE:
            self.inbound += 1
            problem = self.learn(flow, frame, got) or self.compare(s, frame, got, self.owed_inside(s, got), network.server_mac(flow.server))
            if not problem and self.setup.through_director() and self.traffic.chance(0.7):
                self.answer(flow, got)
            return problem
        self.outbound += 1
        return self.compare(s, frame, got, self.owed_outside(s), network.ROUTER_MAC)

    def learn(self, flow, frame, got):
        """Takes what the director chose for a flow from its first output and wants it kept."""
        server, local = self.chosen(frame, got)
        if server not in self.setup.servers():
            return f"went to {server}, which is no real server: {flow}\n" + show(frame)
        if flow.server is None:
            flow.server, flow.local = server, local
            if local:
                return self.learn_local(flow, local, frame)
        elif (server, local) != (flow.server, flow.local):
            return f"left its session for {server} {local}: {flow}\n" + show(frame)
        return None

    def learn_local(self, flow, local, frame):
        key = (flow.protocol, flow.server) + local
        if local[0] not in network.LOCAL[self.setup.server]:
            return f"{local} is no local address: {flow}\n" + show(frame)
        if key in self.sources:
            return f"{local} belongs to {self.sources[key]}, not to {flow}\n" + show(frame)
        self.sources[key] = flow
        return None

    def chosen(self, frame, got):
        if self.setup.mode == "dr":
            mac = frame[:6].hex(":")
            return next((a for a in self.setup.servers() if network.server_mac(a) == mac), mac), None
        src, dst = frames.addresses(got)
        if self.setup.mode != "fullnat":
            return dst, None
        return dst, (src, frames.ports(got)[0])

    def owed_inside(self, s, got):
        flow, p = s.flow, s.packet
        port = self.setup.server_port(flow.protocol)
        if self.setup.mode == "dr":
            return raw(duty.routed(p))
        if self.setup.mode == "ipip":
            return duty.tunnelled(p, network.BACK[self.setup.server], flow.server, got)
        if self.setup.mode == "nat":
            return raw(duty.translated(p, dst=flow.server, dport=port))
        if self.mixed():
            return raw(duty.narrowed(p, flow.local[0], flow.server, flow.local[1], port, got))
        return raw(duty.translated(p, src=flow.local[0], sport=flow.local[1], dst=flow.server, dport=port))

    def owed_outside(self, s):
        flow, p = s.flow, s.packet
        if self.mixed():
            return raw(duty.widened(p, flow.vip, flow.client, flow.vport, flow.port))
        return raw(duty.translated(p, src=flow.vip, sport=flow.vport, dst=flow.client, dport=flow.port))

    def compare(self, s, frame, got, owed, to):
        wire = 1 - s.wire
        if frame[:14] != frames.ethernet(to, network.PORT_MACS[wire], owed)[:14]:
            return f"Ethernet header is {frame[:14].hex()}, to be sent to {to}: {s.flow}\n" + show(frame)
        trailer = frame[14 + len(got):]
        if got == owed and len(trailer) <= max(0, 46 - len(s.bytes)):
            return None
        return f"differs from what is owed, or has {len(trailer)} bytes behind it: {s.flow}\n{frames.difference(s.bytes, owed, got)}"

    # The end.

    def finish(self):
        for s in self.under_way.values():
            self.errors.append(f"never came out: {s.flow}\n" + show(frames.ethernet(network.PORT_MACS[s.wire], network.ROUTER_MAC, s.bytes)))
        for protocol in self.setup.protocols:
            flows = [f for f in self.flows if f.protocol == protocol]
            picks = [sum(f.server == a for f in flows) for a in self.setup.servers()]
            if max(picks) - min(picks) > 1:
                self.errors.append(f"round robin gave the real servers {picks} {protocol} sessions")

    def check_report(self, report):
        """Holds the director's own counts against what was seen."""
        want = {"not_ip": self.wires.fillers}
        if report["drops"] != want:
            self.errors.append(f"dropped {report['drops']}, to be dropped are {want}")
        for service in report["services"]:
            flows = [f for f in self.flows if f.protocol == service["name"]]
            if service["connections"] != len(flows):
                self.errors.append(f"{service['name']}: {service['connections']} sessions reported, {len(flows)} made")
        for what, seen in (("in_packets", self.inbound), ("out_packets", self.outbound)):
            if (n := sum(s[what] for s in report["services"])) != seen:
                self.errors.append(f"{what}: {n} reported, {seen} seen")

    def summary(self):
        return f"{len(self.flows)} sessions, {self.inbound} packets in, {self.outbound} out"
