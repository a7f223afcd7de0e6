# SPDX-License-Identifier: BSD-3-Clause
"""Linnet as a router between kernel hosts: forwarding, MTUs, route types, several next hops, iperf3."""
import contextlib
import re

from _init import case, expect, expect_error, expect_ping, json, ping, wait_until


@contextlib.contextmanager
def routes(net, *lines):
    """Routes that are there for one case."""
    added = []
    try:
        for line in lines:
            net.commands(f'ip route add {line}')
            added.append(line)
        yield
    finally:
        for line in reversed(added):
            words = line.split()
            prefix = ' '.join(words[:2]) if '/' not in words[0] and words[0] != 'default' else words[0]
            net.commands(f'ip route del {prefix}')


@case('router')
def ping_through(net):
    """Both ways, whole and in fragments that the hosts made."""
    for size in (0, 56, 1472, 1473, 8000, 65507):
        expect_ping(net.a, net.B, '-s', size)
        expect_ping(net.b, net.A, '-s', size)


@case('router')
def traceroute_names_the_router(net):
    for options in (['-U', '-p', '33500'], ['-I'], ['-T', '-p', '5999']):
        done = net.a.run('traceroute', '-n', '-q', '2', '-w', '3', '-m', '4', *options, net.B)
        hops = [line.split()[1] for line in done.stdout.splitlines()[1:]]
        expect(hops == [net.LAN, net.B], f'traceroute {options}', done.stdout + done.stderr)


@case('router')
def ttl_ends_at_the_router(net):
    output = expect_error(net.a, net.B, 'Time to live exceeded', '-t', '1')
    expect(f'From {net.LAN}' in output, 'the error does not come from our near address', output)
    expect_ping(net.a, net.B, '-t', '2')


@case('router')
def mtu_mismatch_tells_the_sender(net):
    """RFC 1191: don't fragment and too long for the way out gets fragmentation needed with the MTU."""
    received, output = ping(net.a, net.C, '-M', 'do', '-s', '1472', count=2)
    expect(received == 0 and re.search(r'mtu ?= ?1400', output), 'ping -M do -s 1472', output)
    net.a.ip('route', 'flush', 'cache')
    expect_ping(net.a, net.C, '-M', 'do', '-s', '1372')
    net.a.ip('route', 'flush', 'cache')


@case('router')
def mtu_mismatch_fragments_on_the_way(net):
    """RFC 791 3.2: without don't fragment the router cuts, also what are fragments already."""
    for size in (1372, 1373, 1472, 1473, 8000, 65507):
        expect_ping(net.a, net.C, '-M', 'dont', '-s', size)


@case('router')
def tracepath_finds_the_mtu(net):
    net.a.ip('route', 'flush', 'cache')
    done = net.a.run('tracepath', '-n', net.C, timeout=60)
    expect('pmtu 1400' in done.stdout and 'reached' in done.stdout, 'tracepath', done.stdout + done.stderr)
    net.a.ip('route', 'flush', 'cache')


@case('router')
def route_types_answer_as_linux_does(net):
    """RTN_UNREACHABLE: host unreachable; RTN_PROHIBIT: filtered; no route: net unreachable; blackhole: nothing."""
    with routes(net, 'unreachable 203.0.113.32/28', 'prohibit 203.0.113.48/28', 'blackhole 203.0.113.16/28'):
        expect_error(net.a, '203.0.113.33', 'Destination Host Unreachable')
        expect_error(net.a, '203.0.113.49', 'Packet filtered')
        before = net.counter('ip.RouteBlackhole')
        received, output = ping(net.a, '203.0.113.17', count=1, seconds=1)
        expect(received == 0 and 'From' not in output, 'a blackhole answered', output)
        expect(net.counter('ip.RouteBlackhole') == before + 1, 'the blackhole does not count')
    expect_error(net.a, '203.0.113.33', 'Destination Net Unreachable')


@case('router')
def a_neighbour_that_does_not_answer_is_unreachable(net):
    """S5.4: resolution that fails gives ICMP host unreachable to the sender."""
    output = expect_error(net.a, '192.0.2.77', 'Destination Host Unreachable')
    expect(f'From {net.LAN}' in output, 'the error does not come from our near address', output)


