# SPDX-License-Identifier: BSD-3-Clause
"""The programs that bring their stack along, with the kernel's own programs as their peers."""
import hashlib
import os
import random

from _init import Lab, case, expect, wait_until

ADDRESS, PEER = '198.51.100.1', '198.51.100.2'


class Net:
    """A program of ours at ADDRESS, joined to a host of the kernel's at PEER."""

    def __init__(self, lab, program, *words, lanes=None, options=(), commands=(), wire=(), offload=False, answers=True,
                 **started):
        self.lab, self.daemon = lab, lab.daemon
        startup = lab.directory / 'startup.commands'
        startup.write_text('\n'.join(['ip link set lan0 up', f'ip addr add {ADDRESS}/24 dev lan0', *commands]) + '\n')
        options = ['--startup', startup, '--port', 'name=lan0 devargs=net_tap0,iface=tap-lan', *options]
        if lanes is not None:
            options += ['--lanes', str(lanes)]
        self.daemon.start(*options, '--', *words, program=program, **started)
        self.host = lab.host('a')
        lab.join('tap-lan', self.host, f'{PEER}/24', wire=wire, offload=offload)
        # A program that talks first may be done before a ping is.
        expect(not answers or wait_until(lambda: self.host.run('ping', '-c1', '-W1', ADDRESS).returncode == 0, 10, 0.2),
               f'{program} does not answer a ping', self.daemon.messages())

    def finish(self):
        expect(self.daemon.process and self.daemon.process.poll() is None, 'the program has died', self.daemon.messages())
        status = self.daemon.stop()
        expect(status == 0, f'the program ended with status {status}', self.daemon.messages())


def run_python(host, text, *words, timeout=60):
    """A Python program in the host's namespace; its output."""
    done = host.run('/usr/bin/python3', '-c', text, *words, timeout=timeout)
    expect(done.returncode == 0, 'the peer failed', done.stdout + done.stderr)
    return done.stdout


ECHO = '''
import hashlib, random, socket, sys, threading
kind, address, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = random.Random(1).randbytes(count)
if kind == 'tcp':
    s = socket.create_connection((address, 7), 10)
    def send():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    thread = threading.Thread(target=send)
    thread.start()
    back = b''.join(iter(lambda: s.recv(65536), b''))
    thread.join()
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(data, (address, 7))
    back = s.recv(65536)
print('same' if back == data else f'{len(back)} bytes came back')
'''


@case('own')
def echo_returns_streams_and_datagrams():
    with Lab('e') as lab:
        net = Net(lab, 'linnet-echo')
        for count in (1, 1460, 1461, 100_000, 5_000_000):
            said = run_python(net.host, ECHO, 'tcp', ADDRESS, count)
            expect(said == 'same\n', f'{count} bytes by TCP', said + net.daemon.messages())
        for count in (1, 1472, 1473, 9000, 60000):
            said = run_python(net.host, ECHO, 'udp', ADDRESS, count)
            expect(said == 'same\n', f'{count} bytes by UDP', said)
        net.finish()


def serve_pages(lanes):
    with Lab('w') as lab:
        root = lab.directory / 'pages'
        root.mkdir()
        root.chmod(0o755)
        (root / 'index.html').write_text('<h1>It works</h1>\n')
        big = random.Random(2).randbytes(8_000_000)
        (root / 'big').write_bytes(big)
        (root / 'empty').write_bytes(b'')
        net = Net(lab, 'linnet-httpd', root, '80', lanes=lanes)

        def curl(*words):
            return net.host.run('curl', '-sS', '--max-time', '30', *words, timeout=40)

        done = curl(f'http://{ADDRESS}/')
        expect(done.stdout == '<h1>It works</h1>\n', 'the front page', done.stdout + done.stderr + net.daemon.messages())
        got = lab.directory / 'got'
        done = curl('-o', got, f'http://{ADDRESS}/big')
        expect(got.exists() and hashlib.sha256(got.read_bytes()).digest() == hashlib.sha256(big).digest(),
               'a file of 8 MB', done.stderr + net.daemon.messages())
        done = curl('-w', '%{http_code} %{num_connects}\n', f'http://{ADDRESS}/empty', f'http://{ADDRESS}/none',
                    '-o', '/dev/null', '-o', '/dev/null')
        expect(done.stdout.split() == ['200', '1', '404', '0'], 'two requests on one connection', done.stdout + done.stderr)
        done = curl('--path-as-is', '-w', '%{http_code}', '-o', '/dev/null', f'http://{ADDRESS}/../../etc/passwd')
        expect(done.stdout == '400', 'a path that leads upwards', done.stdout)
        net.finish()


