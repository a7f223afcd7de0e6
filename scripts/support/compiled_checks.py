# SPDX-License-Identifier: BSD-3-Clause
"""The checks of scripts/check that need a compiler or a build."""
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import tomllib

from sources import ROOT, files, is_cpp

QUOTED = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def in_parallel(work, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


@functools.cache
def include_roots():
    return [ROOT / 'lib', ROOT, ROOT / 'tests', ROOT / 'lib/shim/include']


@functools.cache
def closure(path):
    """The header and all of the repository's headers that it reaches."""
    found, waiting = set(), [path]
    while waiting:
        header = waiting.pop()
        if header in found:
            continue
        found.add(header)
        for name in QUOTED.findall(header.read_text()):
            places = [header.parent / name] + [root / name for root in include_roots()]
            waiting += [place for place in places if place.is_file()][:1]
    return sorted(found)


def proven_by_build(paths):
    """Headers that some source includes before anything else: the build has shown that they stand alone."""
    first = set()
    for path in paths:
        match = re.search(r'^[ \t]*#[ \t]*include[ \t]*([<"][^">]+[">])', (ROOT / path).read_text(), re.MULTILINE)
        if match and match[1].startswith('"'):
            first |= {root / match[1][1:-1] for root in include_roots()}
    return first


def check_headers():
    """every header compiles alone"""
    dpdk = [flag.replace('-I', '-isystem', 1) if flag.startswith('-I') else flag
            for flag in shlex.split(output_of('pkg-config', '--cflags', 'libdpdk'))]
    command = ['g++', '-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-x', 'c++',
               '-DLINNET_VERSION="check"', *dpdk, *[f'-I{root}' for root in include_roots()]]
    paths = [path for path in files() if is_cpp(path) and path.parts[0] in ('lib', 'app', 'tests')]
    proven = proven_by_build(path for path in paths if path.suffix == '.cpp')
    headers = [ROOT / path for path in paths if path.suffix == '.hpp' and ROOT / path not in proven]
    cache_file = ROOT / 'build' / 'headers-checked.json'
    try:
        known = set(json.loads(cache_file.read_text()))
    except (OSError, ValueError):
        known = set()

    def key_of(header):
        digest = hashlib.sha256(' '.join(command).encode())
        for part in closure(header):
            digest.update(str(part.relative_to(ROOT)).encode() + b'\0' + part.read_bytes())
        return digest.hexdigest()

    def judge(header):
        key = key_of(header)
        if key in known:
            return key, None
        # Included from a file of one line, so that `#pragma once` is not in the main file.
        line = f'#include "{header}"\n'
        run = subprocess.run([*command, '-'], input=line, cwd=ROOT, capture_output=True, text=True)
        fault = run.stderr.strip().splitlines()[:4] if run.returncode else None
        return key, fault and f'{header.relative_to(ROOT)}: ' + ' | '.join(fault)

    results = in_parallel(judge, headers)
    if cache_file.parent.is_dir():
        cache_file.write_text(json.dumps(sorted(key for key, fault in results if not fault)))
    return [fault for _, fault in results if fault]


def undefined_symbols(object_file):
    listing = output_of('nm', '--undefined-only', '--demangle', str(object_file))
    return [line.split(None, 1)[1] for line in listing.splitlines() if len(line.split(None, 1)) == 2]


@functools.cache
def symbol_rules():
    with open(ROOT / 'lib/hotpath.toml', 'rb') as file:
        rules = tomllib.load(file)
    return rules, re.compile('|'.join(f'(?:{pattern})' for pattern in rules['forbidden']))


def forbidden_symbols(object_file):
    return sorted({symbol for symbol in undefined_symbols(object_file) if symbol_rules()[1].search(symbol)})


FUNCTION = re.compile(r'^[0-9a-f]+ <(.*)>:$')
RELOCATION = re.compile(r'^\s+[0-9a-f]+: R_X86_64_(?:PLT32|GOTPCRELX|REX_GOTPCRELX|PC32|64)\s+(.*?)(?:[-+]0x[0-9a-f]+)?$')


def forbidden_by_function(object_file):
    """{(function, symbol)} of an object, by its relocations."""
    found, function = set(), ''
    for line in output_of('objdump', '-drC', '--no-show-raw-insn', str(object_file)).splitlines():
        if match := FUNCTION.match(line):
            function = match[1].replace(' [clone .cold]', '').replace('.cold', '')
        elif (match := RELOCATION.match(line)) and symbol_rules()[1].search(match[1]):
            found.add((function, match[1]))
    return sorted(found)


def check_symbols():
    """data-path objects neither allocate, log, throw, lock nor read a clock"""
    if subprocess.run(['scripts/build', 'release'], cwd=ROOT, env=os.environ | {'QUIET': '1'},
                      stdout=subprocess.DEVNULL).returncode:
        return ['the release does not build']
    faults = []
    mixed = {entry['source']: re.compile('|'.join(entry['control'])) for entry in symbol_rules()[0].get('mixed', [])}
    for source in symbol_rules()[0]['data_path'] + list(mixed):
        if not (ROOT / 'lib' / source).is_file():
            faults.append(f'lib/hotpath.toml names {source}, which does not exist')
            continue
        room, name = source.split('/', 1)
        objects = list((ROOT / 'build/lib' / room).glob(f'*.p/{name.replace("/", "_")}.o'))
        if not objects:
            faults.append(f'{source}: no object in build/')
        for path in objects:
            if source in mixed:
                faults += [f'{source}: {function} uses {symbol}' for function, symbol in forbidden_by_function(path)
                           if not mixed[source].search(function)]
            else:
                faults += [f'{source}: uses {symbol}' for symbol in forbidden_symbols(path)]
    return faults


def check_tidy():
    """clang-tidy-19 finds nothing"""
    subprocess.run(['scripts/build', 'tidy'], cwd=ROOT, check=True)
    known = {entry['file'] for entry in json.loads((ROOT / 'build-tidy/compile_commands.json').read_text())}
    sources = [path for path in files() if is_cpp(path) and path.suffix == '.cpp'
               and os.path.relpath(ROOT / path, ROOT / 'build-tidy') in known]

    def judge(path):
        run = subprocess.run(['clang-tidy-19', '--quiet', '-p', 'build-tidy', str(path)], cwd=ROOT,
                             capture_output=True, text=True)
        return [line for line in run.stdout.splitlines() if re.search(r': (warning|error): ', line)]

    return sorted({fault for faults in in_parallel(judge, sources) for fault in faults})
