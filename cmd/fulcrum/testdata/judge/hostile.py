"""Packets that nobody sends in good faith, each with what is to become of it.

A class is a function that yields (wire, frame, fate). A fate is a drop reason, several of them with | between them where it depends on the
time which one it is, "consumed", "answered" (consumed, with an answer), or "forwarded".
"""

import collections

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import raw

import frames
import hostile4
import hostile6
import network

CLASSES = {4: hostile4.CLASSES, 6: hostile6.CLASSES}

FATES = ("consumed", "answered", "forwarded")


class Hostile:
    """Sends all classes, or some, and holds the director's counts against the fates."""

    def __init__(self, setup, traffic, wires, wanted):
        self.setup, self.traffic, self.wires = setup, traffic, wires
        classes = CLASSES[setup.vip]
        self.wanted = classes if wanted == "all" else {name: classes[name] for name in wanted.split(",")}
        self.errors, self.fates, self.by_class, self.sent = [], collections.Counter(), {}, set()
        self.forwarded = self.refusals = self.answers = self.resets = 0

    def run(self):
        waiting = [[], []]
        for name, make in self.wanted.items():
            fates = collections.Counter()
            for wire, frame, fate in make(Attacker(self.setup, self.traffic)):
                waiting[wire].append(frame)
                fates[fate] += 1
            self.by_class[name] = fates
            self.fates += fates
        while any(waiting):
            room = self.wires.room
            now, waiting = [w[:room] for w in waiting], [w[room:] for w in waiting]
            self.sent.update(f[14:] for f in now[0] + now[1])
            self.look(self.wires.exchange(now))
        self.look(self.wires.settle())

    def look(self, came):
        for wire, frame in came:
            if frames.is_announcement(frame):
                continue
            b = frames.network_bytes(frame)
            if frames.is_error(b):
                self.refusals += 1
                self.look_at_error(frame, b)
            elif frames.is_neighbour_discovery(frame) or frames.is_echo_reply(b):
                self.answers += 1
            elif self.is_reset(wire, b):
                self.resets += 1
                self.look_at_reset(frame, b)
            else:
                self.forwarded += 1

    def is_reset(self, wire, b):
        """Whether a segment to a client is the director's own: no server of theirs answers one."""
        s = frames.segment(b)
        return wire == network.CLIENT_SIDE and s is not None and s.source[0] == self.setup.vip_address() and s.flags & frames.RST

    def look_at_reset(self, frame, b):
        """A reset answers a segment that was sent, which was none itself, with the numbers that follow from it."""
        s = frames.segment(b)
        about = [m for m in map(frames.segment_in, self.sent) if m and (m.source, m.destination) == (s.destination, s.source)]
        if not frames.segment_right(b):
            self.errors.append("a reset that is not sound:\n" + frames.show(frame))
        elif not any(m.reset() == (s.seq, s.ack, s.flags) for m in about if not m.flags & frames.RST):
            self.errors.append("a reset about nothing that was sent:\n" + frames.show(frame))

    def look_at_error(self, frame, b):
        """An error quotes a packet that was sent, and goes to who sent it."""
        quoted = frames.quoted(b)
        about = next((s for s in self.sent if s.startswith(quoted) and (len(quoted) >= 28 or quoted == s)), None)
        if not frames.checksums_right(b):
            self.errors.append("an ICMP error with a wrong checksum:\n" + frames.show(frame))
        elif about is None or frames.addresses(about)[0] != frames.addresses(b)[1]:
            self.errors.append("an ICMP error about nothing that was sent, or to somebody else:\n" + frames.show(frame))

    def summary(self):
        return f"{len(self.by_class)} classes, {sum(self.fates.values())} packets; {self.refusals} ICMP errors, {self.answers} answers, " \
            f"{self.resets} resets, {self.forwarded} forwarded"

    def check_report(self, report):
        got = collections.Counter(report["drops"])
        got["not_ip"] -= self.wires.fillers
        fences = self.wires.rounds * len(self.wires.wires)
        for what, has, owed in (("consumed", report["consumed"] - fences, self.fates["consumed"] + self.fates["answered"]),
                                ("forwarded", self.forwarded, self.fates["forwarded"]), ("answers", self.answers, self.fates["answered"])):
            if has != owed:
                self.errors.append(f"{what}: {has}, not {owed}")
        if "no_service" in self.by_class and self.resets < 2:
            self.errors.append(f"{self.resets} resets, not the two of a SYN to a port without service")
        reasons = set(got) | set(self.fates) - set(FATES)
        joined = {r for fate in reasons if "|" in fate for r in fate.split("|")}
        for group in [{r} for r in reasons if "|" not in r and r not in joined] + ([joined] if joined else []):
            has = sum(got[r] for r in group)
            owed = sum(n for fate, n in self.fates.items() if set(fate.split("|")) & group)
            if has != owed:
                self.errors.append(f"{' '.join(sorted(group))}: {has} dropped, not {owed}")
        if self.errors and len(self.by_class) == 1:
            self.errors.append(f"a packet of each fate: {self.examples()}")

    def examples(self):
        (make,) = self.wanted.values()
        return {fate: frame.hex() for _, frame, fate in make(Attacker(self.setup, self.traffic))}


class Attacker:
    """Makes frames: of what a class hands it, and in between what a class has no wish about."""

    def __init__(self, setup, traffic):
        self.setup, self.traffic, self.random, self.family = setup, traffic, traffic.random, setup.vip
        self.vip, self.own, self.back = setup.vip_address(), network.FRONT[setup.vip], network.BACK[setup.vip]
        self.server = setup.servers()[0]

    def ip(self, protocol, data):
        """A packet to the VIP."""
        if self.family == 6:
            return raw(IPv6(src=self.client(), dst=self.vip, nh=protocol, plen=len(data))) + data
        return raw(IP(src=self.client(), dst=self.vip, proto=protocol) / data)

    def client(self):
        return self.traffic.client(self.family)

    def from_client(self, packet, fate):
        """A packet, of scapy or bytes, on the client's side."""
        return network.CLIENT_SIDE, self.frame(network.CLIENT_SIDE, network.ROUTER_MAC, packet), fate

    def from_server(self, packet, fate):
        return network.SERVER_SIDE, self.frame(network.SERVER_SIDE, network.server_mac(self.server), packet), fate

    def frame(self, wire, mac, packet):
        b = packet if isinstance(packet, bytes) else raw(packet)
        return frames.mac(network.PORT_MACS[wire]) + frames.mac(mac) + frames.ETHER_TYPES[self.family] + b
