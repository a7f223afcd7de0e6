# SPDX-License-Identifier: BSD-3-Clause
"""Linnet's TCP and UDP against the kernel's: iperf3 in both roles, long streams, many connections, a flood, a bad
wire. With LONG=1 each case has its full size: 10 GiB, 100,000 connections."""
import json
import pathlib
import random
import re
import subprocess

from _init import Lab, case, expect, interactive, wait_until
from program_cases import ADDRESS, PEER, Net

PEER_PROGRAM = pathlib.Path(__file__).with_name('peer.py')
LONG = interactive('LONG')
SEED = 5


def peer(net, *words, timeout=None):
    """One of the works of peer.py in the host; its line, shown when figures are asked for."""
    done = net.host.run(PEER_PROGRAM, *words, timeout=timeout or (1800 if LONG else 90))
    said = (done.stdout + done.stderr).strip()
    expect(done.returncode == 0, f'peer.py {" ".join(map(str, words))}', f'{said}\n{net.daemon.messages()}')
    if LONG:
        print(f'     {" ".join(map(str, words))}: {said}', flush=True)
    return said


def figures(name, end):
    if LONG:
        both = {key: f'{value["bits_per_second"] / 1e6:.0f} Mbit/s' for key, value in end.items() if key.startswith('sum')}
        print(f'     {name}: {both}', flush=True)


# --- iperf3.

def judge_tcp(name, result, both_ways=False):
    expect('error' not in result, f'{name}: {result.get("error")}')
    end = result['end']
    figures(name, end)
    for tail in ('', '_bidir_reverse') if both_ways else ('',):
        sent, received = end[f'sum_sent{tail}'], end[f'sum_received{tail}']
        # How long depends on who else runs on the machine; that much goes over any.
        expect(received['bits_per_second'] > 20e6, f'{name}: {received["bits_per_second"] / 1e6:.1f} Mbit/s', json.dumps(end))
        expect(received['bytes'] <= sent['bytes'], f'{name}: more was received than sent', json.dumps(end))


def judge_udp(name, result, rate):
    expect('error' not in result, f'{name}: {result.get("error")}')
    total = result['end']['sum']
    figures(name, result['end'])
    expect(total['lost_percent'] < 10, f'{name}: {total["lost_percent"]:.1f} % lost')
    expect(0.7 * rate < total['bits_per_second'] < 1.3 * rate, f'{name}: {total["bits_per_second"] / 1e6:.2f} Mbit/s')


def iperf3_json(done, net):
    try:
        return json.loads(done.stdout)
    except ValueError:
        expect(False, 'iperf3 says no JSON', done.stdout[-1000:] + done.stderr[-1000:] + net.daemon.messages())


