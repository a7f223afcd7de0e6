# SPDX-License-Identifier: BSD-3-Clause
"""The checks of scripts/check that read text. Each returns a list of faults, empty when all is well."""
import re
import subprocess
import tomllib

from sources import ROOT, files, functions, is_cpp, is_python, is_shell

LONGEST_FILE = 800
LONGEST_FUNCTION = 80
# Put together here, so that this file does not hold them itself.
FORBIDDEN = re.compile('|'.join([
    r'\b' + 'TO' + r'DO\b', r'\b' + 'FIX' + r'ME\b', r'\bX' + r'XX\b', r'\b' + 'HA' + r'CK\b',
    r'\bfor' + r' now\b', r'\b' + 'simpli' + r'fied\b', r'\b' + 'place' + r'holder\b',
    r'\bnot' + r' implemented\b', r'(?<![\w.])/' + r'work/', r'(?<![\w.])/' + r'root/',
    r'/tmp/' + r'(build|wt)-']), re.IGNORECASE)
WITHOUT_LICENCE_LINE = {'.md', '.json', '.pcap', '.pcapng', '.txt', '.golden', '.expected', '.svg', '.csv', '.dict'}
# What users copy and make their own.
SAMPLES = {'drivers-config', 'packaging'}


def sources_for(test):
    return [path for path in files() if test(path)]


def check_format():
    """clang-format-19 would change nothing"""
    paths = sources_for(is_cpp)
    run = subprocess.run(['clang-format-19', '--dry-run', '-Werror', *map(str, paths)], cwd=ROOT,
                         capture_output=True, text=True)
    faults = [line for line in run.stderr.splitlines() if ': error:' in line]
    if run.returncode and not faults:
        faults = [run.stderr.strip()]
    return faults


def check_licence():
    """every file says its licence"""
    faults = []
    for path in files():
        if path.suffix in WITHOUT_LICENCE_LINE or path.name.startswith('.') or path.name == 'LICENSE':
            continue
        if 'corpus' in path.parts or path.parts[0] in SAMPLES:
            continue
        data = (ROOT / path).read_bytes()[:600]
        if b'\0' not in data and data and b'SPDX-License-Identifier: BSD-3-Clause' not in data:
            faults.append(f'{path}:1: no line "SPDX-License-Identifier: BSD-3-Clause"')
    return faults


def check_sizes():
    """files up to 800 lines, functions up to 80"""
    faults = []
    for path in files():
        if not (is_cpp(path) or is_python(path) or is_shell(path)):
            continue
        text = (ROOT / path).read_text()
        lines = text.count('\n')
        if lines > LONGEST_FILE:
            faults.append(f'{path}:{LONGEST_FILE}: {lines} lines, at most {LONGEST_FILE}')
        if not is_cpp(path):
            continue
        for first, last, head in functions(text):
            if last - first + 1 > LONGEST_FUNCTION:
                faults.append(f'{path}:{first}: {last - first + 1} lines in {head[:70]}')
    return faults


def check_words():
    """no unfinished business and no paths of one machine"""
    faults = []
    for path in files():
        data = (ROOT / path).read_bytes()
        if b'\0' in data or 'corpus' in path.parts:
            continue
        for number, line in enumerate(data.decode('utf-8', 'replace').splitlines(), 1):
            match = FORBIDDEN.search(line)
            if match:
                faults.append(f'{path}:{number}: "{match[0]}"')
    return faults


def check_readmes():
    """every room has its README"""
    rooms = {path.parts[1] for path in files()
             if path.parts[0] == 'lib' and len(path.parts) > 2 and is_cpp(path)}
    return [f'lib/{room}/README.md is missing' for room in sorted(rooms)
            if not (ROOT / 'lib' / room / 'README.md').is_file()]


def check_scripts():
    """shell and Python scripts parse"""
    faults = []
    for path in sources_for(is_shell):
        run = subprocess.run(['bash', '-n', str(path)], cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            faults.append(run.stderr.strip())
    for path in sources_for(is_python):
        try:
            compile((ROOT / path).read_bytes(), str(path), 'exec')
        except SyntaxError as error:
            faults.append(f'{path}:{error.lineno}: {error.msg}')
    for path in files():
        mode = (ROOT / path).stat().st_mode
        starts = (ROOT / path).read_bytes()[:2] == b'#!'
        if starts and not mode & 0o100 and path.parts[:2] != ('packaging', 'debian'):
            faults.append(f'{path}: begins with #! and is not executable')
    return faults


def check_layers():
    """rooms include only what lib/layers.toml allows"""
    run = subprocess.run(['tests/layers/check_layers.py'], cwd=ROOT, capture_output=True, text=True)
    return run.stdout.splitlines() + run.stderr.splitlines()


def check_docs():
    """generated pages are up to date"""
    run = subprocess.run(['scripts/generate_docs.py', '--check'], cwd=ROOT, capture_output=True, text=True)
    return run.stdout.splitlines() + run.stderr.splitlines()


def check_musts():
    """every MUST of RFC 9293 names a test that exists, or says why not"""
    with open(ROOT / 'docs/rfc9293.toml', 'rb') as file:
        rows = tomllib.load(file)['requirement']
    test = re.compile(r'^TEST(?:_[FP])?\((\w+),\s*(\w+)\)', re.MULTILINE)
    known = {f'{suite}.{name}' for path in files() if path.name.endswith('_test.cpp')
             for suite, name in test.findall((ROOT / path).read_text())}
    faults = [f'docs/rfc9293.toml:1: MUST-{number} stands {count} times'
              for number in range(1, 70)
              if (count := sum(row['label'] == f'MUST-{number}' for row in rows)) != 1]
    for row in rows:
        named = row.get('tests', [])
        faults += [f'docs/rfc9293.toml:1: {row["label"]}: no test {name}' for name in named if name not in known]
        if row['status'] == 'met' and not named:
            faults.append(f'docs/rfc9293.toml:1: {row["label"]}: met, but no test is named')
        if row['status'] != 'met' and not row.get('why'):
            faults.append(f'docs/rfc9293.toml:1: {row["label"]}: does not say why')
    return faults
