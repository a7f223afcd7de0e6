#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every check of scripts/check is seen failing on a deliberately bad file, and passing without it.

Works on a small repository of its own in a temporary directory.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINE = '// SPDX-License-Identifier: BSD-3-Clause\n'
LONG_BODY = ''.join(f'  n += {number};\n' for number in range(80))

GOOD = {
    'lib/layers.toml': ('# SPDX-License-Identifier: BSD-3-Clause\n[[room]]\nname = "base"\nmay_include = []\n'
                        '[[room]]\nname = "packet"\nmay_include = ["base"]\ndpdk = ["rte_mbuf"]\n'),
    'lib/base/one.hpp': LINE + '#pragma once\n#include <cstdint>\nconstexpr int kOne = 1;\n',
    'lib/base/README.md': '# base\n',
    'lib/packet/README.md': '# packet\n',
    'lib/packet/two.cpp': LINE + '#include <rte_mbuf.h>\n\n#include "base/one.hpp"\n',
    'lib/packet/drops.def': LINE + 'DROP(Bad, "it is bad")\n',
}

# check, file, content, what the fault says
BAD = [
    ('layers', 'lib/base/up.cpp', LINE + '#include "packet/two.hpp"\n', 'room base may not include packet'),
    ('layers', 'lib/base/bare.cpp', LINE + '#include "one.hpp"\n', 'is not rooted'),
    ('layers', 'lib/base/dots.cpp', LINE + '#include "../base/one.hpp"\n', 'is not rooted'),
    ('layers', 'lib/base/dpdk.cpp', LINE + '#include <rte_mbuf.h>\n', 'may not see this DPDK header'),
    ('layers', 'lib/packet/ether.cpp', LINE + '#include <rte_ethdev.h>\n', 'may not see this DPDK header'),
    ('layers', 'lib/base/clock.cpp', LINE + '#include <chrono>\n', 'not in room base'),
    ('layers', 'lib/base/unit.cpp', LINE + '#include <gtest/gtest.h>\n', 'only in tests'),
    ('layers', 'lib/base/support.cpp', LINE + '#include "support/lane_fixture.hpp"\n', 'only tests include'),
    ('layers', 'lib/base/bytes.cpp', LINE + 'void* f(void* m) { return rte_pktmbuf_mtod(m, void*); }\n',
     'reached through Packet'),
    ('layers', 'lib/attic/old.cpp', LINE, 'is no room of layers.toml'),
    ('format', 'lib/base/wide.cpp', LINE + 'int  f( ){return 1 ;}\n', 'wide.cpp'),
    ('licence', 'lib/base/bare.hpp', '#pragma once\n', 'no line "SPDX-License-Identifier'),
    ('sizes', 'lib/base/long.cpp', LINE + '\n' * 801, '802 lines, at most 800'),
    ('sizes', 'lib/base/deep.cpp', LINE + f'int f(int n) {{\n{LONG_BODY}  return n;\n}}\n', '83 lines in int f(int n)'),
    ('sizes', 'lib/base/made.cpp', LINE + f'S::S(int n) : a_{{1}}, b_{{n}} {{\n{LONG_BODY}}}\n', '82 lines in S::S(int n)'),
    ('words', 'lib/base/later.cpp', LINE + '// TO' 'DO: later\n', 'TO' 'DO'),
    ('words', 'lib/base/path.cpp', LINE + '// see /ro' 'ot/notes\n', '/ro' 'ot/'),
    ('readmes', 'lib/route/one.hpp', LINE, 'lib/route/README.md is missing'),
    ('scripts', 'scripts/broken.py', '# SPDX-License-Identifier: BSD-3-Clause\ndef f(:\n', 'broken.py:2'),
    ('scripts', 'scripts/broken', '#!/bin/bash\n# SPDX-License-Identifier: BSD-3-Clause\nif true; then\n', 'syntax error'),
    ('docs', 'lib/base/drops.def', LINE + 'DROP(New, "a new reason")\n', 'docs/drops.md is out of date'),
    ('headers', 'lib/base/needy.hpp', LINE + '#pragma once\ninline std::string f() { return {}; }\n', 'needy.hpp'),
]


def make_repository(place):
    shutil.copytree(ROOT / 'scripts', place / 'scripts', ignore=shutil.ignore_patterns('__pycache__', 'bench*'))
    (place / 'tests/layers').mkdir(parents=True)
    shutil.copy2(ROOT / 'tests/layers/check_layers.py', place / 'tests/layers')
    shutil.copy2(ROOT / '.clang-format', place)
    for name, content in GOOD.items():
        write(place / name, content)
    subprocess.run(['git', 'init', '-q'], cwd=place, check=True)
    subprocess.run(['scripts/generate_docs.py'], cwd=place, check=True)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def check(place, name):
    done = subprocess.run(['scripts/check', name], cwd=place, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check_symbols():
    """A data-path object that allocates and one that reads the clock, judged by the real rules."""
    sys.path.insert(0, str(ROOT / 'scripts/support'))
    sys.dont_write_bytecode = True
    import compiled_checks
    program = ('#include <cstdlib>\n#include <ctime>\n#include <string>\n#include <cstdio>\n'
               'void* a(int n) { return std::malloc(n); }\nint* b() { return new int[3]; }\n'
               'long c() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_nsec; }\n'
               'void d(const char* s) { std::printf("%s%d", s, 1); }\n'
               'void e(int n) { if (n) throw n; }\n')
    with tempfile.TemporaryDirectory() as place:
        source, target = pathlib.Path(place) / 'x.cpp', pathlib.Path(place) / 'x.o'
        source.write_text(program)
        subprocess.run(['g++', '-O2', '-c', str(source), '-o', str(target)], check=True)
        found = ' '.join(compiled_checks.forbidden_symbols(target))
        return all(word in found for word in ('malloc', 'operator new[]', 'clock_gettime', 'printf', '__cxa_throw')), found


def main():
    failed = 0

    def judge(name, good, detail):
        nonlocal failed
        failed += not good
        print(f'{"PASS" if good else "FAIL"} {name}')
        if not good:
            print('\n'.join(f'     {line}' for line in detail.splitlines()))

    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        make_repository(place)
        for name in sorted({name for name, *_ in BAD}):
            status, output = check(place, name)
            judge(f'{name}: passes on a sound repository', status == 0, output)
        for name, path, content, text in BAD:
            write(place / path, content)
            status, output = check(place, name)
            judge(f'{name}: sees {path}', status != 0 and text in output, output)
            (place / path).unlink()
            if path.startswith(('lib/route', 'lib/attic')):
                shutil.rmtree((place / path).parent)
    judge('symbols: sees what allocates, logs, throws and reads clocks', *check_symbols())
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
