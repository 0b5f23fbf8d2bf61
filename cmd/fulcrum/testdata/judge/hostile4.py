"""Hostile packets of IPv4, and those below it."""

from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP, IPerror, TCPerror
from scapy.layers.l2 import ARP
from scapy.layers.sctp import SCTP
from scapy.packet import Raw, raw
from scapy.utils import checksum

import frames
import network

CLASSES = {}

TCP_PORT, UDP_PORT = network.SERVICES["tcp"][0], network.SERVICES["udp"][0]
ROUTER = frames.mac(network.ROUTER_MAC)
FRONT = frames.mac(network.PORT_MACS[network.CLIENT_SIDE])

SCTP_NUMBER = 132

MARTIANS = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"]


def hostile(make):
    CLASSES[make.__name__] = make
    return make


def ip(a, **fields):
    return IP(**{"src": a.client(), "dst": a.vip, "id": a.random.getrandbits(16), **fields})


def syn(a, **fields):
    return TCP(**{"sport": a.random.randrange(1, 1 << 16), "dport": TCP_PORT, "flags": "S", "seq": a.random.getrandbits(32), **fields})


def datagram(a, **fields):
    return UDP(**{"sport": a.random.randrange(1, 1 << 16), "dport": UDP_PORT, **fields}) / Raw(a.traffic.data(9))


def patched(packet, at, value, fix=True):
    """The packet's bytes with others from offset at on; the IP header's checksum is made right again, unless it is not to be."""
    b = bytearray(raw(packet))
    b[at:at + len(value)] = value
    header = (b[0] & 15) * 4
    if fix and 20 <= header <= len(b):
        b[10:12] = b"\0\0"
        b[10:12] = checksum(bytes(b[:header])).to_bytes(2, "big")
    return bytes(b)


# What no host's address can be.

@hostile
def land(a):
    """From the address and port that it goes to (CERT CA-1997-28)."""
    for layer, port in ((syn, TCP_PORT), (datagram, UDP_PORT)):
        yield a.from_client(ip(a, src=a.vip) / layer(a, sport=port), "bad_source")
    yield a.from_client(ip(a, src=a.own, dst=a.own) / syn(a, sport=22, dport=22), "to_host")


@hostile
def martian_source(a):
    for src in MARTIANS:
        yield a.from_client(ip(a, src=src) / syn(a), "bad_source")
        yield a.from_client(ip(a, src=src) / datagram(a), "bad_source")
        yield a.from_client(ip(a, src=src) / ICMP(id=1) / b"ping", "to_host")
        yield a.from_client(ip(a, src=src, ttl=1) / syn(a), "bad_source")


@hostile
def spoofed_own_source(a):
    own = [a.own, a.back, a.vip, "10.0.0.255", "10.1.0.255"] + (network.LOCAL[4] if a.setup.mode == "fullnat" else [])
    for src in own:
        yield a.from_client(ip(a, src=src) / syn(a), "bad_source")
        yield a.from_client(ip(a, src=src) / datagram(a), "bad_source")
        yield a.from_client(ip(a, src=src) / ICMP(id=1) / b"ping", "to_host")


@hostile
def martian_destination(a):
    for dst in MARTIANS + ["10.9.9.9", "8.8.8.8"]:
        yield a.from_client(ip(a, dst=dst) / syn(a), "not_ours")
        yield a.from_client(ip(a, dst=dst) / ICMP() / b"ping", "not_ours")


@hostile
def broadcast(a):
    """Smurf and fraggle (CERT CA-1998-01): to a subnet's broadcast address, or to one host by a broadcast frame."""
    for layer in (ICMP() / b"ping", datagram(a, dport=7), syn(a)):
        yield a.from_client(ip(a, dst="10.0.0.255") / layer, "to_host")
    for layer in (syn(a), datagram(a)):
        yield network.CLIENT_SIDE, b"\xff" * 6 + ROUTER + b"\x08\x00" + raw(ip(a) / layer), "not_our_mac"


@hostile
def to_the_director_itself(a):
    for layer in (syn(a, dport=22), datagram(a, dport=161), GRE() / raw(ip(a)), ICMP(type=13), ICMP(type=17), ICMP(type=9), ICMP(type=0)):
        yield a.from_client(ip(a, dst=a.own) / layer, "to_host")


@hostile
def past_the_director(a):
    """Clients reach a real server by the VIP only, and real servers reach no one of their own accord."""
    server = network.SERVERS[4][0]
    yield a.from_client(ip(a, dst=server) / syn(a, dport=a.setup.server_port("tcp")), "not_ours")
    yield a.from_server(ip(a, src=server, dst=a.client()) / syn(a), "not_ours")
    yield a.from_server(ip(a, src=a.vip, dst=a.client()) / syn(a, sport=TCP_PORT, flags="SA"), "not_ours")
    if a.setup.mode == "fullnat":
        for flags in ("S", "SA", "A", "R"):
            yield a.from_server(ip(a, src=server, dst=network.LOCAL[4][0]) / syn(a, sport=8080, dport=5000, flags=flags), "no_session")