@case('router')
def proxy_arp_answers_for_the_other_side(net):
    net.commands('sysctl -w net.ipv4.conf.all.proxy_arp=1')
    net.a.ip('route', 'add', '192.0.2.0/25', 'dev', 'eth0', 'scope', 'link')
    try:
        expect_ping(net.a, net.B)
        expect(net.macs['lan0'] in net.a.ip('neigh', 'show', net.B), 'host a did not learn our link address')
    finally:
        net.a.ip('route', 'del', '192.0.2.0/25', 'dev', 'eth0')
        net.a.ip('neigh', 'flush', 'dev', 'eth0')
        net.commands('sysctl -w net.ipv4.conf.all.proxy_arp=0')


@case('router')
def forwarding_can_be_turned_off(net):
    net.commands('sysctl -w net.ipv4.ip_forward=0')
    try:
        received, output = ping(net.a, net.B, count=1, seconds=1)
        expect(received == 0, 'a packet was forwarded', output)
        expect_ping(net.a, net.LAN)
    finally:
        net.commands('sysctl -w net.ipv4.ip_forward=1')
    expect_ping(net.a, net.B)


def echo_requests(space):
    """InEchos of the kernel's ICMP counters in a namespace."""
    lines = [line.split() for line in space.run('cat', '/proc/net/snmp').stdout.splitlines()
             if line.startswith('Icmp:')]
    return int(dict(zip(lines[0], lines[1]))['InEchos'])


@case('router')
def several_next_hops_share(net):
    """Flows spread over two next hops, each flow stays on one; a prefix goes when its next hops are gone."""
    for space in (net.b, net.c):
        space.ip('route', 'add', 'local', '203.0.113.128/25', 'dev', 'lo')
    try:
        with routes(net, f'203.0.113.128/25 nexthop via {net.B} weight 1 nexthop via {net.C} weight 1'):
            expect('nexthop' in net.daemon.cli('ip route show'), 'the route is not shown')
            before = [echo_requests(net.b), echo_requests(net.c)]
            for last in range(130, 170):
                expect_ping(net.a, f'203.0.113.{last}', count=1)
            shares = [echo_requests(net.b) - before[0], echo_requests(net.c) - before[1]]
            expect(sum(shares) == 40 and min(shares) >= 5, f'40 flows were spread as {shares}')
            before = [echo_requests(net.b), echo_requests(net.c)]
            expect_ping(net.a, '203.0.113.130', count=10)
            shares = [echo_requests(net.b) - before[0], echo_requests(net.c) - before[1]]
            expect(sorted(shares) == [0, 10], f'one flow was spread as {shares}')
    finally:
        for space in (net.b, net.c):
            space.ip('route', 'del', 'local', '203.0.113.128/25', 'dev', 'lo')


@case('router')
def longest_prefix_wins_and_metrics_order(net):
    with routes(net, f'203.0.113.0/24 via {net.B}', 'unreachable 203.0.113.64/26'):
        got = net.daemon.cli('ip route get 203.0.113.7')
        expect(net.B in got and 'wan0' in got, 'ip route get', got)
        expect_error(net.a, '203.0.113.65', 'Destination Host Unreachable')
    expect_error(net.a, '203.0.113.7', 'Destination Net Unreachable')


def iperf(net, *options, seconds=2):
    server = net.lab.spawn(net.b, 'iperf3', '-s', '-1', stdout=-3, stderr=-3)
    try:
        expect(wait_until(lambda: ':5201' in net.b.run('ss', '-ltn').stdout, 10), 'iperf3 does not listen')
        done = net.a.run('iperf3', '-c', net.B, '-t', seconds, '-J', *options, timeout=seconds + 40)
        expect(done.returncode == 0, 'iperf3', done.stdout[-2000:] + done.stderr)
        return json.loads(done.stdout)['end']
    finally:
        server.terminate()
        server.wait(10)


@case('router')
def iperf3_tcp(net):
    for options in ([], ['-R'], ['-P', '4']):
        rate = iperf(net, *options)['sum_received']['bits_per_second']
        expect(rate > 5e6, f'iperf3 {options}: {rate / 1e6:.1f} Mbit/s')


@case('router')
def iperf3_udp(net):
    for options in (['-u', '-b', '20M'], ['-u', '-b', '20M', '-l', '8000'], ['-u', '-b', '2M', '-l', '200', '-R']):
        total = iperf(net, *options)['sum']
        expect(total['lost_percent'] < 10, f'iperf3 {options}: {total["lost_percent"]:.1f} % lost')
