"""Frames as bytes: what has to be read before scapy is asked, and how they are shown."""

import socket

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.utils import checksum

ETHER_TYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ethernet(dst, src, packet):
    return mac(dst) + mac(src) + ETHER_TYPES[packet[0] >> 4] + packet


def network_bytes(frame):
    """The IP packet in a frame, without what is behind its end."""
    b = frame[14:]
    if frame[12:14] == ETHER_TYPES[6]:
        return b[:40 + int.from_bytes(b[4:6], "big")]
    return b[:int.from_bytes(b[2:4], "big")]


def addresses(b):
    if b[0] >> 4 == 6:
        return socket.inet_ntop(socket.AF_INET6, b[8:24]), socket.inet_ntop(socket.AF_INET6, b[24:40])
    return socket.inet_ntoa(b[12:16]), socket.inet_ntoa(b[16:20])


EXTENSIONS = {0, 43, 44, 60}


def transport_bytes(b):
    """What follows the IP header and its extensions, and its protocol."""
    if b[0] >> 4 == 4:
        return b[(b[0] & 15) * 4:], b[9]
    protocol, at = b[6], 40
    while protocol in EXTENSIONS:
        length = 8 if protocol == 44 else 8 + 8 * b[at + 1]
        protocol, at = b[at], at + length
    return b[at:], protocol


def ports(b):
    """The ports of a packet; those of an echo request are its identifier and 0."""
    t, protocol = transport_bytes(b)
    if protocol in (1, 58):
        return int.from_bytes(t[4:6], "big"), 0
    return int.from_bytes(t[:2], "big"), int.from_bytes(t[2:4], "big")


def transport_tag(b):
    """Identifies a packet by what it carries: TCP's sequence number, UDP's first data, the first chunk's beginning."""
    t, protocol = transport_bytes(b)
    at = {6: 4, 17: 8, 132: 16}[protocol]
    return protocol, t[at:at + 4]


def is_announcement(frame):
    """What a director says of its own addresses when it starts: ARP, duplicate address detection, neighbour advertisements."""
    if frame[12:14] == b"\x08\x06":
        return frame[28:32] == frame[38:42]
    return frame[12:14] == ETHER_TYPES[6] and frame[20] == 58 and frame[38] == 0xFF and frame[54] in (135, 136)


def show(frame):
    b = frame[14:]
    if frame[12:14] not in ETHER_TYPES.values():
        return frame.hex()
    packet = (IPv6 if b[0] >> 4 == 6 else IP)(b)
    return f"{frame[:14].hex()} {b.hex()}\n{packet.summary()}"


def difference(sent, owed, got):
    at = next((i for i, (a, b) in enumerate(zip(owed, got)) if a != b), min(len(owed), len(got)))
    return f"first at byte {at} of the IP packet\nsent {sent.hex()}\nowed {owed.hex()}\ngot  {got.hex()}"


ERRORS = {4: {3, 4, 11, 12}, 6: {1, 2, 3, 4}}


def icmp(b):
    """The ICMP message in a packet, if there is one, and its family."""
    family = b[0] >> 4
    if place(b):
        return b"", family
    message, protocol = transport_bytes(b)
    return (message, family) if protocol == {4: 1, 6: 58}[family] else (b"", family)


def is_error(b):
    message, family = icmp(b)
    return message != b"" and message[0] in ERRORS[family]


def is_echo(b):
    """Whether it is an echo request or a reply."""
    message, family = icmp(b)
    return message != b"" and message[0] in {4: (0, 8), 6: (128, 129)}[family]


FIN, SYN, RST, ACK = 1, 2, 4, 16


class Segment:
    """A TCP segment: its ends and what a reset of it depends on."""

    def __init__(self, b):
        t, _ = transport_bytes(b)
        self.source, self.destination = (addresses(b)[0], ports(b)[0]), (addresses(b)[1], ports(b)[1])
        self.seq, self.ack = int.from_bytes(t[4:8], "big"), int.from_bytes(t[8:12], "big")
        self.flags, self.data = t[13], len(t) - 4 * (t[12] >> 4)

    def reset(self):
        """The sequence number, the acknowledgement number and the flags of the reset that answers it (RFC 9293, 3.5.2)."""
        if self.flags & ACK:
            return self.ack, 0, RST
        taken = self.data + bool(self.flags & SYN) + bool(self.flags & FIN)
        return 0, (self.seq + taken) & 0xFFFFFFFF, RST | ACK


def segment(b):
    """The segment in a packet that is whole; None if there is none."""
    if place(b) or transport_bytes(b)[1] != 6 or len(transport_bytes(b)[0]) < 20:
        return None
    return Segment(b)


def segment_in(b):
    """The segment in what was sent, which need not be a packet at all."""
    try:
        return segment(network_bytes(bytes(12) + ETHER_TYPES[b[0] >> 4] + b))
    except (IndexError, KeyError, OSError, ValueError):
        return None


def segment_right(b):
    """Whether scapy's sums over a segment without data, and over its IP header, come out right."""
    t, _ = transport_bytes(b)
    if b[0] >> 4 == 6:
        return len(t) == 20 and in6_chksum(6, IPv6(b[:40]), t) == 0
    pseudo = b[12:20] + b"\0\x06" + len(t).to_bytes(2, "big")
    return len(t) == 20 and checksum(b[:20]) == 0 and checksum(pseudo + t) == 0


