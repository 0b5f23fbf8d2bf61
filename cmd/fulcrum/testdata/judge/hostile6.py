"""Hostile packets of IPv6."""

from scapy.layers.inet import TCPerror
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6ND_Redirect,
                                ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPerror6,
                                IPv6, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Jumbo)
from scapy.packet import Raw, raw

import frames
import hostile4
import network
from hostile4 import FRONT, ROUTER, TCP_PORT, UDP_PORT, WAITS, datagram, fate_of_tcp, fate_of_udp, syn, with_port

CLASSES = {}

NOBODY = ["::", "::1"]
NO_HOSTS = ["ff02::1", "ff0e::1:2"]  # as a source malformed, not only strange
MAPPED = ["::ffff:10.0.0.9", "::ffff:127.0.0.1"]
TCP_NUMBER, UDP_NUMBER, NONE, HOP_BY_HOP, ROUTING, FRAGMENT, ESP = 6, 17, 59, 0, 43, 44, 50


def hostile(make):
    CLASSES[make.__name__] = make
    return make


def ip(a, **fields):
    return IPv6(**{"src": a.client(), "dst": a.vip, "fl": a.random.getrandbits(20), **fields})


def patched(packet, at, value):
    b = raw(packet)
    return b[:at] + value + b[at + len(value):]


# What no host's address can be.

@hostile
def land(a):
    for layer, port in ((syn, TCP_PORT), (datagram, UDP_PORT)):
        yield a.from_client(ip(a, src=a.vip) / layer(a, sport=port), "bad_source")
    yield a.from_client(ip(a, src=a.own, dst=a.own) / syn(a, sport=22, dport=22), "to_host")


@hostile
def martian_source(a):
    for sources, fate, fate_of_ping in ((NOBODY, "bad_source", "to_host"), (NO_HOSTS + MAPPED, "bad_ipv6_address", "bad_ipv6_address")):
        for src in sources:
            yield a.from_client(ip(a, src=src) / syn(a), fate)
            yield a.from_client(ip(a, src=src) / datagram(a), fate)
            yield a.from_client(ip(a, src=src, hlim=1) / syn(a), fate)
            yield a.from_client(ip(a, src=src) / ICMPv6EchoRequest(), fate_of_ping)


@hostile
def spoofed_own_source(a):
    for src in [a.own, a.back, a.vip] + (network.LOCAL[6] if a.setup.mode == "fullnat" and a.setup.server == 6 else []):
        yield a.from_client(ip(a, src=src) / syn(a), "bad_source")
        yield a.from_client(ip(a, src=src) / datagram(a), "bad_source")
        yield a.from_client(ip(a, src=src) / ICMPv6EchoRequest(), "to_host")


@hostile
def martian_destination(a):
    for destinations, fate in ((NOBODY + NO_HOSTS + ["2001:db8::1", "fe80::1"], "not_ours"), (MAPPED, "bad_ipv6_address")):
        for dst in destinations:
            yield a.from_client(ip(a, dst=dst) / syn(a), fate)
            yield a.from_client(ip(a, dst=dst) / datagram(a), fate)


@hostile
def to_the_director_itself(a):
    for layer in (syn(a, dport=22), datagram(a, dport=161), raw(ip(a)), ICMPv6EchoReply()):
        yield a.from_client(ip(a, dst=a.own, **({"nh": 41} if isinstance(layer, bytes) else {})) / layer, "to_host")


@hostile
def past_the_director(a):
    server = network.SERVERS[6][0]
    yield a.from_client(ip(a, dst=server) / syn(a, dport=8080), "not_ours")
    yield a.from_server(ip(a, src=server, dst=a.client()) / syn(a), "not_ours")
    yield a.from_server(ip(a, src=a.vip, dst=a.client()) / syn(a, sport=TCP_PORT, flags="SA"), "not_ours")


# TCP, UDP and ICMPv6.

@hostile
def flags(a):
    for bits in range(256):
        begins = bits & 2 and not bits & 4
        yield a.from_client(ip(a) / syn(a, flags=bits), "forwarded" if begins else "no_session")


@hostile
def data_offset(a):
    for words in range(16):
        yield a.from_client(patched(ip(a) / syn(a), 52, bytes([words << 4])), "forwarded" if words == 5 else "bad_tcp_data_offset")


@hostile
def udp_length(a):
    for length in [0, 1, 7, 18, 1500, 65535]:
        yield a.from_client(ip(a) / datagram(a, len=length), "bad_udp_length")
    for length in [8, 17]:
        yield a.from_client(ip(a) / datagram(a, len=length), "forwarded")