# TCP, UDP and ICMP.

@hostile
def flags(a):
    """Every combination of TCP's flags on a flow of its own: only a SYN without RST begins anything."""
    for bits in range(256):
        begins = bits & 2 and not bits & 4
        yield a.from_client(ip(a) / syn(a, flags=bits), "forwarded" if begins else "no_session")


@hostile
def data_offset(a):
    """Below the header's length, or beyond the packet."""
    for words in range(16):
        b = patched(ip(a) / syn(a), 32, bytes([words << 4]))
        yield a.from_client(b, "forwarded" if words == 5 else "bad_tcp_data_offset")


@hostile
def udp_length(a):
    whole = 8 + 9
    for length in [0, 1, 7, whole + 1, 1500, 65535]:
        yield a.from_client(ip(a) / datagram(a, len=length), "bad_udp_length")
    for length in [8, whole]:
        yield a.from_client(ip(a) / datagram(a, len=length), "forwarded")


@hostile
def no_service(a):
    for layer in (syn(a, dport=network.SILENT_PORT), datagram(a, dport=network.SILENT_PORT), syn(a, dport=0), datagram(a, dport=0),
                  GRE() / raw(ip(a)), Raw(b"")):
        yield a.from_client(ip(a, **({"proto": 253} if layer.name == "Raw" else {})) / layer, "no_service")


@hostile
def icmp_errors_about_nothing(a):
    """Errors that quote no session's packet, or hardly anything."""
    quoted = IPerror(src=a.vip, dst=a.client()) / TCPerror(sport=TCP_PORT, dport=4321)
    for kind in (3, 4, 5, 11, 12):
        for dst in (a.vip, a.own):
            yield a.from_client(ip(a, dst=dst) / ICMP(type=kind) / quoted, "icmp_error")
    for cut in range(len(raw(quoted))):
        yield a.from_client(ip(a) / ICMP(type=3, code=1) / Raw(raw(quoted)[:cut]), "icmp_error")
    for _ in range(32):
        yield a.from_client(ip(a) / ICMP(type=3, code=4) / Raw(a.traffic.data(a.random.randrange(80))), "icmp_error")


# The IP header.

@hostile
def version(a):
    for v in range(16):
        if v != 4:
            yield a.from_client(patched(ip(a) / syn(a), 0, bytes([v << 4 | 5])), "bad_ip_version")


@hostile
def header_length(a):
    """Below 20 bytes, or beyond the packet."""
    for words in (0, 1, 4, 11, 15):
        yield a.from_client(patched(ip(a) / syn(a), 0, bytes([0x40 | words])), "bad_ip_header_length")


@hostile
def total_length(a):
    for length in range(20):
        yield a.from_client(patched(ip(a) / syn(a), 2, length.to_bytes(2, "big")), "bad_ip_header_length")
    for length in range(20, 40):
        yield a.from_client(patched(ip(a) / syn(a), 2, length.to_bytes(2, "big")), "truncated")
    for length in (41, 1500, 65535):
        yield a.from_client(patched(ip(a) / syn(a), 2, length.to_bytes(2, "big")), "bad_ip_length")


@hostile
def header_checksum(a):
    for bit in range(16):
        b = raw(ip(a) / syn(a))
        wrong = (int.from_bytes(b[10:12], "big") ^ 1 << bit).to_bytes(2, "big")
        yield a.from_client(patched(b, 10, wrong, fix=False), "bad_ip_checksum")


@hostile
def options(a):
    """Options of every length, of random bytes: they are for the hosts at the ends of the way, unless one is cut off or a source route."""
    for words in range(11):
        for _ in range(8):
            b = raw(ip(a) / syn(a))
            data = bytearray(a.traffic.data(4 * words))
            if a.traffic.chance(0.5):
                data = tidy(data)
            header = bytearray(b[:20] + data)
            header[0], header[2:4] = 0x45 + words, (len(b) + 4 * words).to_bytes(2, "big")
            yield a.from_client(patched(bytes(header) + b[20:], 20, b""), fate_of_options(bytes(data)))


def tidy(data):
    """Make one option of random bytes: of a type that needs a length, and one that fits."""
    if data:
        data[0] = 131 if data[0] < 128 else 137 if data[0] < 160 else data[0]
        data[1] = len(data)
    return data


