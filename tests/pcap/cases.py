# SPDX-License-Identifier: BSD-3-Clause
"""The golden cases: frames in, and the answers that scapy computes for them.

Each case is a function that returns a Case. An expected frame is compared byte by byte, but for the fields
that the stack is free to choose: it carries them over from what came out (`free`)."""
import dataclasses

from scapy.all import ARP, ICMP, IP, UDP, Ether, IPOption_RR, Raw, fragment

HOST = '192.0.2.2'
HOST_MAC = '02:00:00:00:00:a2'
OUR = '192.0.2.1'
OUR_MAC = '02:4c:4e:00:00:01'
FAR = '198.51.100.2'
FAR_MAC = '02:00:00:00:00:b2'
OUR_FAR = '198.51.100.1'
OUR_FAR_MAC = '02:4c:4e:00:00:02'
ALL = 'ff:ff:ff:ff:ff:ff'

ONE_PORT = ['ip link set port0 up', 'ip addr add 192.0.2.1/24 dev port0',
            f'ip neigh add {HOST} lladdr {HOST_MAC} dev port0']
TWO_PORTS = [*ONE_PORT, 'ip link set port1 up', 'ip addr add 198.51.100.1/24 dev port1',
             f'ip neigh add {FAR} lladdr {FAR_MAC} dev port1', 'sysctl -w net.ipv4.ip_forward=1',
             'sysctl -w net.ipv4.icmp_ratelimit=0', 'sysctl -w net.ipv4.icmp_msgs_per_sec=100000',
             'sysctl -w net.ipv4.icmp_msgs_burst=10000']


@dataclasses.dataclass
class Case:
    name: str
    commands: list
    inputs: list  # for each port: frames in order
    outputs: list  # for each port: frames in order
    spacing: float = 0.01  # seconds from frame to frame


def from_host(datagram):
    return Ether(src=HOST_MAC, dst=OUR_MAC) / datagram


def to_host(datagram):
    return Ether(src=OUR_MAC, dst=HOST_MAC) / datagram


def to_far(datagram):
    return Ether(src=OUR_FAR_MAC, dst=FAR_MAC) / datagram


def data(size):
    return Raw(bytes((i * 7 + size) % 256 for i in range(size)))


def rebuilt(packet):
    """The same packet with all lengths and checksums computed."""
    return type(packet)(bytes(packet))


def echo_reply(request, **changes):
    ip = request[IP]
    answer = IP(src=ip.dst, dst=ip.src, ttl=64, tos=ip.tos, **changes)
    return answer / ICMP(type=0, id=request[ICMP].id, seq=request[ICMP].seq) / request[ICMP].payload


def error(kind, code, about, source=OUR, **fields):
    """The ICMP error about a datagram, quoting what fits into 576 bytes."""
    quote = bytes(about)[:576 - 28]
    tos = 0xc0 | about.tos & 0x1c
    return IP(src=source, dst=about.src, ttl=64, tos=tos) / ICMP(type=kind, code=code, **fields) / Raw(quote)


def forwarded(datagram):
    out = rebuilt(datagram)
    out.ttl -= 1
    del out.chksum
    return rebuilt(out)


def arp_case():
    ask = Ether(src=HOST_MAC, dst=ALL) / ARP(op=1, hwsrc=HOST_MAC, psrc=HOST, pdst=OUR)
    answer = Ether(src=OUR_MAC, dst=HOST_MAC) / ARP(op=2, hwsrc=OUR_MAC, psrc=OUR, hwdst=HOST_MAC, pdst=HOST)
    probe = Ether(src=HOST_MAC, dst=ALL) / ARP(op=1, hwsrc=HOST_MAC, psrc='0.0.0.0', pdst=OUR)
    told = Ether(src=OUR_MAC, dst=HOST_MAC) / ARP(op=2, hwsrc=OUR_MAC, psrc=OUR, hwdst=HOST_MAC, pdst='0.0.0.0')
    other = Ether(src=HOST_MAC, dst=ALL) / ARP(op=1, hwsrc=HOST_MAC, psrc=HOST, pdst='192.0.2.77')
    return Case('ARP requests', ONE_PORT, [[ask, probe, other, ask / Raw(bytes(18))]], [[answer, told, answer]])


def ping_case():
    requests = [from_host(IP(src=HOST, dst=OUR, id=i, tos=(i * 4) % 256) / ICMP(id=7, seq=i) / data(size))
                for i, size in enumerate((0, 1, 2, 3, 8, 56, 57, 500, 1399, 1471, 1472), 1)]
    return Case('ping of all sizes', ONE_PORT, [requests], [[to_host(echo_reply(one)) for one in requests]])


def long_ping_case():
    inputs, outputs = [], []
    for number, size in enumerate((1473, 2000, 4000, 9000, 20000, 65507), 1):
        whole = IP(src=HOST, dst=OUR, id=number) / ICMP(id=9, seq=number) / data(size)
        inputs += [from_host(piece) for piece in fragment(rebuilt(whole), 1480)]
        answer = rebuilt(echo_reply(rebuilt(whole)))
        outputs += [to_host(piece) for piece in fragment(answer, 1480)]
    return Case('ping in fragments, up to 65507 bytes', ONE_PORT, [inputs], [outputs], spacing=0.001)