@hostile
def no_service(a):
    for layer in (syn(a, dport=network.SILENT_PORT), datagram(a, dport=network.SILENT_PORT), syn(a, dport=0), datagram(a, dport=0)):
        yield a.from_client(ip(a) / layer, "no_service")
    for protocol in (NONE, ESP, 253, 255, 1):  # 1: ICMP of IPv4
        yield a.from_client(ip(a, nh=protocol) / Raw(a.traffic.data(16)), "no_service")


@hostile
def icmp_errors_about_nothing(a):
    quoted = IPerror6(src=a.vip, dst=a.client()) / TCPerror(sport=TCP_PORT, dport=4321)
    for dst in (a.vip, a.own):
        for error in (ICMPv6DestUnreach(), ICMPv6PacketTooBig(), ICMPv6TimeExceeded(), ICMPv6ParamProblem()):
            yield a.from_client(ip(a, dst=dst) / error / quoted, "icmp_error")
    for cut in range(len(raw(quoted))):
        yield a.from_client(ip(a) / ICMPv6DestUnreach() / Raw(raw(quoted)[:cut]), "icmp_error")
    for _ in range(32):
        yield a.from_client(ip(a) / ICMPv6PacketTooBig(mtu=0) / Raw(a.traffic.data(a.random.randrange(90))), "icmp_error")
    for chain in (ROUTING, HOP_BY_HOP, FRAGMENT):
        headers = b"".join(bytes([chain, 0, 1, 0]) + bytes(4) for _ in range(100))
        yield a.from_client(ip(a) / ICMPv6DestUnreach() / (raw(IPv6(src=a.vip, dst=a.client(), nh=chain, plen=len(headers))) + headers), "icmp_error")


# The IPv6 header.

@hostile
def version(a):
    for v in range(16):
        if v != 6:
            yield a.from_client(patched(ip(a, tc=0) / syn(a), 0, bytes([v << 4])), "bad_ip_version")


@hostile
def payload_length(a):
    for length in range(1, 20):
        yield a.from_client(ip(a, plen=length) / syn(a), "truncated")
    for length in (0, 21, 1500, 65535):  # 0: a jumbogram without the option, RFC 2675
        yield a.from_client(ip(a, plen=length) / syn(a), "bad_ip_length")


@hostile
def jumbogram(a):
    yield a.from_client(ip(a, plen=0) / IPv6ExtHdrHopByHop(options=[Jumbo(jumboplen=70000)]) / syn(a), "bad_ip_length")


@hostile
def hop_limit(a):
    for hlim in (0, 1):
        for layer in (syn(a), datagram(a)):
            yield a.from_client(ip(a, hlim=hlim) / layer, "ttl_exceeded")


@hostile
def truncated(a):
    whole = a.from_client(ip(a) / syn(a), "")[1]
    for length in range(1, len(whole)):
        yield network.CLIENT_SIDE, whole[:length], "truncated" if length < 54 else "bad_ip_length"


@hostile
def garbage(a):
    for _ in range(200):
        data = a.traffic.data(a.random.randrange(60))
        yield a.from_client(filled(a, TCP_NUMBER, with_port(data, TCP_PORT)), fate_of_tcp(data) if data else "bad_ip_length")
        data = a.traffic.data(a.random.randrange(40))
        yield a.from_client(filled(a, UDP_NUMBER, with_port(data, UDP_PORT)), fate_of_udp(data) if data else "bad_ip_length")


def filled(a, nh, data):
    return raw(ip(a, nh=nh, plen=len(data))) + data


# Extension headers.

def extension(nh, length=0, body=b"\x01\x04\0\0\0\0"):
    return bytes([nh, length]) + body


def chained(a, first, *headers, last=TCP_NUMBER):
    """A packet with extension headers, each given as the function of what follows it, and a SYN behind them."""
    numbers = [number for number, _ in headers] + [last]
    chain = b"".join(make(numbers[i + 1]) for i, (_, make) in enumerate(headers))
    data = chain + segment(a)
    return raw(ip(a, nh=first if first is not None else numbers[0], plen=len(data))) + data


def segment(a):
    return raw(ip(a) / syn(a))[40:]


def plain(number):
    return number, lambda nh: extension(nh)


@hostile
def many_extensions(a):
    """Up to eight headers are walked, and no more."""
    for n in (1, 2, 8):
        yield a.from_client(chained(a, None, *[plain(60)] * n), "forwarded")
    for n in (9, 10, 50, 150):
        yield a.from_client(chained(a, None, *[plain(60)] * n), "bad_ipv6_extension")


