"""Random valid traffic through the director, each output held against what is owed for its input."""

import collections

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.packet import Raw, raw

import frames
import network
from frames import show
from sent import MEANINGS, Damaged, Echo, Piece, Ping, Report, Told, TooLong, Whole

MOST_ERRORS = 40  # the director limits the ICMP errors that it sends, after a first 50


class Flow:
    """A client's connection. What the director chose for it is learnt from its first output, and may not change."""

    def __init__(self, protocol, client, port, vip, vport):
        self.protocol, self.client, self.port, self.vip, self.vport = protocol, client, port, vip, vport
        self.server = self.local = None  # local: address and port
        self.sent = self.answered = 0
        self.last = {}  # by wire: the number of the latest packet that came out

    def __repr__(self):
        return f"{self.protocol} {self.client}:{self.port} -> {self.vip}:{self.vport} at {self.server} from {self.local}"


class Trial:
    damaged = 0  # share of the packets

    def __init__(self, setup, traffic, wires, packets):
        self.setup, self.traffic, self.wires, self.wanted = setup, traffic, wires, packets
        self.random, self.protocols = traffic.random, setup.protocols
        self.under_way, self.flows, self.errors, self.sources = {}, [], [], {}
        self.numbers, self.refused, self.told = 0, 0, 0
        self.tunnels = {}  # errors about tunnels, by the tag of what was in them
        self.seen = collections.Counter()  # packets by wire and kind
        self.waiting = [[], []]  # by wire: to be sent
        self.reassembly = [frames.Reassembly(), frames.Reassembly()]

    def run(self):
        while self.numbers < self.wanted:
            for _ in range(self.random.randrange(self.wires.room)):
                self.waiting[network.CLIENT_SIDE] += self.next_inbound()
            self.exchange()
        self.judge(self.wires.settle())
        while any(self.waiting):  # what has come may be answered
            self.exchange()
            self.judge(self.wires.settle())
        self.finish()

    def exchange(self):
        ends = [self.end_of_burst(w) for w in self.waiting]
        now = [w[:end] for w, end in zip(self.waiting, ends)]
        self.waiting = [w[end:] for w, end in zip(self.waiting, ends)]
        self.judge(self.wires.exchange([[self.begin(s) for s in w] for w in now]))

    def end_of_burst(self, waiting):
        """How many go at once: the fragments of a datagram together, since they do not wait long for each other."""
        end = self.wires.room
        while end < len(waiting) and waiting[end].datagram is not None and waiting[end].datagram is waiting[end - 1].datagram:
            end -= 1
        return end

    def begin(self, s):
        """Takes note of a packet that goes out now, and returns its frame."""
        s.number = self.numbers
        self.numbers += 1
        if isinstance(s, Told):
            self.tunnels[self.tag_of(s.wire, s.inner)] = s
        else:
            self.under_way[self.tag_of(s.wire, s.bytes)] = s
        padding = self.traffic.data(max(0, 60 - 14 - len(s.bytes)))
        mac = network.ROUTER_MAC if s.wire == network.CLIENT_SIDE else network.server_mac(s.flow.server)
        return frames.ethernet(network.PORT_MACS[s.wire], mac, s.bytes) + padding

    # What is sent.

    def next_inbound(self):
        flow = self.pick_flow()
        if flow.sent > 0 and flow.server and self.traffic.chance(0.08):
            return self.unusual(flow)
        first, flow.sent = flow.sent == 0, flow.sent + 1
        return self.packets(flow, network.CLIENT_SIDE, first)

    def unusual(self, flow):
        if flow.protocol == "icmp":
            return []
        kind = self.random.choice([self.ping, self.too_long, self.clients_report])
        return kind(flow) or []

    def pick_flow(self):
        if not self.flows or self.traffic.chance(0.12):
            protocol = self.random.choice(self.protocols)
            client, vport = self.traffic.client(self.setup.vip), network.SERVICES[protocol][0] if protocol in network.SERVICES else 0
            self.flows.append(Flow(protocol, client, self.random.randrange(1, 1 << 16), self.setup.vip_address(), vport))
            return self.flows[-1]
        return self.random.choice(self.flows[-50:])

    def answer(self, flow):
        """A real server's answer."""
        first, flow.answered = flow.answered == 0, flow.answered + 1
        if not first and self.traffic.chance(0.1) and (packets := self.longer_than_room(flow, network.SERVER_SIDE)):
            return packets
        return self.packets(flow, network.SERVER_SIDE, first)

    def ends(self, flow, wire):
        """The addresses and ports that a flow has on a wire, seen from who sends there."""
        if wire == network.CLIENT_SIDE:
            return flow.client, flow.vip, flow.port, flow.vport
        to, port = flow.local or (flow.client, flow.port)
        return flow.server, to, self.setup.server_port(flow.protocol), port

    def packets(self, flow, wire, first):
        """A packet of the flow, or the fragments of one."""
        if flow.protocol == "icmp":
            return [Echo(self.setup, flow, wire, self.echo(flow, wire))]
        fragments = flow.protocol != "sctp" and not self.setup.mixed()
        if fragments and not (first and flow.protocol == "tcp") and self.traffic.chance(0.06):
            return self.pieces(flow, wire)
        packet = self.make(flow, wire, first, self.setup.room(wire))
        if self.traffic.chance(self.damaged):
            return [Damaged(self.setup, flow, wire, packet, self.random.randrange(1, 0xFFFF))]
        return [Whole(self.setup, flow, wire, packet)]

    def make(self, flow, wire, first, limit, least=0, plain=False, **ip):
        t, (src, dst, sport, dport) = self.traffic, self.ends(flow, wire)
        family, inbound = network.family(src), wire == network.CLIENT_SIDE
        if self.setup.mixed():
            least = max(4, least)
        if flow.protocol == "tcp":
            flags = ("S" if inbound else "SA") if first else t.segment_flags()
            complete = t.tcp(sport, dport, flags, limit, least)
        elif flow.protocol == "udp":
            complete = t.udp(sport, dport, limit, family, least)
        else:
            complete = t.sctp(sport, dport, first and inbound, limit)
        header = t.ip(family, src, dst, plain)
        for name, value in ip.items():
            setattr(header, name, value)
        return complete(header)

    def pieces(self, flow, wire):
        """A large packet in fragments, in any order. The first one holds the whole header."""
        size = self.random.randrange(1000, 4000)
        ip = {"flags": ""} if network.family(self.ends(flow, wire)[0]) == 4 else {}
        packet = self.make(flow, wire, False, size, size - 200, plain=True, **ip)
        b = raw(packet)
        end, cuts = len(frames.transport_bytes(b)[0]), [0]
        most = (self.setup.room(wire) - 60) & ~7
        while cuts[-1] < end:
            cuts.append(min(end, cuts[-1] + 8 * self.random.randrange(20, most // 8 + 1)))
        number = self.random.getrandbits(32) if b[0] >> 4 == 6 else packet.id
        pieces = [Piece(self.setup, flow, wire, packet, at, number) for at in zip(cuts, cuts[1:])]
        self.random.choice([lambda p: None, list.reverse, self.random.shuffle])(pieces)
        return pieces

    def ping(self, flow):
        if not self.setup.echo:
            return None
        return [Ping(self.setup, flow, self.echo_packet(flow.client, flow.vip, self.random.getrandbits(16), True))]

    def echo(self, flow, wire):
        src, dst, sport, dport = self.ends(flow, wire)
        return self.echo_packet(src, dst, sport or dport, wire == network.CLIENT_SIDE)

    def echo_packet(self, src, dst, number, request):
        t, family = self.traffic, network.family(src)
        header, count, data = t.ip(family, src, dst, plain=family == 6), t.random.getrandbits(16), t.data(t.random.randrange(1000))
        if family == 6:
            return header / (ICMPv6EchoRequest if request else ICMPv6EchoReply)(id=number, seq=count, data=data)
        return header / ICMP(type=8 if request else 0, id=number, seq=count) / Raw(data)

    def too_long(self, flow):
        return self.longer_than_room(flow, network.CLIENT_SIDE)

    def longer_than_room(self, flow, wire):
        """More than the way has room for: refused, or divided where that is allowed."""
        room, family = self.setup.room(wire), network.family(self.ends(flow, wire)[0])
        if room == network.MTU or flow.protocol in ("sctp", "icmp"):
            return None
        size, whole = self.random.randrange(room + 1, network.MTU + 1), family == 6 or self.traffic.chance(0.5)
        packet = self.exactly(flow, wire, size, {} if family == 6 else {"flags": "DF" if whole else ""})
        if not whole:
            self.seen["divided"] += 1
            return [Whole(self.setup, flow, wire, packet)]
        if self.refused + self.told == MOST_ERRORS:
            return None
        self.refused += 1
        teller = flow.vip if wire == network.CLIENT_SIDE else network.BACK[self.setup.server]
        return [TooLong(self.setup, flow, wire, packet, room, teller)]

    def exactly(self, flow, wire, size, ip):
        packet = self.make(flow, wire, False, size, 0, plain=True, **ip)
        short = size - len(raw(packet))
        layer = packet.lastlayer()
        return packet / Raw(self.traffic.data(short)) if layer.name != "Raw" else self.longer(packet, layer, short)

    def longer(self, packet, layer, by):
        layer.load += self.traffic.data(by)
        return packet

    def report_fields(self, family):
        r = self.random
        if family == 6:
            return {"fl": self.traffic.tag(), "tc": r.randrange(256), "hlim": r.randrange(2, 256)}
        return {"id": self.traffic.tag(), "tos": r.randrange(256), "ttl": r.randrange(2, 256), "flags": r.choice(["", "DF"])}

    def clients_report(self, flow):
        """In dr and ipip answers do not pass here, but errors about them do."""
        if self.setup.through_director():
            return None
        client, vip, port, vport = self.ends(flow, network.CLIENT_SIDE)
        quoted = raw(self.make(Flow(flow.protocol, vip, vport, client, port), network.CLIENT_SIDE, False, 1000))
        about = Whole.__new__(Whole)
        about.flow = flow
        return [self.report(about, network.CLIENT_SIDE, quoted)]

    def report(self, about, wire, got):
        data, _ = frames.transport_bytes(got)
        length = min(len(data), self.random.choice([8, 8, 20, 64, 200]))
        return Report(self.setup, about, wire, got, self.random.choice(MEANINGS), length, self.report_fields(got[0] >> 4))

    # Judging.

    def tag_of(self, wire, b):
        """What identifies a packet on both sides of the director."""
        at = frames.place(b)
        if self.setup.mixed():
            return (wire,) + self.mixed_tag(b)
        return wire, frames.flow_label(b) if b[0] >> 4 == 6 else frames.identification(b), at.offset if at else 0

    def mixed_tag(self, b):
        if frames.is_error(b):
            return "report", frames.transport_tag(frames.quoted(b))
        if frames.is_echo(b):
            return "echo", frames.icmp(b)[0][4:8]
        return "whole", frames.transport_tag(b)

    def judge(self, came):
        for wire, frame in came:
            if not frames.is_announcement(frame):
                problem = self.judge_one(wire, frame)
                if problem:
                    self.errors.append(problem)

    def judge_one(self, wire, frame):
        got = frames.network_bytes(frame)
        if frames.is_error(got) and (s := self.under_way.get(self.tag_of(wire, frames.quoted(got)))) and s.refused:
            del self.under_way[self.tag_of(wire, s.bytes)]
            problem = s.problem(got)
            return problem and f"{problem}: {s.flow}\n{show(frame)}"
        if frames.is_error(got) and (s := self.tunnels.pop(self.tag_of(1 - wire, frames.quoted(got)), None)):
            self.seen["Told"] += 1
            problem = s.problem(got)
            return problem and f"{problem}: {s.flow}\n{show(frame)}"
        if self.setup.echo and frames.is_echo(got) and (s := self.under_way.pop(self.tag_of(wire, got), None)):
            self.seen["pings"] += 1
            return self.compare(s, wire, frame, got, s.owed(got), network.ROUTER_MAC)
        return self.judge_forwarded(wire, frame, got)

    def judge_forwarded(self, wire, frame, got):
        if self.is_ours_to_join(wire, got):
            got = self.reassembly[wire].add(got)
            if got is None:
                return None
        s = self.under_way.pop(self.tag_of(1 - wire, self.inner(wire, got)), None)
        if s is None:
            return "came out, but nothing of the kind went in, or it came twice:\n" + show(frame)
        problem = self.in_order(s, wire)
        self.seen[wire] += 1
        self.seen[type(s).__name__] += 1
        if wire == network.CLIENT_SIDE:
            problem = problem or self.compare(s, wire, frame, got, s.owed(got), network.ROUTER_MAC)
        else:
            problem = problem or self.learn(s, frame, got)
            problem = problem or self.compare(s, wire, frame, got, s.owed(got), network.server_mac(s.flow.server))
        if not problem:
            self.react(s, wire, got)
        return problem and f"{problem}: {s.flow}\n{show(frame)}"

    def is_ours_to_join(self, wire, got):
        """Whether a packet is a fragment that the director has made."""
        if frames.place(got) is None:
            return False
        return self.setup.mode == "ipip" or self.setup.mixed()

    def inner(self, wire, got):
        if wire == network.CLIENT_SIDE or self.setup.mode != "ipip":
            return got
        return got[20 if got[0] >> 4 == 4 else 40:]

    def in_order(self, s, wire):
        if not s.ordered:
            return None
        if s.flow.last.get(wire, -1) > s.number:
            return "came out of its turn"
        s.flow.last[wire] = s.number
        return None

    def react(self, s, wire, got):
        """What hosts do about a packet that has come to them, and routers on its way."""
        if self.may_report_tunnel(s) and self.traffic.chance(0.02):
            self.told += 1
            fields = self.report_fields(got[0] >> 4)
            self.waiting[wire].append(Told(self.setup, s, got[:500], self.inner(wire, got)[:500], self.random.choice(MEANINGS), fields))
        if not self.setup.through_director() or not s.ordered:
            return
        if s.sound and s.flow.protocol != "icmp" and self.traffic.chance(0.05) and (not self.setup.mixed() or s.flow.protocol == "tcp"):
            self.waiting[wire].append(self.report(s, wire, got))
        if wire == network.SERVER_SIDE and self.traffic.chance(0.7):
            self.waiting[wire] += self.answer(s.flow)

    def may_report_tunnel(self, s):
        usual = s.sound and s.ordered and s.flow.protocol != "icmp"
        return self.setup.mode == "ipip" and usual and self.refused + self.told < MOST_ERRORS

    def learn(self, s, frame, got):
        """Takes what the director chose for a flow from its first output and wants it kept."""
        flow = s.flow
        server, local = self.chosen(frame, got)
        if server not in self.setup.servers():
            return f"went to {server}, which is no real server"
        if flow.server is None:
            flow.server, flow.local = server, local
            return local and self.learn_local(flow, local)
        if server != flow.server or local not in (flow.local, None):
            return f"left its session for {server} {local}"
        return None

    def learn_local(self, flow, local):
        key = (flow.protocol, flow.server) + local
        if local[0] not in network.LOCAL[self.setup.server]:
            return f"{local} is no local address"
        if key in self.sources:
            return f"{local} belongs to {self.sources[key]}"
        self.sources[key] = flow
        return None

    def chosen(self, frame, got):
        if self.setup.mode == "dr":
            mac = frame[:6].hex(":")
            return next((a for a in self.setup.servers() if network.server_mac(a) == mac), mac), None
        src, dst = frames.addresses(got)
        at = frames.place(got)
        if self.setup.mode != "fullnat" or frames.is_error(got) or at and at.offset:
            return dst, None
        return dst, (src, frames.ports(got)[0])

    def compare(self, s, wire, frame, got, owed, to):
        if frame[:14] != frames.ethernet(to, network.PORT_MACS[wire], owed)[:14]:
            return f"Ethernet header is {frame[:14].hex()}, to be sent to {to}"
        trailer = len(frame) - 14 - len(frames.network_bytes(frame))
        if s.same(owed, got) and trailer <= max(0, 46 - len(s.bytes)):
            return None
        return f"{type(s).__name__} differs from what is owed, or has {trailer} bytes behind it\n{frames.difference(s.bytes, owed, got)}"

    # The end.

    def finish(self):
        for s in [*self.under_way.values(), *self.tunnels.values()]:
            self.errors.append(f"{type(s).__name__} never came out: {s.flow}\n" + s.bytes.hex())
        for protocol in self.setup.protocols:
            flows = self.flows_of(protocol)
            picks = [sum(f.server == a for f in flows) for a in self.setup.servers()]
            if max(picks) - min(picks) > 1:
                self.errors.append(f"round robin gave the real servers {picks} {protocol} sessions")

    def flows_of(self, service):
        """The sessions of a service; TCP's has those of echo requests too."""
        return [f for f in self.flows if f.protocol == service or f.protocol == "icmp" and service == "tcp"]

    def check_report(self, report):
        """Holds the director's own counts against what was seen."""
        want = {"not_ip": self.wires.fillers, "too_big": self.refused}
        if report["drops"] != {reason: n for reason, n in want.items() if n}:
            self.errors.append(f"dropped {report['drops']}, to be dropped are {want}")
        for service in report["services"]:
            flows = self.flows_of(service["name"])
            if service["connections"] != len(flows):
                self.errors.append(f"{service['name']}: {service['connections']} sessions reported, {len(flows)} made")
        for what, wire in (("in_packets", network.SERVER_SIDE), ("out_packets", network.CLIENT_SIDE)):
            if (n := sum(s[what] for s in report["services"])) != self.seen[wire]:
                self.errors.append(f"{what}: {n} reported, {self.seen[wire]} seen")

    def summary(self):
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.seen.items(), key=str) if isinstance(kind, str))
        return f"{len(self.flows)} sessions, {self.seen[network.SERVER_SIDE]} packets in, {self.seen[network.CLIENT_SIDE]} out: {kinds}, " \
            f"{self.refused} refused"


class EchoTrial(Trial):
    """Echo requests that a service leaves to its real servers, among its other traffic."""

    def __init__(self, setup, *others):
        setup.echo = False
        super().__init__(setup, *others)
        self.protocols = ["icmp", "tcp"]


class DamagedTrial(Trial):
    """Traffic of which half has wrong checksums."""

    damaged = 0.5
