#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Judges every include under lib/ by lib/layers.toml: a room includes only itself and what it names.

    tests/layers/check_layers.py [ROOT]     prints one line per fault, exit status 1 if there is one
"""
import pathlib
import re
import sys
import tomllib

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/', re.DOTALL)
TEST_FILE = re.compile(r'_(test|fuzz|bench|fixture)\.(cpp|hpp)$|^test_\w+\.(cpp|hpp)$')
# Time and randomness are told to the rooms; these two headers have one door each.
ONE_DOOR = {
    'chrono': {'time', 'stack', 'control', 'shim'},
    'ctime': {'time', 'stack', 'control', 'shim'},
    'time.h': {'time', 'control'},
    'sys/time.h': {'control'},
    'random': {'time'},
    'sys/random.h': {'time'},
    'iostream': set(),
    'thread': {'stack', 'control', 'shim'},
    'mutex': {'socket', 'stack', 'control', 'shim'},
    'condition_variable': {'stack', 'control', 'shim'},
}
# R2 of the design rules: packet bytes are reached through Packet only.
RAW_BYTES = re.compile(r'\brte_pktmbuf_mtod\w*')


class Layers:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        with open(self.root / 'lib/layers.toml', 'rb') as file:
            rooms = tomllib.load(file)['room']
        self.order = [room['name'] for room in rooms]
        self.allowed = {room['name']: set(room['may_include']) for room in rooms}
        self.dpdk = {room['name']: tuple(room.get('dpdk', ())) for room in rooms}
        self.faults = []

    def fault(self, path, line, text):
        self.faults.append(f'{path.relative_to(self.root)}:{line}: {text}')

    def check_order(self):
        manifest = self.root / 'lib/layers.toml'
        for place, room in enumerate(self.order):
            for name in self.allowed[room]:
                if name not in self.order[:place]:
                    self.fault(manifest, 1, f'room {room} may not include {name}: not below it')
        for directory in sorted((self.root / 'lib').iterdir()):
            if directory.is_dir() and directory.name not in self.order:
                self.fault(manifest, 1, f'lib/{directory.name} is no room of layers.toml')

    def check_quoted(self, path, line, room, name, is_test):
        top = name.split('/', 1)[0]
        if '/' not in name or top in ('.', '..'):
            self.fault(path, line, f'"{name}" is not rooted: write "{room}/{name.split("/")[-1]}"')
        elif top in ('tests', 'support'):
            if not is_test:
                self.fault(path, line, f'"{name}": only tests include what lies under tests/')
        elif top not in self.order:
            self.fault(path, line, f'"{name}" is in no room')
        elif not is_test and top != room and top not in self.allowed[room]:
            self.fault(path, line, f'"{name}": room {room} may not include {top}')

    def check_system(self, path, line, room, name, is_test):
        if is_test:
            return
        if name.startswith('rte_'):
            if not name.startswith(self.dpdk[room]):
                self.fault(path, line, f'<{name}>: room {room} may not see this DPDK header')
        elif name in ONE_DOOR and room not in ONE_DOOR[name]:
            self.fault(path, line, f'<{name}>: not in room {room}')
        elif name.startswith(('gtest', 'gmock', 'catch2')):
            self.fault(path, line, f'<{name}>: only in tests')

    def check_file(self, path, room):
        text = path.read_text()
        is_test = bool(TEST_FILE.search(path.name))
        for match in INCLUDE.finditer(text):
            line = text.count('\n', 0, match.start()) + 1
            check = self.check_quoted if match[1] == '"' else self.check_system
            check(path, line, room, match[2], is_test)
        if room != 'packet' and not is_test:
            code = COMMENT.sub(lambda match: '\n' * match[0].count('\n'), text)
            for match in RAW_BYTES.finditer(code):
                line = code.count('\n', 0, match.start()) + 1
                self.fault(path, line, f'{match[0]}: bytes of a packet are reached through Packet')

    def check(self):
        self.check_order()
        for room in self.order:
            for path in sorted((self.root / 'lib' / room).rglob('*')):
                if path.suffix in ('.cpp', '.hpp'):
                    self.check_file(path, room)
        return self.faults


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]
    faults = Layers(root).check()
    print('\n'.join(faults), end='\n' if faults else '')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