@case('own')
def httpd_serves_the_kernels_curl():
    serve_pages(None)


@case('own')
def httpd_serves_with_its_lane_on_the_control_core():
    serve_pages(0)


LEFT_ALONE = '''
import socket, sys
address = sys.argv[1]
idle = [socket.create_connection((address, 7), 10) for _ in range(1000)]
for s in idle:
    s.settimeout(20)
    s.sendall(b'x')
    assert s.recv(1) == b'x'
# All that it says is read, and what is echoed finds no room here.
held = socket.socket()
held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
held.settimeout(20)
held.connect((address, 7))
held.sendall(bytes(100_000))
print('ready', flush=True)
# Whoever reads before the program has ended would make room.
sys.stdin.readline()
def end_of(s):
    try:
        while s.recv(1 << 20):
            pass
        return 'end'
    except ConnectionResetError:
        return 'reset'
print(*sorted({end_of(s) for s in idle}), end_of(held), flush=True)
'''


@case('own')
def a_program_that_ends_leaves_no_peer_waiting():
    """As if the kernel closed its sockets: idle peers see the end of the stream, one who takes nothing any more a reset."""
    with Lab('z') as lab:
        net = Net(lab, 'linnet-echo')
        peer = lab.spawn(net.host, '/usr/bin/python3', '-c', LEFT_ALONE, ADDRESS, stdin=-1, stdout=-1, text=True)
        expect(peer.stdout.readline() == 'ready\n', 'the peer does not start', net.daemon.messages())
        net.finish()
        said = peer.communicate('read\n', timeout=30)[0]
        expect(said == 'end reset\n', 'what the peers saw', said)


@case('own')
def nc_hears_the_kernels_connection():
    """It listens, the kernel connects, and what the kernel says comes out of its standard output."""
    with Lab('n') as lab:
        net = Net(lab, 'linnet-nc', '-l', '4000')
        said = 'one line\n' * 2000
        run_python(net.host, 'import socket, sys; s = socket.create_connection((sys.argv[1], 4000), 10); '
                   's.sendall(sys.argv[2].encode()); s.shutdown(socket.SHUT_WR); s.recv(1)', ADDRESS, said)
        expect(wait_until(lambda: net.daemon.process.poll() is not None, 10), 'it does not end with the connection')
        output = net.daemon.messages()
        expect(output.count('one line') >= 2000, 'lines are missing', output[-2000:])


# A name server for one client, by UDP and by TCP (RFC 1035): says whom it was asked for, then waits for a connection to port 4000.
NAME_SERVER = '''
import socket, sys, threading
address = sys.argv[1]
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(('', 53))
names, pages = (socket.create_server(('', port)) for port in (53, 4000))
print('ready', flush=True)
def name_of(question):
    out, at = [], 12
    while question[at]:
        out.append(question[at + 1:at + 1 + question[at]].decode())
        at += 1 + question[at]
    return '.'.join(out)
def truncate():  # also what is asked again, because nobody answered ARP yet
    while True:
        question, client = datagrams.recvfrom(512)
        asked.add(name_of(question))
        datagrams.sendto(question[:2] + b'\\x83\\x80' + question[4:], client)
asked = set()
threading.Thread(target=truncate, daemon=True).start()
stream = names.accept()[0]
question = stream.recv(512)[2:]
print('udp', *asked, 'tcp', name_of(question), flush=True)
answer = question[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + question[12:] + b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4' + socket.inet_aton(address)
stream.sendall(len(answer).to_bytes(2, 'big') + answer)
print('page', pages.accept()[0].sendall(b'found by name\\n'), flush=True)
'''


@case('own')
def a_program_finds_its_peer_by_name():
    """linnet-nc asks the host's name server, whose first answer is truncated, and then the host."""
    with Lab('d') as lab:
        host = lab.host('a')
        server = lab.spawn(host, '/usr/bin/python3', '-c', NAME_SERVER, PEER, stdout=-1, text=True)
        os.environ |= {'LINNET_NAMESERVERS': PEER, 'RES_OPTIONS': 'timeout:1 attempts:5'}
        try:
            net = Net(lab, 'linnet-nc', 'peer.linnet.test', '4000', answers=False)
        finally:
            del os.environ['LINNET_NAMESERVERS'], os.environ['RES_OPTIONS']
        expect(wait_until(lambda: net.daemon.process.poll() is not None, 20), 'it does not end', net.daemon.messages())
        expect(wait_until(lambda: server.poll() is not None, 5), 'the server was not asked to the end', net.daemon.messages())
        said = server.stdout.read()
        expect(said == 'ready\nudp peer.linnet.test tcp peer.linnet.test\npage None\n', 'what the server was asked', said)
        expect('found by name' in (lab.directory / 'linnetd.out').read_text(), 'no page', net.daemon.messages())