@case('own')
def the_kernels_iperf3_tests_with_linnet_iperf():
    """linnet-iperf -s; iperf3 in the host is the client."""
    seconds = 10 if LONG else 1
    with Lab('i') as lab:
        net = Net(lab, 'linnet-iperf', '-s')

        def client(*words):
            length = [] if '-n' in words else ['-t', seconds]
            done = net.host.run('iperf3', '-c', ADDRESS, '-J', *length, *words, timeout=seconds + 30)
            return iperf3_json(done, net)

        for words in (['-C', 'cubic'], ['-C', 'bbr'], ['-P', '8'], ['-R'], ['-R', '-P', '8', '-C', 'bbr']):
            judge_tcp(f'iperf3 -c {" ".join(words)}', client(*words))
        judge_tcp('iperf3 -c --bidir', client('--bidir'), both_ways=True)
        judge_udp('iperf3 -c -u', client('-u', '-b', '20M'), 20e6)
        judge_udp('iperf3 -c -u -R -P 4', client('-u', '-b', '5M', '-R', '-P', '4', '-l', '1000'), 20e6)
        first = net.lab.spawn(net.host, 'iperf3', '-c', ADDRESS, '-t', '2', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        expect(wait_until(lambda: len(net.host.run('ss', '-tnH').stdout.splitlines()) >= 2, 5), 'the first client does not connect')
        second = client()
        expect('busy' in second.get('error', ''), 'a second client is not told that we are busy', json.dumps(second)[:500])
        expect(first.wait(10) == 0, 'the first client failed', net.daemon.messages())
        judge_tcp('iperf3 -c -n', client('-n', '5M'))
        net.finish()


@case('own')
def linnet_iperf_tests_with_the_kernels_iperf3():
    """iperf3 -s in the host; linnet-iperf is the client."""
    seconds = 10 if LONG else 1

    def client(*words):
        with Lab('i') as lab:
            host = lab.host('a')
            server = lab.spawn(host, 'iperf3', '-s', '-1', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            expect(wait_until(lambda: ':5201' in host.run('ss', '-ltn').stdout, 10), 'iperf3 does not listen')
            net = Net(lab, 'linnet-iperf', '-c', PEER, '-t', seconds, '-J', *words, answers=False)
            expect(wait_until(lambda: net.daemon.process.poll() is not None, seconds + 30), 'it does not end', net.daemon.messages())
            server.wait(10)
            said = (lab.directory / 'linnetd.out').read_text()
            expect(net.daemon.process.returncode == 0, f'linnet-iperf {" ".join(words)}', net.daemon.messages())
            return json.loads(said[said.index('\n{') + 1:])

    for words in (['-P', '8'], ['-R', '-C', 'bbr'], ['-C', 'bbr']) if LONG else (['-P', '8'], ['-R']):
        judge_tcp(f'linnet-iperf -c {" ".join(words)}', client(*words))
    judge_tcp('linnet-iperf -c --bidir', client('--bidir'), both_ways=True)
    judge_udp('linnet-iperf -c -u', client('-u', '-b', '20M'), 20e6)
    if LONG:
        judge_udp('linnet-iperf -c -u -R', client('-u', '-b', '20M', '-R'), 20e6)


# --- Streams and connections.

@case('own')
def a_stream_comes_back_byte_for_byte():
    """Both ways at once through linnet-echo, with cubic and with bbr on the kernel's side."""
    with Lab('b') as lab:
        net = Net(lab, 'linnet-echo', offload=LONG)
        for congestion in ('cubic', 'bbr'):
            peer(net, 'exchange', ADDRESS, 7, (10 << 30 if congestion == 'cubic' else 1 << 30) if LONG else 50 << 20, congestion)
        net.finish()


@case('own')
def ten_thousand_connections_are_open_at_once():
    with Lab('o') as lab:
        net = Net(lab, 'linnet-echo')
        peer(net, 'open', ADDRESS, 7, 10_000)
        expect(wait_until(lambda: established(net) == 0, 20, 0.2), f'{established(net)} connections stay')
        net.finish()


def established(net):
    return len([line for line in net.daemon.cli('ss -tn').splitlines() if 'ESTAB' in line or 'CLOSE' in line])


@case('own')
def connections_in_turn_are_all_served():
    """The client closes first, then the server: its ports come back while we are in TIME-WAIT (RFC 6191)."""
    count = 50_000 if LONG else 1500
    with Lab('c') as lab:
        net = Net(lab, 'linnet-echo')
        # The client's ports are in its own TIME-WAIT: without this it runs out of them.
        net.host.sysctl('net.ipv4.tcp_tw_reuse', 1)
        peer(net, 'turn', ADDRESS, 7, count, 'echo')
        net.finish()
    with Lab('c') as lab:
        root = lab.directory / 'pages'
        root.mkdir()
        (root / 'index.html').write_text('<h1>It works</h1>\n')
        net = Net(lab, 'linnet-httpd', root, '80')
        # Few ports, so that they come again soon.
        net.host.sysctl('net.ipv4.ip_local_port_range', '"40000 40999"')
        peer(net, 'turn', ADDRESS, 80, count, 'http')
        net.finish()


@case('own')
def wrk_finds_no_fault_in_httpd():
    seconds = 10 if LONG else 2
    with Lab('w') as lab:
        root = lab.directory / 'pages'
        root.mkdir()
        (root / 'index.html').write_text('<h1>It works</h1>\n' * 100)
        net = Net(lab, 'linnet-httpd', root, '80')
        for words in ((), ('-H', 'Connection: close')):
            done = net.host.run('wrk', '-t', '1', '-c', '64', '-d', f'{seconds}s', *words, f'http://{ADDRESS}/', timeout=seconds + 30)
            said = done.stdout + done.stderr
            served = re.search(r'(\d+) requests in', said)
            expect(done.returncode == 0 and served and int(served[1]) > 100 * seconds, 'wrk', said + net.daemon.messages())
            expect('Socket errors' not in said and 'Non-2xx' not in said, 'wrk saw errors', said)
            if LONG:
                print('     wrk ' + ' '.join(words) + ': ' + ' '.join(said.split('\n')[-3:]), flush=True)
        net.finish()


@case('own')
def a_flood_of_syns_keeps_no_client_out():
    """T10: half-open connections fill up, cookies answer; who means it is served."""
    seconds = 20 if LONG else 4
    with Lab('f') as lab:
        net = Net(lab, 'linnet-echo', commands=[f'ip route add default via {PEER}'])
        flooder = lab.spawn(net.host, PEER_PROGRAM, 'flood', ADDRESS, '7', str(seconds + 2), stdout=subprocess.PIPE, text=True)
        said = peer(net, 'legitimate', ADDRESS, 7, seconds)
        sent = int(flooder.communicate(timeout=30)[0].split()[0])
        cookies = int(re.search(r'SyncookiesSent\s+(\d+)', net.daemon.cli('nstat -az'))[1])
        if LONG:
            print(f'     {sent} SYNs, {cookies} cookies; {said}', flush=True)
        expect(sent > 1000 * seconds, f'the flood was {sent} SYNs only')
        expect(cookies > 0, 'no cookie was sent')
        net.finish()


# --- A bad wire.

BAD = ('loss=0.01', 'duplicate=0.01', 'reorder=0.03', 'corrupt=0.005', 'delay=2')


def counts_of_wire(lab):
    wire = lab.wires[0]
    wire.terminate()
    said = wire.communicate(timeout=10)[0]
    return {name: int(value) for name, value in re.findall(r'(\w+) (\d+)', said)}


@case('own')
def streams_cross_a_bad_wire_byte_for_byte():
    """Loss, duplicates, reordering and flipped bits both ways, cubic and bbr on the kernel's side."""
    with Lab('x') as lab:
        net = Net(lab, 'linnet-echo', wire=(SEED, *BAD))
        for congestion in ('cubic', 'bbr'):
            peer(net, 'exchange', ADDRESS, 7, 100 << 20 if LONG else 1 << 20, congestion, timeout=600)
        counts = counts_of_wire(lab)
        if LONG:
            print(f'     the wire: {counts}', flush=True)
        for name in ('lost', 'duplicated', 'reordered', 'corrupted'):
            expect(counts[name] > 0, f'nothing was {name}', str(counts))
        net.finish()


@case('own')
def iperf3_crosses_a_bad_wire():
    with Lab('x') as lab:
        net = Net(lab, 'linnet-iperf', '-s', wire=(SEED, *BAD))
        for words in ([], ['-R'], ['-P', '8', '-C', 'bbr'], ['-R', '-C', 'bbr']) if LONG else ([], ['-R', '-C', 'bbr']):
            done = net.host.run('iperf3', '-c', ADDRESS, '-t', 10 if LONG else 1, '-J', *words, timeout=90)
            result = iperf3_json(done, net)
            expect('error' not in result, f'iperf3 {" ".join(words)}: {result.get("error")}')
            figures(' '.join(words), result['end'])
            expect(result['end']['sum_received']['bytes'] > 100_000, 'next to nothing came through', done.stdout[-1500:])
        net.finish()


@case('own')
def curl_fetches_a_file_over_a_bad_wire():
    with Lab('x') as lab:
        root = lab.directory / 'pages'
        root.mkdir()
        page = random.Random(SEED).randbytes((100 if LONG else 2) << 20)
        (root / 'big').write_bytes(page)
        net = Net(lab, 'linnet-httpd', root, '80', wire=(SEED, *BAD))
        got = lab.directory / 'got'
        done = net.host.run('curl', '-sS', '-o', got, f'http://{ADDRESS}/big', timeout=600)
        expect(got.exists() and got.read_bytes() == page, 'the file differs', done.stderr + net.daemon.messages())
        net.finish()
