"""The packets of a trial, each with what is owed for it."""

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.packet import Raw, raw

import duty
import frames
import network


ECHO_TTL = 64


class Whole:
    """A packet of a flow."""

    ordered = True  # leaves in the order in which it came
    refused = False  # its sender is told why
    sound = True  # its receiver looks at it
    datagram = None  # of which it is a fragment

    def __init__(self, setup, flow, wire, packet):
        self.setup, self.flow, self.wire, self.packet, self.bytes = setup, flow, wire, packet, raw(packet)
        self.number = 0
        self.promised = duty.clamped(packet, setup.mss)

    def same(self, owed, got):
        """Whether what came out is what is owed."""
        return owed == got

    def owed(self, got):
        return self.owed_inside(got) if self.wire == network.CLIENT_SIDE else self.owed_outside()

    def owed_inside(self, got):
        flow, p, setup = self.flow, self.promised, self.setup
        port = setup.server_port(flow.protocol)
        if setup.mode == "dr":
            return raw(duty.routed(p))
        if setup.mode == "ipip":
            return duty.tunnelled(raw(duty.routed(p)), network.BACK[setup.server], flow.server, got)
        if setup.mode == "nat":
            return raw(duty.translated(p, None, flow.server, None, port))
        if setup.mixed():
            return raw(duty.narrowed(p, flow.local[0], flow.server, flow.local[1], port, got))
        return raw(duty.translated(p, flow.local[0], flow.server, flow.local[1], port))

    def owed_outside(self):
        flow = self.flow
        make = duty.widened if self.setup.mixed() else duty.translated
        return raw(make(self.promised, flow.vip, flow.client, flow.vport, flow.port))


class Damaged(Whole):
    """A packet with a wrong checksum of its transport layer: it has to stay wrong, so that its receiver throws it away."""

    sound = False

    def __init__(self, setup, flow, wire, packet, wrong):
        super().__init__(setup, flow, wire, packet)
        layer = duty.transport(packet)
        if layer.name == "UDP" and layer.chksum == 0:
            layer.chksum = None  # none cannot be wrong
            super().__init__(setup, flow, wire, packet)
        self.bytes = frames.spoiled(self.bytes, wrong)

    def same(self, owed, got):
        at, length = frames.checksum_place(frames.inner_most(got))
        at += len(got) - len(frames.inner_most(got))
        return owed[:at] + owed[at + length:] == got[:at] + got[at + length:] and owed[at:at + length] != got[at:at + length]


class Piece(Whole):
    """A fragment: what is owed is the same piece of what is owed for the whole."""

    ordered = False  # those that come before the first one wait for it

    def __init__(self, setup, flow, wire, packet, at, identification):
        super().__init__(setup, flow, wire, packet)
        self.datagram, self.at, self.identification = packet, at, identification
        self.bytes = frames.fragment(raw(packet), at, identification)

    def owed(self, got):
        if self.setup.mode == "dr":
            return frames.hopped(self.bytes)
        if self.setup.mode == "ipip":
            return duty.tunnelled(frames.hopped(self.bytes), network.BACK[self.setup.server], self.flow.server, got)
        return frames.fragment(super().owed(got), self.at, self.identification)


class TooLong(Whole):
    """A packet that the way has no room for and that may not be divided: its sender is told how much room there is."""

    refused = True

    def __init__(self, setup, flow, wire, packet, mtu, teller):
        super().__init__(setup, flow, wire, packet)
        self.mtu, self.teller = mtu, teller

    def problem(self, b):
        """What is wrong with the ICMP error that came for it."""
        message, family = frames.icmp(b)
        want = {4: (3, 4), 6: (2, 0)}[family]
        if (message[0], message[1]) != want or int.from_bytes(message[4:8], "big") != self.mtu:
            return f"is not packet too big with an MTU of {self.mtu}"
        if frames.addresses(b) != (self.teller, frames.addresses(self.bytes)[0]):
            return f"is not from {self.teller} to the sender"
        if not self.bytes.startswith(frames.quoted(b)):
            return "does not quote what was sent"
        return None if frames.checksums_right(b) else "has a wrong checksum"