def echo_layer(p):
    """scapy's layer with the identifier."""
    while all(field.name != "id" for field in p.fields_desc) or p.name == "IP":
        p = p.payload
    return p


def is_echo_reply(b):
    message, family = icmp(b)
    return message != b"" and message[0] == {4: 0, 6: 129}[family]


def is_neighbour_discovery(frame):
    return frame[12:14] == b"\x08\x06" or frame[12:14] == ETHER_TYPES[6] and frame[20] == 58 and frame[54] in (135, 136)


def quoted(b):
    return icmp(b)[0][8:]


def checksums_right(b):
    """Whether scapy's sums over an ICMP message, and over its IP header, come out right."""
    message, family = icmp(b)
    if family == 6:
        return in6_chksum(58, IPv6(b[:40]), message) == 0
    return checksum(b[:(b[0] & 15) * 4]) == 0 and checksum(message) == 0


def identification(b):
    return int.from_bytes(b[4:6], "big")


def flags(b):
    return (b[6] >> 5) & 7


def flow_label(b):
    return int.from_bytes(b[:4], "big") & 0xFFFFF


FRAGMENT = 44


class Place:
    """Where a fragment belongs."""

    def __init__(self, number, offset, more):
        self.number, self.offset, self.more = number, offset, more


def place(b):
    """Where a packet belongs that is a fragment; None if it is whole."""
    if b[0] >> 4 == 4:
        word = int.from_bytes(b[6:8], "big")
        return Place(identification(b), (word & 0x1FFF) * 8, bool(word & 0x2000)) if word & 0x3FFF else None
    if b[6] != FRAGMENT:
        return None
    word = int.from_bytes(b[42:44], "big")
    return Place(int.from_bytes(b[44:48], "big"), word & ~7, bool(word & 1)) if word & ~6 else None


def fragment(b, at, number):
    """The piece of a packet without extensions that has the bytes of its payload in the range at."""
    offset, end = at
    if b[0] >> 4 == 4:
        return fragment4(b, offset, end, number)
    more = end < len(b) - 40
    payload = b[6:7] + b"\0" + (offset | more).to_bytes(2, "big") + number.to_bytes(4, "big") + b[40 + offset:40 + end]
    return b[:4] + len(payload).to_bytes(2, "big") + bytes([FRAGMENT]) + b[7:40] + payload


def checksum_place(b):
    """Where the transport layer's checksum is, and its length."""
    data, protocol = transport_bytes(b)
    at, length = {6: (16, 2), 17: (6, 2), 132: (8, 4)}[protocol]
    return len(b) - len(data) + at, length


def spoiled(b, wrong):
    """A packet with another checksum of its transport layer: wrong is not 0, nor all ones, which for most is the same."""
    at, length = checksum_place(b)
    value = int.from_bytes(b[at:at + length], "big") ^ wrong
    if length == 2 and value == 0:
        value = 0x5555  # for UDP it would mean that there is none
    return b[:at] + value.to_bytes(length, "big") + b[at + length:]


def inner_most(b):
    """The packet in a tunnel, or the packet itself."""
    if b[0] >> 4 == 4 and b[9] in (4, 41):
        return b[20:]
    return b[40:] if b[0] >> 4 == 6 and b[6] in (4, 41) else b


def fragment4(b, offset, end, number):
    header = bytearray(b[:(b[0] & 15) * 4])
    more = end < len(b) - len(header)
    header[2:4] = (len(header) + end - offset).to_bytes(2, "big")
    header[4:6] = (number & 0xFFFF).to_bytes(2, "big")
    header[6:8] = (more << 13 | offset >> 3).to_bytes(2, "big")
    return summed(header) + b[len(header) + offset:len(header) + end]


def summed(header):
    """An IPv4 header with its right checksum."""
    header[10:12] = b"\0\0"
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header)


def hopped(b):
    """A packet after one hop."""
    if b[0] >> 4 == 6:
        return b[:7] + bytes([b[7] - 1]) + b[8:]
    header = bytearray(b[:(b[0] & 15) * 4])
    header[8] -= 1
    return summed(header) + b[len(header):]


class Reassembly:
    """Puts fragments of what the director made together."""

    def __init__(self):
        self.parts = {}

    def add(self, b):
        """Takes a packet and returns it if it is whole, or what it completes; else None."""
        at = place(b)
        if at is None:
            return b
        parts = self.parts.setdefault((at.number,) + addresses(b), {})
        parts[at.offset] = (b, at.more)
        return self.whole(parts)

    def whole(self, parts):
        data, ended = b"", False
        for offset in sorted(parts):
            b, more = parts[offset]
            if offset != len(data):
                return None
            data, ended = data + b[(b[0] & 15) * 4 if b[0] >> 4 == 4 else 48:], not more
        return self.joined(parts[0][0], data) if ended else None

    def joined(self, first, data):
        if first[0] >> 4 == 6:
            return first[:4] + len(data).to_bytes(2, "big") + first[40:41] + first[7:40] + data
        header = bytearray(first[:(first[0] & 15) * 4])
        header[2:4], header[6:8] = (len(header) + len(data)).to_bytes(2, "big"), b"\0\0"
        return summed(header) + data
