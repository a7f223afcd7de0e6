# SPDX-License-Identifier: BSD-3-Clause
"""The files of the repository, and C++ text without its comments and literals."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
_SPACE = re.compile(r'[^\n]')
_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/'                       # comments
    r'|R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"'  # raw strings
    r'|"(?:[^"\\\n]|\\.)*"'                     # strings
    r"|(?<![0-9A-Fa-f])'(?:[^'\\\n]|\\.)+'",    # characters, but not the ' inside 1'000
    re.DOTALL)


def files():
    """Tracked and new files of the repository (nothing that git ignores), as relative paths."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
        capture_output=True, text=True)
    if listed.returncode == 0:
        names = listed.stdout.split('\0')
    else:  # a source archive without .git
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob('*')
                 if not any(part.startswith(('.git', 'build', '__pycache__')) for part in path.parts)]
    found = (ROOT / name for name in sorted(set(names)) if name)
    return [path.relative_to(ROOT) for path in found if path.is_file()]


def shebang(path):
    with open(ROOT / path, 'rb') as file:
        return file.readline(80).decode('ascii', 'replace')


def is_python(path):
    return path.suffix == '.py' or (not path.suffix and re.match(r'#!.*\bpython', shebang(path)))


def is_shell(path):
    return path.suffix == '.sh' or (not path.suffix and re.match(r'#!.*\b(ba)?sh\b', shebang(path)))


def is_cpp(path):
    return path.suffix in ('.cpp', '.hpp')


def code_only(text):
    """The text with comments and literals blanked out, line for line and column for column."""
    return _NOISE.sub(lambda match: _SPACE.sub(' ', match[0]), text)


_NO_FUNCTION = re.compile(
    r'^(if|for|while|switch|do|else|try|catch|namespace|class|struct|union|enum|extern|return|'
    r'case|default|INSTANTIATE_\w+|template\s*<[^{}]*>\s*(class|struct|union|requires))\b')


def functions(text):
    """(first line, last line, head) of every function body in C++ source text.

    A body is a brace block whose head holds a parameter list and begins with no other keyword.
    """
    code = re.sub(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', lambda m: _SPACE.sub(' ', m[0]), code_only(text),
                  flags=re.MULTILINE)
    stack, found, start = [], [], 0
    for place, sign in enumerate(code):
        if sign == '{':
            head = code[start:place]
            stripped = head.strip()
            function = '(' in stripped and not _NO_FUNCTION.match(stripped)
            stack.append((start + len(head) - len(head.lstrip()), stripped, function, start))
            start = place + 1
        elif sign == '}' and stack:
            begin, head, function, before = stack.pop()
            if re.match(r'\s*[,{]', code[place + 1:place + 200]):
                start = before  # that was an initialiser of a constructor: its head goes on
                continue
            start = place + 1
            if function:
                first = code.count('\n', 0, begin) + 1
                found.append((first, code.count('\n', 0, place) + 1, ' '.join(head.split())))
        elif sign == ';':
            start = place + 1
    return found