@hostile
def extension_order(a):
    """Hop-by-hop options stand first or nowhere (RFC 8200, 4.1)."""
    yield a.from_client(chained(a, None, plain(HOP_BY_HOP), plain(60)), "forwarded")
    yield a.from_client(chained(a, None, plain(60), plain(HOP_BY_HOP)), "bad_ipv6_extension")
    yield a.from_client(chained(a, None, plain(HOP_BY_HOP), plain(HOP_BY_HOP)), "bad_ipv6_extension")


@hostile
def extension_length(a):
    """Headers longer than the packet."""
    for number in (HOP_BY_HOP, 60, 51, ROUTING):
        for length in (10, 100, 255):
            yield a.from_client(chained(a, None, (number, lambda nh: extension(nh, length))), "bad_ipv6_extension")
    for number in (HOP_BY_HOP, ROUTING, FRAGMENT, 60, 51):
        for cut in range(1, 8):
            yield a.from_client(filled(a, number, extension(TCP_NUMBER)[:cut]), "bad_ipv6_extension")


@hostile
def source_routes(a):
    """Type 0 is forbidden (RFC 5095), and the director is no stop of any other."""
    for kind, left, fate in ((0, 0, "bad_ipv6_extension"), (0, 1, "bad_ipv6_extension"), (2, 1, "bad_ipv6_extension"), (2, 0, "forwarded"),
                             (4, 3, "bad_ipv6_extension"), (253, 1, "bad_ipv6_extension")):
        header = IPv6ExtHdrRouting(type=kind, segleft=left, addresses=["2001:db8::1"])
        yield a.from_client(ip(a) / header / syn(a), fate)
    loop = IPv6ExtHdrRouting(type=0, segleft=20, addresses=[a.vip, a.own] * 10)
    yield a.from_client(ip(a) / loop / syn(a), "bad_ipv6_extension")


# Fragments. Those of a session between the families are dropped, since nobody translates them.

def pieces(a, layer, *ranges, **fields):
    b = raw(ip(a, **fields) / layer)
    b = patched(b + a.traffic.data(4000 - len(b)), 4, (3960).to_bytes(2, "big"))
    number = a.random.getrandbits(32)
    return [frames.fragment(b, r, number) for r in ranges]


def passes(a):
    return "other_family" if a.setup.mixed() else "forwarded"


@hostile
def tiny_fragments(a):
    """A first fragment must hold all headers (RFC 7112)."""
    for end in (8, 16):
        (first,) = pieces(a, syn(a), (0, end))
        yield a.from_client(first, "tiny_fragment")
    for start in (8, 16):
        (later,) = pieces(a, syn(a), (start, start + 40))
        yield a.from_client(later, "tiny_fragment")
    for chain in (extension(TCP_NUMBER, 1), extension(TCP_NUMBER, 200), extension(60) + extension(TCP_NUMBER, 3)):
        yield a.from_client(filled(a, FRAGMENT, b"\x3c\0\0\1" + a.traffic.data(4) + chain), "tiny_fragment")
    nested = extension(TCP_NUMBER, 0, b"\0\1" + bytes(4)) + segment(a)[:16]
    yield a.from_client(filled(a, FRAGMENT, b"\x2c\0\0\1" + a.traffic.data(4) + nested), "tiny_fragment")


@hostile
def fragment_length(a):
    (none,) = pieces(a, datagram(a), (80, 80))
    yield a.from_client(none, "fragment")
    for length in (1, 7, 41):
        (odd,) = pieces(a, datagram(a), (80, 80 + length))
        yield a.from_client(odd, "fragment")
    (beyond,) = pieces(a, datagram(a), (80, 120))
    yield a.from_client(patched(beyond, 42, b"\xff\xf8"), "fragment")


@hostile
def atomic_fragments(a):
    """A fragment header on a whole packet is none (RFC 6946), even if another has the same number."""
    for _ in range(2):
        b = segment(a)
        yield a.from_client(filled(a, FRAGMENT, b"\x06\0\0\0\0\0\0\7" + b), "forwarded")


@hostile
def overlapping_fragments(a):
    """RFC 5722: the whole datagram is refused from there on, unless nothing of the fragment was new."""
    for second in ((0, 40), (8, 40), (32, 72), (24, 32), (0, 80)):
        first, again, last = pieces(a, datagram(a), (0, 40), second, (80, 120))
        yield a.from_client(first, passes(a))
        yield a.from_client(again, "fragment_overlap")
        yield a.from_client(last, passes(a) if second[1] <= 40 else "fragment_overlap")


@hostile
def fragments_without_a_first(a):
    for piece in pieces(a, datagram(a), *[(40 * i, 40 * i + 40) for i in range(1, 60)]):
        yield a.from_client(piece, WAITS)
    for _ in range(400):
        (piece,) = pieces(a, datagram(a), (80, 120))
        yield a.from_client(piece, WAITS)