def silence_case():
    """Nothing of this earns an answer."""
    good = IP(src=HOST, dst=OUR) / ICMP() / data(8)
    bad_sum = rebuilt(good)
    bad_sum.chksum ^= 1
    bad_icmp = rebuilt(good)
    bad_icmp[ICMP].chksum ^= 0x100
    frames = [from_host(bad_sum), from_host(bad_icmp),
              from_host(IP(src=HOST, dst=OUR, version=6) / ICMP()),
              from_host(IP(src=HOST, dst=OUR, len=19) / ICMP()),
              from_host(IP(src=HOST, dst=OUR, len=2000) / ICMP()),
              from_host(IP(src='127.0.0.1', dst=OUR) / ICMP()),
              from_host(IP(src='224.0.0.1', dst=OUR) / ICMP()),
              from_host(IP(src=OUR, dst=OUR) / ICMP()),
              from_host(IP(src='192.0.2.255', dst=OUR) / ICMP()),
              from_host(IP(src=HOST, dst='127.0.0.1') / ICMP()),
              from_host(IP(src=HOST, dst='8.8.8.8') / ICMP()),
              Ether(src=HOST_MAC, dst=ALL) / IP(src=HOST, dst='192.0.2.255') / ICMP(),
              Ether(src=HOST_MAC, dst=ALL) / IP(src=HOST, dst='255.255.255.255') / UDP(dport=7) / data(3),
              Ether(src=HOST_MAC, dst=ALL) / good,
              Ether(src=HOST_MAC, dst='02:00:00:00:00:99') / good,
              Ether(src='01:00:5e:00:00:01', dst=OUR_MAC) / good,
              Ether(src=HOST_MAC, dst=OUR_MAC, type=0x86dd) / data(60),
              from_host(IP(src=HOST, dst=OUR) / ICMP(type=3, code=3) / IP(src=OUR, dst=HOST) / UDP() / data(8)),
              from_host(IP(src=HOST, dst=OUR) / ICMP(type=4) / data(28)),
              from_host(IP(src=HOST, dst=OUR, options=[IPOption_RR(pointer=4, routers=['0.0.0.0'])], ihl=15)
                        / ICMP())]
    return Case('what earns no answer', ONE_PORT, [frames], [[]])


def unreachable_case():
    commands = [*ONE_PORT, 'sysctl -w net.ipv4.icmp_ratelimit=0']
    datagrams = [IP(src=HOST, dst=OUR, id=i) / UDP(sport=1000 + i, dport=2000 + i) / data(size)
                 for i, size in enumerate((0, 1, 64, 519, 520, 521, 1400), 1)]
    datagrams += [IP(src=HOST, dst=OUR, id=50 + i, proto=proto) / data(40) for i, proto in enumerate((98, 99, 255))]
    datagrams = [rebuilt(one) for one in datagrams]
    answers = [to_host(error(3, 3 if one.proto == 17 else 2, one)) for one in datagrams]
    return Case('port and protocol unreachable', commands, [[from_host(one) for one in datagrams]], [answers])


def forward_case():
    datagrams = [rebuilt(IP(src=HOST, dst=FAR, ttl=ttl, id=ttl, tos=tos) / UDP(sport=5, dport=6) / data(size))
                 for ttl, tos, size in ((2, 0, 0), (3, 0xb8, 1), (64, 3, 100), (128, 0, 1472), (255, 0xff, 511))]
    datagrams.append(rebuilt(IP(src=HOST, dst=FAR, proto=89) / data(33)))
    return Case('forwarding', TWO_PORTS, [[from_host(one) for one in datagrams], []],
                [[], [to_far(forwarded(one)) for one in datagrams]])


def refused_forward_case():
    commands = [*TWO_PORTS, 'ip route add blackhole 10.1.0.0/16', 'ip route add unreachable 10.2.0.0/16',
                'ip route add prohibit 10.3.0.0/16', 'ip route add 10.4.0.0/16 via 198.51.100.2 mtu 600']
    def datagram(dst, **fields):
        return rebuilt(IP(src=HOST, dst=dst, **fields) / UDP(sport=1, dport=2) / data(700))
    ttl, lost, hole, never, forbidden = (datagram(FAR, ttl=1), datagram('10.9.9.9'), datagram('10.1.1.1'),
                                         datagram('10.2.2.2'), datagram('10.3.3.3'))
    narrow = datagram('10.4.4.4', flags='DF')
    answers = [error(11, 0, ttl), error(3, 0, lost), error(3, 1, never), error(3, 13, forbidden),
               error(3, 4, narrow, nexthopmtu=600)]
    return Case('forwarding refused', commands,
                [[from_host(one) for one in (ttl, lost, hole, never, forbidden, narrow)], []],
                [[to_host(one) for one in answers], []])


def cut_case():
    commands = [*TWO_PORTS, 'ip link set port1 mtu 600']
    whole = rebuilt(IP(src=HOST, dst=FAR, id=0x4242) / UDP(sport=1, dport=2) / data(1400))
    pieces = fragment(forwarded(whole), 576)
    return Case('fragmentation on the way', commands, [[from_host(whole)], []],
                [[], [to_far(rebuilt(piece)) for piece in pieces]])


def record_route_case():
    def datagram(routers, pointer):
        return rebuilt(IP(src=HOST, dst=FAR, options=[IPOption_RR(pointer=pointer, routers=routers)])
                       / UDP(sport=1, dport=2) / data(20))
    asked = datagram(['0.0.0.0', '0.0.0.0'], 4)
    signed = forwarded(datagram([OUR_FAR, '0.0.0.0'], 8))
    return Case('record route', TWO_PORTS, [[from_host(asked)], []], [[], [to_far(signed)]])


ALL_CASES = [arp_case, ping_case, long_ping_case, silence_case, unreachable_case, forward_case,
             refused_forward_case, cut_case, record_route_case]