def fate_of_options(data):
    """RFC 791, 3.1; source routes are dropped (RFC 7126)."""
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if kind in (131, 137) or at + 1 == len(data) or not 2 <= data[at + 1] <= len(data) - at:
            return "bad_ip_options"
        at += data[at + 1]
    return "forwarded"


@hostile
def time_to_live(a):
    for ttl in (0, 1):
        for layer in (syn(a), datagram(a)):
            yield a.from_client(ip(a, ttl=ttl) / layer, "ttl_exceeded")


@hostile
def truncated(a):
    """A SYN cut off after every byte: the Ethernet and the IP header must be there, and all that the latter promises."""
    whole = a.from_client(ip(a) / syn(a), "")[1]
    for length in range(1, len(whole)):
        yield network.CLIENT_SIDE, whole[:length], "truncated" if length < 34 else "bad_ip_length"


@hostile
def garbage(a):
    """Random bytes behind a valid header."""
    for _ in range(200):
        data = a.traffic.data(a.random.randrange(60))
        yield a.from_client(IP(src=a.client(), dst=a.vip, proto=6) / Raw(with_port(data, TCP_PORT)), fate_of_tcp(data))
        data = a.traffic.data(a.random.randrange(40))
        yield a.from_client(IP(src=a.client(), dst=a.vip, proto=17) / Raw(with_port(data, UDP_PORT)), fate_of_udp(data))


def with_port(data, port):
    return data[:2] + port.to_bytes(2, "big") + data[4:] if len(data) >= 4 else data


def fate_of_tcp(data):
    if len(data) < 20:
        return "truncated"
    offset = (data[12] >> 4) * 4
    if not 20 <= offset <= len(data):
        return "bad_tcp_data_offset"
    return "forwarded" if data[13] & 2 and not data[13] & 4 else "no_session"


def fate_of_udp(data):
    if len(data) < 8:
        return "truncated"
    return "forwarded" if 8 <= int.from_bytes(data[4:6], "big") <= len(data) else "bad_udp_length"


# Tunnels: the director takes none apart.

@hostile
def tunnels(a):
    """A tunnel to the VIP or to the director, many in one another, and one that seems to come back."""
    inner = ip(a) / syn(a)
    for dst, fate in ((a.vip, "no_service"), (a.own, "to_host"), (a.back, "to_host")):
        yield a.from_client(ip(a, dst=dst) / inner, fate)
        nested = inner
        for _ in range(20):
            nested = ip(a, dst=dst) / nested
        yield a.from_client(nested, fate)
    yield a.from_server(IP(src=network.SERVERS[4][0], dst=a.back) / IP(src=a.back, dst=network.SERVERS[4][0]) / inner, "to_host")


# Fragments. What comes before its datagram's first fragment waits, until the time is up or the director stops.

WAITS = "fragment_timeout|fragments_full|stopped"


def pieces(a, layer, *ranges, **fields):
    """Fragments of a datagram: of its bytes in the given ranges, of which the last is not to be the end."""
    b = raw(ip(a, **fields) / layer)
    b += a.traffic.data(4000 - len(b))
    number = a.random.getrandbits(16)
    return [frames.fragment(b, r, number) for r in ranges]


