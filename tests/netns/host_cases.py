# SPDX-License-Identifier: BSD-3-Clause
"""Linnet as a host on its networks: ping of all sizes, ARP, ICMP, the commands about neighbours."""
from _init import case, expect, expect_error, expect_ping, ping, wait_until


@case('router')
def ping_every_size(net):
    """From nothing over the last that fits a frame to the largest datagram there is, 45 fragments each way."""
    for size in (0, 1, 7, 8, 17, 18, 19, 56, 1471, 1472, 1473, 8000, 65507):
        expect_ping(net.a, net.LAN, '-s', size)


@case('router')
def ping_any_own_address(net):
    """RFC 1122 3.3.4.2, weak host model as Linux has it: the far side's address is ours as well."""
    expect_ping(net.a, net.WAN)
    expect_ping(net.b, net.LAN)


@case('router')
def ping_fast(net):
    received, output = ping(net.a, net.LAN, '-q', '-f', count=2000, interval='0')
    expect(received >= 1990, f'flood ping: {received} of 2000 came back', output)


@case('router')
def ping_with_record_route_and_timestamps(net):
    expect(net.WAN in expect_ping(net.a, net.B, '-R', count=1), 'the recorded route does not name linnetd')
    expect_ping(net.a, net.LAN, '-T', 'tsonly', count=1)
    expect_ping(net.a, net.LAN, '-T', 'tsandaddr', count=1)


@case('router')
def ping_of_broadcast_is_ignored(net):
    before = net.counter('ip.IcmpEchoIgnored')
    received, output = ping(net.a, '198.51.100.255', '-b', count=1, seconds=1)
    expect(received == 0, 'an echo to the broadcast address was answered', output)
    expect(net.counter('ip.IcmpEchoIgnored') > before, 'the drop is not counted')


@case('router')
def arping_is_answered(net):
    # Not by its exit status: arping counts our neighbour machine's own unicast probe as one answer too many.
    done = net.a.run('arping', '-c', 2, '-w', 5, '-I', 'eth0', net.LAN)
    expect(f'UNICAST REPLY FROM {net.LAN} [{net.macs["lan0"]}]'.upper() in done.stdout.upper(), 'arping', done.stdout)


@case('router')
def arping_of_no_address_of_ours_is_not_answered(net):
    done = net.a.run('arping', '-c', 1, '-w', 2, '-I', 'eth0', '198.51.100.99')
    expect('Received 0' in done.stdout, 'an address that is not ours was answered', done.stdout)


@case('router')
def duplicate_address_is_found(net):
    """RFC 5227: a probe (sender 0.0.0.0) for our address is answered; one for a free address is not."""
    taken = net.a.run('arping', '-D', '-c', 2, '-w', 5, '-I', 'eth0', net.LAN)
    expect(taken.returncode == 1, 'arping -D of our address found no duplicate', taken.stdout)
    free = net.a.run('arping', '-D', '-c', 1, '-w', 2, '-I', 'eth0', '198.51.100.98')
    expect(free.returncode == 0, 'arping -D of a free address found a duplicate', free.stdout)


@case('router')
def closed_udp_port_is_refused(net):
    """ICMP port unreachable becomes ECONNREFUSED in the sender's socket."""
    program = ('import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(5)\n'
               f's.connect(("{net.LAN}", 4711))\ns.send(b"x" * 64)\n'
               'try:\n    s.recv(10)\nexcept ConnectionRefusedError:\n    print("refused")\n')
    done = net.a.run('/usr/bin/python3', '-c', program)
    expect('refused' in done.stdout, 'no ICMP port unreachable', done.stdout + done.stderr)


@case('router')
def unknown_protocol_is_refused(net):
    """ICMP protocol unreachable for a protocol that we do not speak (SCTP)."""
    done = net.a.run('traceroute', '-n', '-P', '132', '-q', '1', '-w', '3', '-m', '1', net.LAN)
    expect('!P' in done.stdout, 'no ICMP protocol unreachable', done.stdout + done.stderr)


