"""What the director owes: the packet that must come out, made anew by scapy, which computes all lengths and checksums itself."""

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import raw

import frames

OUTER_TTL = 64
IPV4, IPV6 = 4, 41  # as protocols in a tunnel


def hop(p):
    """Takes one from the TTL."""
    if p.version == 6:
        p.hlim -= 1
    else:
        p.ttl -= 1


def routed(p):
    """The packet after one hop."""
    q = p.copy()
    hop(q)
    return q


def transport(p):
    """The layer with the ports."""
    while all(field.name != "sport" for field in p.fields_desc):
        p = p.payload
    return p


def clamped(p, mss):
    """The packet with a segment size of at most mss, if it is one in which it is agreed on."""
    q = p.copy()
    layer = transport(q)
    if layer.name == "TCP" and layer.flags.S:
        layer.options = [(kind, min(value, mss)) if kind == "MSS" else (kind, value) for kind, value in layer.options]
    return q


def translated(p, src, dst, sport, dport):
    """The packet after one hop, with new addresses and ports; what is None stays."""
    q = routed(p)
    q.src, q.dst = src or q.src, dst or q.dst
    layer = transport(q)
    layer.sport, layer.dport = sport or layer.sport, dport or layer.dport
    return q


def tunnelled(inner, src, dst, outer):
    """A packet, as bytes, in a tunnel (RFC 2003, 2473, 4213): DSCP and ECN copied (RFC 6040), DF as inside. The director is free to choose
    an identification and a flow label; they are taken from outer, which was received."""
    six = inner[0] >> 4 == 6
    tos = int.from_bytes(inner[:2], "big") >> 4 & 0xFF if six else inner[1]
    protocol = IPV6 if six else IPV4
    if outer[0] >> 4 == 6:
        return raw(IPv6(src=src, dst=dst, hlim=OUTER_TTL, tc=tos, fl=frames.flow_label(outer), nh=protocol, plen=len(inner))) + inner
    whole = six or inner[6] & 0x40
    return raw(IP(src=src, dst=dst, ttl=OUTER_TTL, tos=tos, flags="DF" if whole else "", len=20 + len(inner), id=frames.identification(outer),
                  proto=protocol)) + inner


def narrowed(p, src, dst, sport, dport, got):
    """An IPv6 packet as IPv4 (RFC 7915, 5.1): extension headers go, DF is clear where a sender could not be told of a smaller MTU."""
    layer = transport(p).copy()
    layer.sport, layer.dport = sport, dport
    q = IP(src=src, dst=dst, tos=p.tc, ttl=p.hlim - 1) / layer
    small = len(raw(q)) <= 1260
    q.flags = "" if small else "DF"
    q.id = frames.identification(got) if small else 0
    return q


def widened(p, src, dst, sport, dport):
    """An IPv4 packet as IPv6 (RFC 7915, 4.1): options go, and a datagram without checksum gets one."""
    layer = transport(p).copy()
    layer.sport, layer.dport = sport, dport
    if layer.name == "UDP":
        layer.chksum = None
    return IPv6(src=src, dst=dst, tc=p.tos, hlim=p.ttl - 1) / layer