@hostile
def tiny_fragments(a):
    """A first fragment must hold the transport header (RFC 1858), and a later one must not reach into it (RFC 3128)."""
    for end in (8, 16):
        (first,) = pieces(a, syn(a), (0, end))
        yield a.from_client(first, "tiny_fragment")
    (cut,) = pieces(a, syn(a, options=[("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]), (0, 24))
    yield a.from_client(cut, "tiny_fragment")
    for start in (8, 16):
        (later,) = pieces(a, syn(a), (start, start + 40))
        yield a.from_client(later, "tiny_fragment")


@hostile
def fragment_length(a):
    """None at all, none that others could follow on, or beyond the largest packet (the ping of death, CERT CA-1996-26)."""
    (none,) = pieces(a, datagram(a), (80, 80))
    yield a.from_client(none, "fragment")
    for length in (1, 7, 41):
        (odd,) = pieces(a, datagram(a), (80, 80 + length))
        yield a.from_client(odd, "fragment")
    for layer in (datagram(a), ICMP() / b"ping"):
        beyond = bytearray(pieces(a, layer, (3936, 3976))[0])
        beyond[6:8] = (0xFFF8 >> 3).to_bytes(2, "big")
        yield a.from_client(patched(bytes(beyond), 20, b""), "fragment")


@hostile
def overlapping_fragments(a):
    """Teardrop and its kin (CERT CA-1997-28): the whole datagram is refused from there on, unless nothing of the fragment was new."""
    for second in ((0, 40), (8, 40), (32, 72), (24, 32), (0, 80)):
        first, again, last = pieces(a, datagram(a), (0, 40), second, (80, 120))
        yield a.from_client(first, "forwarded")
        yield a.from_client(again, "fragment_overlap")
        yield a.from_client(last, "forwarded" if second[1] <= 40 else "fragment_overlap")


@hostile
def first_fragments_of_nothing(a):
    (martian,) = pieces(a, datagram(a), (0, 40), src="127.0.0.1")
    yield a.from_client(martian, "bad_source")
    (no_syn,) = pieces(a, syn(a, flags="A"), (0, 40))
    yield a.from_client(no_syn, "no_session")
    (elsewhere,) = pieces(a, datagram(a, dport=network.SILENT_PORT), (0, 40))
    yield a.from_client(elsewhere, "no_service")
    (ping,) = pieces(a, ICMP(), (0, 40))
    yield a.from_client(ping, "no_service")


@hostile
def fragments_without_a_first(a):
    """A flood of later fragments, of one datagram and of many."""
    for piece in pieces(a, datagram(a), *[(40 * i, 40 * i + 40) for i in range(1, 60)]):
        yield a.from_client(piece, WAITS)
    for _ in range(400):
        (piece,) = pieces(a, datagram(a), (80, 120))
        yield a.from_client(piece, WAITS)


# SCTP.

@hostile
def sctp_chunks(a):
    """No first chunk, or one of an impossible length."""
    header = raw(SCTP(sport=a.random.randrange(1, 1 << 16), dport=network.SERVICES["sctp"][0], tag=0))
    for length in range(16):
        nothing = a.family == 6 and length == 0  # to IPv6 that is a jumbogram
        yield a.from_client(a.ip(SCTP_NUMBER, (header + b"\1\0\0\4")[:length]), "bad_ip_length" if nothing else "truncated")
    for length in (0, 1, 3, 5, 65535):
        yield a.from_client(a.ip(SCTP_NUMBER, header + b"\1\0" + length.to_bytes(2, "big")), "bad_sctp_chunk")


# Ethernet and ARP.

@hostile
def tags(a):
    """VLANs that no port has, tags in tags, and what is cut off behind one."""
    for kind in (b"\x81\0", b"\x88\xa8"):
        tag = kind + b"\0\5"
        for stack in (tag, tag + tag, tag * 10, kind, kind + b"\0"):
            yield network.CLIENT_SIDE, FRONT + ROUTER + stack + b"\x08\0" + raw(ip(a) / syn(a)), "vlan"
        for cut in (2, 3, 4, 5, 6):
            yield network.CLIENT_SIDE, FRONT + ROUTER + (tag + b"\x08\0")[:cut], "vlan"

@hostile
def stations(a):
    """From a group, or to a station that the director is not."""
    b = b"\x08\x00" + raw(ip(a) / syn(a))
    yield network.CLIENT_SIDE, FRONT + b"\xff" * 6 + b, "bad_source_mac"
    yield network.CLIENT_SIDE, FRONT + b"\x01\0\x5e\0\0\x01" + b, "bad_source_mac"
    yield network.CLIENT_SIDE, b"\x02\0\0\0\0\x99" + ROUTER + b, "not_our_mac"
    yield network.CLIENT_SIDE, b"\x01\0\x5e\0\0\x01" + ROUTER + b, "not_our_mac"


@hostile
def ether_types(a):
    known = {0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8, 0x9100}
    for _ in range(64):
        kind = a.random.randrange(1 << 16)
        if kind not in known:
            yield network.CLIENT_SIDE, FRONT + ROUTER + kind.to_bytes(2, "big") + a.traffic.data(a.random.randrange(200)), "not_ip"


@hostile
def arp(a):
    def frame(fate, cut=None, src=ROUTER, **fields):
        b = raw(ARP(**{"op": 1, "hwsrc": network.ROUTER_MAC, "psrc": "10.0.0.254", "pdst": "10.0.0.253", **fields}))
        return network.CLIENT_SIDE, b"\xff" * 6 + src + b"\x08\x06" + b[:cut], fate

    for cut in range(28):
        yield frame("truncated", cut)
    for fields in ({"hwtype": 6}, {"ptype": 0x86DD}, {"hwlen": 8, "hwsrc": b"12345678", "hwdst": b"12345678"}, {"op": 0}, {"op": 3}, {"op": 65535}):
        yield frame("bad_arp", **fields)
    for hw in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"):
        yield frame("bad_arp", hwsrc=hw)
    # Somebody else uses the director's addresses; he is not believed, and the others are told.
    for address in (a.own, a.vip):
        yield frame("consumed", psrc=address, hwsrc="02:00:00:00:00:66", pdst=address)
