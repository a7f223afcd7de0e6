# SPDX-License-Identifier: BSD-3-Clause
"""Behind scripts/test: builds, runs every part, counts every case, prints what failed."""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOBS = os.environ.get('JOBS') or str(os.cpu_count())
SANITIZER_OPTIONS = {
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0:allocator_may_return_null=1',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1',
}
LONGEST_OUTPUT = 200  # lines of a failed case


class Tally:
    def __init__(self):
        self.passed, self.failed = 0, []

    def ok(self, count=1):
        self.passed += count

    def fail(self, name, output=''):
        self.failed.append(name)
        print(f'FAILED {name}')
        lines = output.rstrip().splitlines()
        if len(lines) > LONGEST_OUTPUT:
            print(f'  | ({len(lines) - LONGEST_OUTPUT} lines left out)')
        for line in lines[-LONGEST_OUTPUT:]:
            print(f'  | {line}')
        sys.stdout.flush()


def run(command, **options):
    """Runs to the end and returns (status, output), both streams together."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors='replace', **options)
    return done.returncode, done.stdout


_built = {}


def build(variant, tally):
    """Builds a variant once; a build that fails is one failed case."""
    if variant not in _built:
        began = time.monotonic()
        status, output = run(['scripts/build', variant])
        _built[variant] = status == 0
        print(f'built {variant} in {time.monotonic() - began:.0f} s' if status == 0 else f'build of {variant} failed')
        if status:
            tally.fail(f'build {variant}', output)
        sys.stdout.flush()
    return _built[variant]


# --- meson's tests: GoogleTest and Catch2 binaries.

def part_of(test):
    """Which part a test of meson belongs to, by where its binary lies."""
    for word in test['cmd']:
        for part in ('conformance', 'pcap', 'netns', 'daemon'):
            if f'/tests/{part}/' in word:
                return part
    return 'unit'


def count_junit(path, prefix, tally):
    """Counts the cases of meson's JUnit file; a case's name is suite.case."""
    for suite in xml.parse(path).getroot().iter('testsuite'):
        for case in suite.findall('testcase'):
            trouble = [node for node in case if node.tag in ('failure', 'error')]
            name = f'{prefix} {suite.get("name")}.{case.get("name")}'
            if trouble:
                text = '\n'.join(filter(None, (part for node in trouble for part in (node.get('message'), node.text))))
                own = '\n'.join(node.text or '' for node in case if node.tag in ('system-out', 'system-err'))
                tally.fail(name, f'{text}\n{own}')
            elif case.find('skipped') is None:
                tally.ok()


def meson_tests(variant, wanted, tally, label, wrapper='', **environment):
    if not build(variant, tally):
        return
    directory = {'release': 'build', 'asan': 'build-asan', 'tsan': 'build-tsan'}[variant]
    status, listing = run(['meson', 'introspect', '--tests', directory])
    tests = [test for test in json.loads(listing) if part_of(test) in wanted] if status == 0 else []
    if not tests:
        return
    junit = ROOT / directory / f'meson-logs/testlog{"-" + wrapper.split()[0] if wrapper else ""}.junit.xml'
    junit.unlink(missing_ok=True)
    status, output = run(['meson', 'test', '-C', directory, '--no-rebuild', '--num-processes', JOBS,
                          '--timeout-multiplier', '10', *(['--wrapper', wrapper] if wrapper else []),
                          *[test['name'] for test in tests]],
                         env=os.environ | environment)
    before = len(tally.failed)
    if junit.is_file():
        count_junit(junit, label, tally)
    if status and len(tally.failed) == before:
        # A binary died before it could say which case it was in.
        log = junit.with_name(junit.name.replace('.junit.xml', '.txt'))
        tally.fail(f'{label} meson test', log.read_text(errors='replace') if log.is_file() else output)


def part_unit(tally):
    """every GoogleTest case of the rooms, release build"""
    meson_tests('release', ('unit',), tally, 'unit')


def part_asan(tally):
    """every GoogleTest and conformance case under AddressSanitizer and UndefinedBehaviorSanitizer"""
    meson_tests('asan', ('unit', 'conformance'), tally, 'asan', **SANITIZER_OPTIONS)


def part_conformance(tally):
    """RFC scenarios (Catch2) in virtual time"""
    meson_tests('release', ('conformance',), tally, 'conformance')


# --- Scripts: each prints a line `PASS name` or `FAIL name` per case.

CASE = re.compile(r'^(PASS|FAIL|ok|not ok)\b[ :]*(.*)$', re.MULTILINE)
UNITTEST = re.compile(r'^(\w+) \(([\w.]+)\).*?\.\.\. (ok|FAIL|ERROR|skipped.*)$', re.MULTILINE | re.DOTALL)


def script_tests(directory, tally, prefix, arguments=(), timeout=900):
    for path in sorted((ROOT / 'tests' / directory).glob('*_test.py')) + \
            sorted((ROOT / 'tests' / directory).glob('test_*.py')) + \
            sorted((ROOT / 'tests' / directory).glob('*_test.sh')):
        run_script(path, tally, prefix, arguments, timeout)


def run_script(path, tally, prefix, arguments=(), timeout=900):
    name = f'{prefix} {path.stem}'
    began = time.monotonic()
    try:
        status, output = run([str(path), *arguments], timeout=timeout)
    except subprocess.TimeoutExpired as error:
        text = error.stdout or b''
        tally.fail(f'{name}: not done after {timeout} s', text.decode(errors='replace') if isinstance(text, bytes) else text)
        return
    cases = [(kind in ('PASS', 'ok'), case) for kind, case in CASE.findall(output)]
    if not cases:
        cases = [(kind == 'ok', case) for case, _, kind in UNITTEST.findall(output) if not kind.startswith('skipped')]
    tally.ok(sum(good for good, _ in cases))
    bad = [case for good, case in cases if not good]
    for case in bad[:-1]:
        tally.fail(f'{name}: {case}')
    if bad or status:
        tally.fail(f'{name}: {bad[-1] if bad else f"exit status {status}"}', output)
    elif not cases:
        tally.ok()
    print(f'{name}: {sum(good for good, _ in cases) or int(not status)} passed, {time.monotonic() - began:.0f} s')
    sys.stdout.flush()


def part_pcap(tally):
    """golden captures through the net_pcap driver, judged by tshark"""
    if build('release', tally):
        meson_tests('release', ('pcap',), tally, 'pcap')
        script_tests('pcap', tally, 'pcap')


def part_daemon(tally):
    """linnetd and linnet as programs: options, doctor, replay, client, broken environments"""
    if build('release', tally):
        meson_tests('release', ('daemon',), tally, 'daemon')
        script_tests('daemon', tally, 'daemon')


def part_netns(tally):
    """linnetd on net_tap ports in network namespaces, against the kernel"""
    if build('release', tally):
        runner = ROOT / 'tests/netns/run'
        if runner.is_file():
            run_script(runner, tally, 'netns')


def part_check(tally):
    """scripts/check: format, layers, sizes, headers, data-path symbols, generated pages"""
    if not build('release', tally):
        return
    status, output = run(['scripts/check'])
    failed = output.split('\n')
    tally.ok(sum(line.startswith('OK ') for line in failed))
    block = []
    for line in failed + ['OK']:
        if line.startswith(('OK', 'FAIL')):
            if block:
                tally.fail(f'check {block[0][5:]}', '\n'.join(block[1:]))
            block = []
        if line.startswith('FAIL') or block:
            block.append(line)
    if status and not any(line.startswith('FAIL') for line in failed):
        tally.fail('scripts/check', output)
    for path in sorted((ROOT / 'tests/layers').glob('*_test.py')):
        run_script(path, tally, 'check')


# What parses frames, files and commands is fuzzed for the whole time, what stands behind it for a third.
PARSERS = ('arp', 'config', 'ethernet', 'grammar', 'icmp', 'options', 'reassembly')


def part_fuzz(tally):
    """each libFuzzer target on its committed seeds: parsers for 30 s, the others for 10 s"""
    if not build('asan', tally):
        return
    seconds = int(os.environ.get('FUZZ_SECONDS', '30'))
    names = run(['scripts/fuzz', '--list'])[1].split()

    def fuzz(name):
        return run(['scripts/fuzz', name, str(seconds if name in PARSERS else max(1, seconds // 3))])

    # They end by the clock: with more than there are cores all are done sooner, each with fewer inputs.
    with concurrent.futures.ThreadPoolExecutor(2 * int(JOBS)) as pool:
        for name, (status, output) in zip(names, pool.map(fuzz, names)):
            # Only the fault: not the thousand lines of what was covered on the way to it.
            tally.fail(f'fuzz {name}', re.sub(r'^#\d+\t.*\n', '', output, flags=re.M)) if status else tally.ok()


def part_tsan(tally):
    """every GoogleTest and conformance case under ThreadSanitizer, lanes and programs on real threads among them; only when named"""
    # Its shadow memory wants addresses that are not scattered. Handlers of signals that a call raises itself may allocate.
    meson_tests('tsan', ('unit', 'conformance'), tally, 'tsan', 'setarch -R',
                TSAN_OPTIONS='second_deadlock_stack=1:history_size=4:exitcode=66:report_signal_unsafe=0')


def part_bench(tally):
    """scripts/bench forward --quick runs to its end (no figure is judged here)"""
    if not (ROOT / 'scripts/bench').is_file() or not build('release', tally):
        return
    status, output = run(['scripts/bench', 'forward', '--quick'], timeout=300)
    tally.fail('bench forward --quick', output) if status else tally.ok()


PARTS = {name: globals()[f'part_{name}'] for name in
         ('check', 'unit', 'asan', 'conformance', 'pcap', 'daemon', 'netns', 'fuzz', 'bench', 'tsan')}
ON_DEMAND = ('tsan',)


def main(words):
    if '-h' in words or '--help' in words or '--list' in words:
        for name, part in PARTS.items():
            print(f'{name:12} {part.__doc__}')
        return 0
    unknown = [word for word in words if word not in PARTS]
    if unknown:
        print(f"scripts/test: no part '{unknown[0]}'; there are: {' '.join(PARTS)}", file=sys.stderr)
        return 2
    tally, began = Tally(), time.monotonic()
    for name in words or [part for part in PARTS if part not in ON_DEMAND]:
        passed, failed, start = tally.passed, len(tally.failed), time.monotonic()
        print(f'--- {name}: {PARTS[name].__doc__}', flush=True)
        try:
            PARTS[name](tally)
        except (OSError, ValueError, subprocess.SubprocessError, xml.ParseError) as error:
            tally.fail(f'{name}: {error}')
        print(f'--- {name}: {tally.passed - passed} passed, {len(tally.failed) - failed} failed, '
              f'{time.monotonic() - start:.0f} s', flush=True)
    for name in tally.failed:
        print(f'FAILED {name}')
    print(f'took {time.monotonic() - began:.0f} s')
    print(f'{tally.passed} passed, {len(tally.failed)} failed')
    return 1 if tally.failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
