#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""Makes docs/rfc.md: which scenario shows which clause of an RFC, line of the specification, or row of the
reliability checklist.

    list_tags.py            writes the page
    list_tags.py --check    says whether it is up to date
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/rfc.md'
SCENARIO = re.compile(r'\bSCENARIO\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+),\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
TITLES = {
    'RFC768': 'User Datagram Protocol', 'RFC791': 'Internet Protocol', 'RFC792': 'Internet Control Message Protocol',
    'RFC815': 'IP datagram reassembly algorithms', 'RFC826': 'Address Resolution Protocol',
    'RFC894': 'IP over Ethernet', 'RFC1027': 'Proxy ARP', 'RFC1112': 'Host extensions for multicasting',
    'RFC1122': 'Requirements for hosts', 'RFC1141': 'Incremental updating of the checksum',
    'RFC1191': 'Path MTU discovery', 'RFC1812': 'Requirements for IPv4 routers', 'RFC1858': 'IP fragment filtering',
    'RFC2113': 'Router alert option', 'RFC2644': 'Directed broadcasts', 'RFC2992': 'Equal-cost multipath',
    'RFC3128': 'Tiny fragment attack', 'RFC3704': 'Ingress filtering for multihomed networks',
    'RFC4861': 'Neighbour discovery (the states of an entry)', 'RFC5227': 'IPv4 address conflict detection',
    'RFC5722': 'Overlapping fragments', 'RFC6583': 'Operational neighbour discovery problems',
    'RFC6633': 'Deprecation of source quench', 'RFC6864': 'The IPv4 ID field', 'RFC6890': 'Special-purpose addresses',
    'RFC6918': 'Deprecation of ICMP messages', 'RFC7126': 'Filtering of packets with options',
    'RFC7413': 'TCP Fast Open', 'RFC7739': 'Predictable fragment identification',
}


def joined(literals):
    return ''.join(STRING.findall(literals))


def scenarios():
    """(tag, scenario, file) of every tag."""
    for path in sorted((ROOT / 'tests/conformance').glob('*_test.cpp')):
        for title, tags in SCENARIO.findall(path.read_text()):
            for tag in re.findall(r'\[([^\]]+)\]', joined(tags)):
                yield tag, joined(title), path.name


def natural(text):
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', text)]


def rfc_section(rows):
    lines = []
    by_rfc = {}
    for tag, title, name in rows:
        match = re.fullmatch(r'(RFC\d+)(?:-(.+))?', tag)
        if match:
            by_rfc.setdefault(match[1], {}).setdefault(match[2] or '', []).append((title, name))
    for rfc in sorted(by_rfc, key=natural):
        lines += [f'## {rfc[:3]} {rfc[3:]}: {TITLES.get(rfc, "")}'.rstrip(': '), '', '| section | scenario | file |',
                  '|---|---|---|']
        for section in sorted(by_rfc[rfc], key=natural):
            lines += [f'| {section or "as a whole"} | {title} | `{name}` |' for title, name in by_rfc[rfc][section]]
        lines.append('')
    return lines


def other_section(heading, rows):
    lines = [f'## {heading}', '', '| id | test | file |', '|---|---|---|']
    return lines + [f'| {tag} | {title} | `{name}` |' for tag, title, name in
                    sorted(rows, key=lambda row: (natural(row[0]), row[2], row[1]))] + ['']


def page():
    rows = list(scenarios())
    lines = ['# Which test shows which clause', '',
             'Made by `tests/conformance/list_tags.py` from the tags of the scenarios in `tests/conformance/`; a test fails when',
             'it is not up to date. Run one clause with `conformance "[RFC1812-5.2.2]"`, one row with `conformance "[I7]"`.', '']
    lines += rfc_section(rows)
    lines += other_section('Lines of the specification', [row for row in rows if re.fullmatch(r'S\d+\.\d+', row[0])])
    is_row = re.compile(r'[A-RT-Z]\d+')
    lines += other_section('Rows of the reliability checklist',
                           [row for row in rows if is_row.fullmatch(row[0])])
    return '\n'.join(lines).rstrip() + '\n'


def main(words):
    if words not in ([], ['--check']):
        sys.exit(__doc__)
    text = page()
    if not words:
        PAGE.write_text(text)
        return 0
    if PAGE.is_file() and PAGE.read_text() == text:
        return 0
    print('docs/rfc.md is not up to date: tests/conformance/list_tags.py')
    return 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