# What a capture of SYNs to a port shows, how far a Fast Open went, and both ends of one.
FAST_OPEN = '''
import socket, struct, sys, threading, time
role, port = sys.argv[1], 7 if sys.argv[1] == 'client' else 4000
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
seen = []
def capture():
    while True:
        frame = wire.recv(2048)
        ip = frame[14:]
        if frame[12:14] != b'\\x08\\0' or ip[9] != 6:
            continue
        length, header = struct.unpack('!H', ip[2:4])[0], 4 * (ip[0] & 15)
        tcp = ip[header:length]
        if tcp[13] & 0x12 == 2 and struct.unpack('!H', tcp[2:4])[0] == port:
            options, kind = tcp[20:4 * (tcp[12] >> 4)], 'none'
            at = 0
            while at < len(options) and options[at]:
                if options[at] == 34:
                    kind = 'asks' if options[at + 1] == 2 else 'cookie'
                at += 1 if options[at] == 1 else options[at + 1]
            if kind != 'none':  # as SYNs are that go again
                seen.append(f'{kind}+{len(tcp) - 4 * (tcp[12] >> 4)}')
threading.Thread(target=capture, daemon=True).start()
def counter(name):
    rows = [line.split() for line in open('/proc/net/netstat') if line.startswith('TcpExt:')]
    return dict(zip(*rows))[name]
def in_syn(s):
    return s.getsockopt(socket.IPPROTO_TCP, 11, 104)[5] >> 5 & 1
if role == 'client':
    for text in (b'first', b'second', b'third'):
        s = socket.socket()
        s.sendto(text, 0x20000000, (sys.argv[2], port))
        s.settimeout(10)
        s.shutdown(socket.SHUT_WR)
        print(text.decode(), s.recv(100) == text, in_syn(s), flush=True)
        s.close()
    print(counter('TCPFastOpenActive'), *seen)
else:
    open('/proc/sys/net/ipv4/tcp_fastopen', 'w').write('3')
    listener = socket.create_server(('', port))
    listener.setsockopt(socket.IPPROTO_TCP, 23, 5)
    print('ready', flush=True)
    for _ in range(2):
        s = listener.accept()[0]
        s.settimeout(10)
        print(s.recv(100).decode(), in_syn(s), flush=True)
        time.sleep(1)
        s.close()
    print(counter('TCPFastOpenPassive'), *seen)
'''


@case('own')
def the_kernel_opens_fast_to_echo():
    """RFC 7413: its first SYN asks for a cookie, the next ones carry data, and linnet-echo answers it."""
    with Lab('f') as lab:
        net = Net(lab, 'linnet-echo', commands=['sysctl net.ipv4.tcp_fastopen=1026'])
        said = run_python(net.host, FAST_OPEN, 'client', ADDRESS)
        expect(said == 'first True 0\nsecond True 1\nthird True 1\n2 asks+0 cookie+6 cookie+5\n', 'what the kernel saw', said)
        counted = net.daemon.cli('nstat -az')
        expect(['TcpExtTCPFastOpenPassive', '2'] in [line.split()[:2] for line in counted.splitlines()], 'our counter', counted)
        net.finish()


@case('own')
def nc_opens_fast_to_the_kernel():
    """RFC 7413: linnet-nc -F asks the kernel for a cookie, then its SYN carries what it was given to say."""
    with Lab('o') as lab:
        host = lab.host('a')
        server = lab.spawn(host, '/usr/bin/python3', '-c', FAST_OPEN, 'server', stdout=-1, text=True)
        expect(server.stdout.readline() == 'ready\n', 'the server does not start')
        words = lab.directory / 'words'
        words.write_text('in the SYN\n')
        with words.open() as stdin:
            net = Net(lab, 'linnet-nc', '-F', PEER, '4000', commands=['sysctl net.ipv4.tcp_fastopen=1'], answers=False, stdin=stdin)
        expect(wait_until(lambda: net.daemon.process.poll() is not None, 20), 'it does not end', net.daemon.messages())
        expect(wait_until(lambda: server.poll() is not None, 5), 'the server did not end', net.daemon.messages())
        said = server.stdout.read()
        expect(said == ' 0\nin the SYN\n 1\n1 asks+0 cookie+11\n', 'what the kernel saw', said + net.daemon.messages())
