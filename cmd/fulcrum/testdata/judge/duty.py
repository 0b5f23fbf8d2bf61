"""What the director owes: the packet that must come out, made anew by scapy, which computes all lengths and checksums itself."""

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import raw

OUTER_TTL = 64


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


def translated(p, src=None, dst=None, sport=None, dport=None):
    """The packet after one hop, with new addresses and ports; what is None stays."""
    q = routed(p)
    q.src, q.dst = src or q.src, dst or q.dst
    layer = transport(q)
    layer.sport, layer.dport = sport or layer.sport, dport or layer.dport
    return q


def dscp_and_ecn(p):
    return p.tc if p.version == 6 else p.tos


def tunnelled(p, src, dst, outer):
    """The packet after one hop in a tunnel (RFC 2003, 2473, 4213): DSCP and ECN copied (RFC 6040), DF as inside. The
    director is free to choose an identification and a flow label; they are taken from outer, which was received."""
    inner = raw(routed(p))
    if outer[0] >> 4 == 6:
        label = int.from_bytes(outer[:4], "big") & 0xFFFFF
        return raw(IPv6(src=src, dst=dst, hlim=OUTER_TTL, tc=dscp_and_ecn(p), fl=label, nh=41 if p.version == 6 else 4, plen=len(inner))) + inner
    whole = p.version == 6 or p.flags.DF
    header = IP(src=src, dst=dst, ttl=OUTER_TTL, tos=dscp_and_ecn(p), flags="DF" if whole else "", len=20 + len(inner),
                id=int.from_bytes(outer[4:6], "big"), proto=41 if p.version == 6 else 4)
    return raw(header) + inner


def narrowed(p, src, dst, sport, dport, got):
    """An IPv6 packet as IPv4 (RFC 7915, 5.1): extension headers go, DF is clear where a sender could not be told of a smaller MTU."""
    layer = transport(p).copy()
    layer.sport, layer.dport = sport, dport
    q = IP(src=src, dst=dst, tos=p.tc, ttl=p.hlim - 1) / layer
    small = len(raw(q)) <= 1260
    q.flags = "" if small else "DF"
    q.id = int.from_bytes(got[4:6], "big") if small else 0
    return q


def widened(p, src, dst, sport, dport):
    """An IPv4 packet as IPv6 (RFC 7915, 4.1): options go, and a datagram without checksum gets one."""
    layer = transport(p).copy()
    layer.sport, layer.dport = sport, dport
    if layer.name == "UDP":
        layer.chksum = None
    return IPv6(src=src, dst=dst, tc=p.tos, hlim=p.ttl - 1) / layer
