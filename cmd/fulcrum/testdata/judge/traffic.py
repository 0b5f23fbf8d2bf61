"""Random packets that hosts really send: every header field, option and length that is valid."""

import random

from scapy.layers.inet import (IP, TCP, UDP, IPOption, IPOption_NOP, IPOption_Router_Alert, IPOption_RR, IPOption_Security,
                               IPOption_Stream_Id, IPOption_Timestamp)
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
                                RouterAlert)
from scapy.layers.sctp import (SCTP, SCTPChunkCookieEcho, SCTPChunkData, SCTPChunkInit, SCTPChunkParamCookiePreservative,
                               SCTPChunkSACK)
from scapy.packet import Raw, raw



class Traffic:
    """A source of packets; the same seed gives the same ones."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tags = list(range(1, 1 << 16))
        self.random.shuffle(self.tags)

    def tag(self):
        """A number no other packet of the run has: the IPv4 identification or the IPv6 flow label."""
        return self.tags.pop()

    def chance(self, share):
        return self.random.random() < share

    def data(self, length):
        return self.random.randbytes(length)

    def client(self, family):
        """The address of a host behind the router."""
        r = self.random
        if family == 6:
            return "2001:db8:%x:%x::%x:%x" % tuple(r.randrange(1, 1 << 16) for _ in range(4))
        first = r.choice([b for b in range(1, 224) if b not in (10, 127)])
        return "%d.%d.%d.%d" % (first, r.randrange(256), r.randrange(256), r.randrange(1, 255))

    def ip(self, family, src, dst, plain=False):
        """An IP header, with options or extension headers unless it is to be plain."""
        return self.ipv6(src, dst, plain) if family == 6 else self.ipv4(src, dst, plain)

    def ipv4(self, src, dst, plain):
        r = self.random
        options = self.ip_options() if not plain and self.chance(0.3) else []
        flags = r.choice(["", "DF", "DF", "evil"])
        return IP(src=src, dst=dst, id=self.tag(), tos=r.randrange(256), ttl=r.choice([2, 3, 64, 255, r.randrange(2, 256)]), flags=flags,
                  options=options)

    def ip_options(self):
        """Up to 40 bytes of options."""
        kinds = [lambda: IPOption_NOP(), lambda: IPOption_Router_Alert(), lambda: IPOption_Stream_Id(), lambda: IPOption_Security(),
                 lambda: IPOption_RR(pointer=4, routers=["0.0.0.0"] * self.random.randrange(1, 9)),
                 lambda: IPOption_Timestamp(flg=0), lambda: IPOption(copy_flag=1, optclass=0, option=30, value=self.data(self.random.randrange(9)))]
        options, room = [], self.random.randrange(1, 41)
        while room > 0:
            option = self.random.choice(kinds)()
            room -= len(raw(option))
            if room >= 0:
                options.append(option)
        return options

    def ipv6(self, src, dst, plain):
        r = self.random
        p = IPv6(src=src, dst=dst, fl=self.tag(), tc=r.randrange(256), hlim=r.choice([2, 3, 64, 255, r.randrange(2, 256)]))
        return p if plain else self.extended(p)

    def extended(self, p):
        if self.chance(0.1):
            p /= IPv6ExtHdrHopByHop(options=padding_options(self) + ([RouterAlert()] if self.chance(0.3) else []))
        if self.chance(0.1):
            p /= IPv6ExtHdrDestOpt(options=padding_options(self))
        if self.chance(0.05):
            p /= IPv6ExtHdrRouting(type=2, segleft=0, addresses=["2001:db8::1"])
        if self.chance(0.05):
            p /= IPv6ExtHdrFragment(id=self.random.getrandbits(32), m=0, offset=0)  # an atomic fragment, RFC 6946
        if self.chance(0.05):
            p /= IPv6ExtHdrDestOpt(options=padding_options(self))
        return p

    def fill(self, p, limit, least=0):
        """Adds a payload that leaves the packet within limit: often empty, odd, or as large as may be."""
        room = limit - len(raw(p))
        length = self.random.choice([least, least, least + 1, room, room - 1, self.random.randrange(least, room + 1)])
        length = max(least, min(length, room))
        return p / Raw(self.data(length)) if length else p

    def tcp(self, sport, dport, flags, limit, least=0):
        """Returns a function that completes an IP header."""
        r = self.random
        segment = TCP(sport=sport, dport=dport, flags=flags, seq=r.getrandbits(32), ack=r.getrandbits(32) if "A" in flags else 0,
                      window=r.getrandbits(16), urgptr=r.getrandbits(16) if "U" in flags else 0, options=self.tcp_options("S" in flags))
        return lambda ip: self.fill(ip / segment, limit, least) if "S" not in flags or self.chance(0.1) else ip / segment

    def tcp_options(self, syn):
        r = self.random
        stamp = ("Timestamp", (r.getrandbits(32), r.getrandbits(32)))
        if syn:
            some = [("MSS", r.randrange(536, 9000)), ("SAckOK", b""), stamp, ("WScale", r.randrange(15)), ("NOP", None), (34, self.data(6))]
        else:
            some = [stamp, ("NOP", None), ("SAck", tuple(r.getrandbits(32) for _ in range(2 * r.randrange(1, 3)))), (253, self.data(r.randrange(9)))]
        r.shuffle(some)
        return some[:r.randrange(len(some) + 1)]

    def segment_flags(self):
        return self.random.choice(["A", "A", "PA", "PA", "FA", "FPA", "UA", "PAU", "AE", "AEC", "PAC"])

    def udp(self, sport, dport, limit, family, least=0):
        without = family == 4 and self.chance(0.2)
        datagram = UDP(sport=sport, dport=dport, **({"chksum": 0} if without else {}))
        return lambda ip: self.fill(ip / datagram, limit, least)

    def sctp(self, sport, dport, first, limit):
        r = self.random
        number = lambda: r.getrandbits(32)
        if first:
            chunk = SCTPChunkInit(init_tag=number(), a_rwnd=number(), n_out_streams=r.randrange(1, 99), n_in_streams=r.randrange(1, 99),
                                  init_tsn=number(), params=[SCTPChunkParamCookiePreservative(sug_cookie_inc=number())] * r.randrange(2))
            return lambda ip: ip / SCTP(sport=sport, dport=dport, tag=0) / chunk
        header = SCTP(sport=sport, dport=dport, tag=number())
        kind = r.randrange(4)
        if kind == 0:
            return lambda ip: ip / header / SCTPChunkSACK(cumul_tsn_ack=number(), a_rwnd=number())
        if kind == 1:
            return lambda ip: ip / header / SCTPChunkCookieEcho(cookie=self.data(4 * r.randrange(1, 60)))

        def data(ip):
            room = limit - len(raw(ip / header)) - 16
            length = max(1, min(r.choice([1, 2, 3, room, r.randrange(1, room + 1)]), room) & ~3)
            return ip / header / SCTPChunkData(beginning=1, ending=1, tsn=number(), stream_id=r.getrandbits(16), stream_seq=r.getrandbits(16),
                                               proto_id=number(), data=self.data(length))
        return data


def padding_options(traffic):
    """Options that any host may pass over."""
    return [PadN(optdata=bytes(traffic.random.randrange(12))), HBHOptUnknown(otype=0x1e, optdata=traffic.data(traffic.random.randrange(20)))]