class Told:
    """An ICMP error about a tunnel, of which the client is told whose packet was in it. The director's own words, as in TooLong."""

    ordered = refused = False
    datagram = None

    def __init__(self, setup, about, outer, inner, meaning, fields):
        self.setup, self.flow, self.inner, self.wire, self.number = setup, about.flow, inner, network.SERVER_SIDE, 0
        src, dst = frames.addresses(outer)[1], frames.addresses(outer)[0]
        self.bytes = raw(message(src, dst, meaning, outer, **fields))
        kind, code, rest = meaning[0] if network.family(src) == 4 else meaning[1]
        self.want = {4: (3, 1, 0), 6: (1, 3, 0)}[setup.vip]
        if (kind, code) in ((3, 4), (2, 0)):
            self.want = {4: (3, 4), 6: (2, 0)}[setup.vip] + (rest - (network.MTU - setup.room(network.CLIENT_SIDE)),)

    def problem(self, b):
        message, _ = frames.icmp(b)
        if (message[0], message[1], int.from_bytes(message[4:8], "big")) != self.want:
            return f"does not mean {self.want}, as what was reported of the tunnel does"
        if frames.addresses(b) != (self.flow.vip, self.flow.client):
            return "is not from the VIP to the client"
        if not self.inner.startswith(frames.quoted(b)):
            return "does not quote what was in the tunnel"
        return None if frames.checksums_right(b) else "has a wrong checksum"


class Echo(Whole):
    """An echo request or reply that is a packet of a session, with its identifier for the client's port."""

    def __init__(self, setup, flow, wire, packet):
        self.setup, self.flow, self.wire, self.packet, self.bytes, self.number = setup, flow, wire, packet, raw(packet), 0
        self.promised = packet

    def owed_inside(self, got):
        if not self.setup.through_director():
            return super().owed_inside(got)
        src, number = self.flow.local or (self.flow.client, self.flow.port)
        return self.addressed(src, self.flow.server, number)

    def owed_outside(self):
        return self.addressed(self.flow.vip, self.flow.client, self.flow.port)

    def addressed(self, src, dst, number):
        q = duty.routed(self.packet)
        q.src, q.dst = src, dst
        frames.echo_layer(q).id = number
        return raw(q)


class Ping(Whole):
    """An echo request to the VIP, which the director answers."""

    def __init__(self, setup, flow, packet):
        self.setup, self.flow, self.wire, self.packet, self.bytes, self.number = setup, flow, network.CLIENT_SIDE, packet, raw(packet), 0

    def owed(self, got):
        q = self.packet.copy()
        q.src, q.dst = q.dst, q.src
        if q.version == 6:
            q.hlim = ECHO_TTL
            q.payload = ICMPv6EchoReply(id=q[ICMPv6EchoRequest].id, seq=q[ICMPv6EchoRequest].seq, data=q[ICMPv6EchoRequest].data)
        else:
            q.ttl, q[ICMP].type = ECHO_TTL, 0
        return raw(q)

    def same(self, owed, got):
        """0 and 0xffff are the same checksum, but for a message of zeros."""
        at = len(got) - len(frames.transport_bytes(got)[0]) + 2
        return owed[:at] + owed[at + 2:] == got[:at] + got[at + 2:] and frames.checksums_right(got)


# What ICMP errors say: type, code and the second word of IPv4's and of IPv6's, each the other's translation (RFC 7915, 4.2 and 5.2).
MEANINGS = [((3, 1, 0), (1, 0, 0)), ((3, 3, 0), (1, 4, 0)), ((11, 0, 0), (3, 0, 0)), ((3, 4, 1450), (2, 0, 1470)), ((3, 4, 1400), (2, 0, 1420))]