@case('router')
def neighbours_by_the_client(net):
    expect_ping(net.a, net.LAN)
    shown = net.daemon.cli('ip neigh show dev lan0')
    mac = net.a.ip('-o', 'link', 'show', 'eth0').split('link/ether ')[1].split()[0]
    expect(net.A in shown and mac in shown, 'ip neigh show does not name host a', shown)
    net.commands('ip neigh add 198.51.100.77 lladdr 02:00:5e:77:00:01 dev lan0')
    expect('PERMANENT' in net.daemon.cli('ip neigh show 198.51.100.77'), 'the new entry is not permanent')
    net.commands('ip neigh del 198.51.100.77 dev lan0')
    expect('198.51.100.77' not in net.daemon.cli('ip neigh show'), 'the entry is still there')
    net.commands('ip neigh flush dev lan0')
    expect_ping(net.a, net.LAN)


@case('router')
def a_refused_command_changes_nothing(net):
    before = net.daemon.cli('ip route show table all')
    done = net.daemon.client('ip', 'route', 'add', '203.0.113.0/24', 'vai', net.B)
    expect(done.returncode != 0 and 'vai' in done.stderr, 'the wrong word is not named', done.stderr)
    done = net.daemon.client('ip', 'route', 'add', '203.0.113.0/24', 'via', '10.99.99.99')
    expect(done.returncode != 0, 'a gateway out of reach was taken')
    expect(net.daemon.cli('ip route show table all') == before, 'the routes have changed')


@case('router')
def a_changed_neighbour_is_followed(net):
    """Host a gets another link address; its gratuitous ARP updates our entry (RFC 5227, Linux: arp_process)."""
    old = net.a.ip('-o', 'link', 'show', 'eth0').split('link/ether ')[1].split()[0]
    try:
        net.a.ip('link', 'set', 'eth0', 'address', '02:00:5e:00:aa:aa')
        net.a.run('arping', '-A', '-c', 2, '-I', 'eth0', net.A)
        expect(wait_until(lambda: ping(net.b, net.A, count=1, seconds=1)[0] == 1, 15), 'host a is not reached')
        expect('02:00:5e:00:aa:aa' in net.daemon.cli('ip neigh show dev lan0'), 'the entry kept the old address')
    finally:
        net.a.ip('link', 'set', 'eth0', 'address', old)
        net.a.run('arping', '-A', '-c', 2, '-I', 'eth0', net.A)
    expect(wait_until(lambda: ping(net.b, net.A, count=1, seconds=1)[0] == 1, 15), 'host a is not reached again')


@case('router')
def link_goes_down_and_up(net):
    """The kernel takes the TAP's carrier away; afterwards all works as before."""
    for _ in range(3):
        net.lab.space.ip('link', 'set', 'tap-lan', 'down')
        received, output = ping(net.a, net.LAN, count=1, seconds=1)
        expect(received == 0, 'a ping was answered over a link that is down', output)
        net.lab.space.ip('link', 'set', 'tap-lan', 'up')
        expect(wait_until(lambda: ping(net.a, net.LAN, count=1, seconds=1)[0] == 1, 15),
               'no answer after the link came back', net.daemon.cli('ip link'))
    expect_ping(net.a, net.B)


@case('router')
def interface_down_and_up_by_the_client(net):
    net.commands('ip link set lan0 down')
    received, output = ping(net.a, net.LAN, count=1, seconds=1)
    expect(received == 0, 'a ping was answered by an interface that is down', output)
    net.commands('ip link set lan0 up')
    expect(wait_until(lambda: ping(net.a, net.LAN, count=1, seconds=1)[0] == 1, 15),
           'no answer after the interface came up', net.daemon.cli('ip link'))
    expect_error(net.a, '203.0.113.200', 'Destination Net Unreachable')