@hostile
def sctp_chunks(a):
    yield from hostile4.sctp_chunks(a)


# Neighbour discovery (RFC 4861, 7.1).

def solicitation(a, **fields):
    return ip(a, **{"src": network.ROUTER[6], "dst": "ff02::1:ff00:1", "hlim": 255, **fields})


@hostile
def neighbour_discovery_from_afar(a):
    """A hop limit below 255 shows that it passed a router."""
    option = ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:66")
    for hlim in (254, 64, 1, 0):
        yield a.from_client(solicitation(a, hlim=hlim) / ICMPv6ND_NS(tgt=a.own) / option, "bad_nd")
        advertisement = ICMPv6ND_NA(tgt=network.ROUTER[6]) / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:66")
        yield a.from_client(ip(a, src=network.ROUTER[6], dst=a.own, hlim=hlim) / advertisement, "bad_nd")


@hostile
def neighbour_discovery_malformed(a):
    option = ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:66")
    good = solicitation(a) / ICMPv6ND_NS(tgt=a.own) / option
    yield a.from_client(solicitation(a) / ICMPv6ND_NS(tgt=a.own, code=1) / option, "bad_nd")
    yield a.from_client(solicitation(a) / ICMPv6ND_NS(tgt=a.own, cksum=1) / option, "bad_nd")
    yield a.from_client(solicitation(a) / ICMPv6ND_NS(tgt="ff02::1") / option, "bad_nd")
    yield a.from_client(solicitation(a) / ICMPv6ND_NS(tgt=a.own) / ICMPv6NDOptSrcLLAddr(len=0), "bad_nd")
    yield a.from_client(solicitation(a) / ICMPv6ND_NS(tgt=a.own) / ICMPv6NDOptSrcLLAddr(len=9), "bad_nd")
    yield a.from_client(solicitation(a) / ICMPv6ND_NS(tgt=a.own) / ICMPv6NDOptSrcLLAddr(lladdr="33:33:00:00:00:01"), "bad_nd")
    # From ::, which looks for a double of its address: to the solicited-node group only, and without a link-layer address.
    yield a.from_client(solicitation(a, src="::") / ICMPv6ND_NS(tgt=a.own) / option, "bad_nd")
    yield a.from_client(solicitation(a, src="::", dst=a.own) / ICMPv6ND_NS(tgt=a.own), "bad_nd")
    yield a.from_client(ip(a, src=network.ROUTER[6], dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=network.ROUTER[6], S=1), "bad_nd")
    for cut in range(4, 24):
        yield a.from_client(solicitation(a, plen=cut + 4, nh=58) / Raw(raw(good)[40:44 + cut]), "truncated" if cut < 4 else "bad_nd")


@hostile
def routers_and_redirects(a):
    """Nobody tells the director its routes. A router's message tells its MAC, if it comes from the link."""
    redirect = ICMPv6ND_Redirect(tgt="fd00::66", dst="2001:db8::1")
    for message, fate in ((ICMPv6ND_RA(), "consumed"), (ICMPv6ND_RS(), "consumed"), (redirect, "icmp_error")):
        yield a.from_client(ip(a, src="fe80::1", dst=a.own, hlim=255) / message, fate)
    for message in (ICMPv6ND_RA(), ICMPv6ND_RS()):
        yield a.from_client(ip(a, src="fe80::1", dst=a.own, hlim=254) / message, "bad_nd")


@hostile
def neighbours_that_claim_our_addresses(a):
    """Somebody else uses the director's addresses; he is not believed."""
    for address in (a.own, a.vip):
        claim = ICMPv6ND_NA(tgt=address, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:66")
        yield a.from_client(ip(a, src=address, dst="ff02::1", hlim=255) / claim, "consumed")


@hostile
def stations(a):
    b = b"\x86\xdd" + raw(ip(a) / syn(a))
    yield network.CLIENT_SIDE, FRONT + b"\x33\x33\0\0\0\x01" + b, "bad_source_mac"
    yield network.CLIENT_SIDE, b"\x33\x33\0\0\0\x01" + ROUTER + b, "not_our_mac"
    yield network.CLIENT_SIDE, b"\x02\0\0\0\0\x99" + ROUTER + b, "not_our_mac"


@hostile
def tunnels(a):
    inner = raw(ip(a) / syn(a))
    for dst, fate in ((a.vip, "no_service"), (a.own, "to_host"), (a.back, "to_host")):
        nested = inner
        for _ in range(20):
            nested = raw(ip(a, dst=dst, nh=41, plen=len(nested))) + nested
            yield a.from_client(nested, fate)