def message(src, dst, meaning, quoted, **fields):
    """An ICMP error of either family."""
    if network.family(src) == 4:
        kind, code, rest = meaning[0]
        return IP(src=src, dst=dst, **fields) / ICMP(type=kind, code=code, nexthopmtu=rest, unused=0) / Raw(quoted)
    kind, code, rest = meaning[1]
    layer = {1: ICMPv6DestUnreach, 2: ICMPv6PacketTooBig, 3: ICMPv6TimeExceeded}[kind](code=code)
    if kind == 2:
        layer.mtu = rest
    return IPv6(src=src, dst=dst, **fields) / layer / Raw(quoted)


class Report(Whole):
    """An ICMP error about a packet that came out: it is owed to who sent that packet, with that packet in it as it was sent, but for
    its TTL, and cut off at the same place."""

    ordered = False

    def __init__(self, setup, about, wire, got, meaning, length, fields):
        flow = about.flow
        header = len(got) - len(frames.transport_bytes(got)[0])
        src, dst = frames.addresses(got)[1], frames.addresses(got)[0]
        self.setup, self.flow, self.wire, self.number, self.about, self.meaning = setup, flow, wire, 0, about, meaning
        self.length, self.fields, self.sum = length, fields, got[header + 8:header + 12]
        self.bytes = raw(message(src, dst, meaning, got[:header + length], **fields))

    def owed(self, got):
        if self.setup.mode in ("dr", "ipip"):
            b = frames.hopped(self.bytes)
            return b if self.setup.mode == "dr" else duty.tunnelled(b, network.BACK[self.setup.server], self.flow.server, got)
        sent = raw(self.about.promised)
        to = frames.addresses(sent)[0]
        src = self.source()
        if self.setup.mixed():
            return raw(message(src, to, self.meaning, self.quoted_mixed(got), **self.fields_mixed(got)))
        header = len(sent) - len(frames.transport_bytes(sent)[0])
        sent = self.with_sum(sent, header)
        fields = dict(self.fields)
        for ttl in ("ttl", "hlim"):
            if ttl in fields:
                fields[ttl] -= 1
        return raw(message(src, to, self.meaning, frames.hopped(sent)[:header + self.length], **fields))

    def with_sum(self, sent, header):
        """SCTP's checksum is over all of the packet, so that nobody who has only a part can make it right for other ports."""
        if self.flow.protocol != "sctp":
            return sent
        return sent[:header + 8] + self.sum + sent[header + 12:]

    def source(self):
        """Who seems to have sent it: the client knows of no one behind the VIP, nor a real server in fullnat of anybody but the local address."""
        if self.wire == network.SERVER_SIDE:
            return self.flow.vip
        return self.flow.local[0] if self.setup.mode == "fullnat" else self.flow.client

    def quoted_mixed(self, got):
        """The packet's header in the family that its sender speaks, without what the director had taken off. The identification and
        DF of IPv4 were lost on the way."""
        p, sent = self.about.promised, raw(self.about.promised)
        data, protocol = frames.transport_bytes(sent)
        if p.version == 6:
            header = IPv6(src=p.src, dst=p.dst, tc=p.tc, hlim=p.hlim - 1, nh=protocol, plen=len(data))
        else:
            header = IP(src=p.src, dst=p.dst, tos=p.tos, ttl=p.ttl - 1, proto=p.proto, len=20 + len(data),
                        id=frames.identification(got[28:]), flags=frames.flags(got[28:]))
        return raw(header) + data[:self.length]

    def fields_mixed(self, got):
        if "ttl" in self.fields:
            return {"tc": self.fields["tos"], "hlim": self.fields["ttl"] - 1}
        return {"tos": self.fields["tc"], "ttl": self.fields["hlim"] - 1, "id": frames.identification(got), "flags": frames.flags(got)}
