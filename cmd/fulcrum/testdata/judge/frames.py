"""Frames as bytes: what has to be read before scapy is asked, and how they are shown."""

import socket

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import raw

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
    t, _ = transport_bytes(b)
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
    message, protocol = transport_bytes(b)
    return (message, family) if protocol == {4: 1, 6: 58}[family] else (b"", family)


def is_error(b):
    message, family = icmp(b)
    return message != b"" and message[0] in ERRORS[family]


def is_echo_reply(b):
    message, family = icmp(b)
    return message != b"" and message[0] == {4: 0, 6: 129}[family]


def is_neighbour_discovery(frame):
    return frame[12:14] == b"\x08\x06" or frame[12:14] == ETHER_TYPES[6] and frame[20] == 58 and frame[54] in (135, 136)


def quoted(b):
    return icmp(b)[0][8:]


def checksums_right(b):
    """Whether scapy finds the same checksums when it makes the packet anew."""
    p = (IPv6 if b[0] >> 4 == 6 else IP)(b)
    layer = p
    while layer:
        for name in ("chksum", "cksum"):
            if name in layer.fields and "error" not in layer.name:
                delattr(layer, name)
        layer = layer.payload
    return raw(p) == b
