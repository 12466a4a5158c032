#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the verifier and the reader: small changes of the source, one at a time, each
of which a test must notice. One that all tests pass is a missing test, or changes nothing that can
be seen: then known.tsv names it with the reason.

    mutate.py --build BUILD [--file FILE]... [--nth N] [--seconds N] [--list] [--report FILE]

BUILD/release must be built with tests. Each mutant is compiled alone and linked in front of the
library into the tests below, which run until one fails. --nth takes one mutant of N, --seconds ends
the run in time and says what is left. Leaves with 1 when a mutant lives that is not known.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
KNOWN = pathlib.Path(__file__).with_name("known.tsv")
PATTERNS = ("engine/verify*.c", "engine/tables_linear.c", "engine/category_lists.c",
            "format/reader.c", "format/store_link.c", "publish/sign.c")
# Those that find most first; the last ones take the longest.
TESTS = (("test_format_rules",), ("test_verify_edges",), ("test_model",), ("test_sets",),
         ("test_prepare",), ("test_open_ways",), ("test_masks",), ("test_format_duties",),
         ("test_stages",), ("test_publish",), ("test_hostile_cost",), ("fault_open",),
         ("exhaust", "--nth", "1999", "--rounds", "0"))
# Files that have tests of their own: these come first, and where ALONE says so, no others.
OWN_TESTS = {"engine/verify_linear.c": (("test_linear",),),
             "engine/tables_linear.c": (("test_linear",),),
             "engine/category_lists.c": (("test_categories",),),
             "format/store_link.c": (("test_slot",), ("fault_store",), ("test_store",)),
             "publish/sign.c": (("test_sign",),)}
ALONE = ("format/store_link.c", "publish/sign.c")
# Processor time, so that a busy machine kills no mutant; and the end of one that sleeps for ever.
TEST_SECONDS = 60
WALL_SECONDS = 1800

# What a token may become. Longer tokens first, so that "<=" is not taken for "<".
TOKENS = (("<=", ("<", "==")), (">=", (">", "==")), ("==", ("!=",)), ("!=", ("==",)),
          ("&&", ("||",)), ("||", ("&&",)), (" < ", (" <= ",)), (" > ", (" >= ",)),
          (" + ", (" - ",)), (" - ", (" + ",)), (" * ", (" + ",)), (" / ", (" * ",)),
          (" % ", (" / ",)), (" & ", (" | ",)), (" | ", (" & ",)), (" << ", (" >> ",)),
          (" >> ", (" << ",)), ("++", ("--",)), (" += ", (" = ",)), (" ^= ", (" = ",)),
          ("true", ("false",)), ("false", ("true",)))
KEYWORDS = ("return", "if", "for", "while", "switch", "else", "case")
NUMBER = re.compile(r"(?<![\w.\"%])(\d+)(?![\w.\"])")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")


def blank(text):
    """Comments, strings and preprocessor lines as spaces, so that nothing in them is changed."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = COMMENT.sub(spaces, text)
    text = STRING.sub(spaces, text)
    return re.sub(r"(?m)^#(?:[^\n]*\\\n)*[^\n]*", spaces, text)


def statement_at(text, start):
    """The end of the statement from start on, at the same depth of brackets."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "({[":
            depth += 1
        elif text[at] in ")}]":
            depth -= 1
        elif text[at] == ";" and depth == 0:
            return at + 1
    return None


def conditions(code):
    """The insides of every if and while, as (start, end)."""
    for match in re.finditer(r"\b(?:if|while) \(", code):
        depth, at = 1, match.end()
        while depth > 0:
            depth += (code[at] == "(") - (code[at] == ")")
            at += 1
        yield match.end(), at - 1


def mutants_of(source):
    """(start, end, replacement) for every mutant of a file's text."""
    code = blank(source)
    body = code.find("{")
    taken = set()
    for token, others in TOKENS:
        for match in re.finditer(re.escape(token), code):
            start = match.start() + len(token) - len(token.lstrip())
            word = token.strip()
            if start < body or start in taken or (word.isalpha() and not re.match(
                    rf"\b{word}\b", code[start:])):
                continue
            taken.update(range(start, start + len(word)))
            for other in others:
                yield start, start + len(word), other.strip()
    for start, end in conditions(code):
        yield start, end, "0"
        yield start, end, "1"
    for match in NUMBER.finditer(code):
        if match.start() > body:
            yield match.start(), match.end(), str(int(match.group()) + 1)
    for match in re.finditer(r"(?m)^ +(?=[\w*>.\-\[\]]+(?: [+^|&]?= |\+\+;|\())", code):
        end = statement_at(code, match.end())
        word = re.match(r"\w+", code[match.end():])
        keyword = word and word.group() in KEYWORDS
        if end is not None and not keyword:
            yield match.end(), end, ";"


def function_at(source, start):
    names = re.findall(r"(?m)^[a-z][\w *]*?\b(\w+)\([^;{]*\)\s*\{", source[:start], re.S)
    return names[-1] if names else ""


def describe(source, mutant):
    start, end, replacement = mutant
    line = source.count("\n", 0, start)
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", end)
    before = " ".join(source[first:last].split())
    after = " ".join((source[first:start] + replacement + source[end:last]).split())
    return line + 1, before, after


def tests_of(file):
    own = OWN_TESTS.get(file, ())
    return own if file in ALONE else (*own, *TESTS)


def limit_time():
    resource.setrlimit(resource.RLIMIT_CPU, (TEST_SECONDS, TEST_SECONDS))


class Bench:
    """Compiles mutants and links them into the tests of a build."""

    def __init__(self, build, work):
        self.build = build
        self.work = work
        entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        self.commands = {os.path.relpath(entry["file"], ROOT): entry for entry in entries}
        self.links = {}
        own = [test for tests in OWN_TESTS.values() for test in tests]
        for name in dict.fromkeys(test[0] for test in (*TESTS, *own)):
            if (build / "bin" / name).exists():
                self.links[name] = self.link_of(name)

    def link_of(self, name):
        text = subprocess.run(["ninja", "-C", str(self.build), "-t", "commands", f"bin/{name}"],
                              capture_output=True, text=True, check=True).stdout
        line = [row for row in text.splitlines() if f"-o bin/{name}" in row][-1]
        words = [word for word in shlex.split(line) if word not in (":", "&&")]
        return words

    def compile(self, file, text):
        changed = self.work / pathlib.Path(file).name
        changed.write_text(text, encoding="utf-8")
        out = self.work / "mutant.o"
        out.unlink(missing_ok=True)
        entry = self.commands[file]
        words = [word for word in shlex.split(entry["command"]) if not word.endswith("ccache")]
        words[words.index("-o") + 1] = str(out)
        words[words.index("-c") + 1] = str(changed)
        words += ["-w", "-O1"]
        result = subprocess.run(words, cwd=entry["directory"], capture_output=True, text=True)
        return out if result.returncode == 0 else None

    def passes(self, test, mutant):
        name = test[0]
        binary = self.work / name
        words = list(self.links[name])
        words[words.index("-o") + 1] = str(binary)
        first = next(i for i, word in enumerate(words) if word.endswith(".o"))
        words.insert(first, str(mutant))
        linked = subprocess.run(words, cwd=self.build, capture_output=True, text=True)
        if linked.returncode != 0:
            sys.exit(f"mutate: linking {name}: {linked.stderr}")
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            try:
                ran = subprocess.run([str(binary), *test[1:]], cwd=folder, timeout=WALL_SECONDS,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=limit_time)
            except subprocess.TimeoutExpired:
                return False
        return ran.returncode in (0, 77)

    def killer(self, file, mutant):
        for test in tests_of(file):
            if test[0] in self.links and not self.passes(test, mutant):
                return test[0]
        return None


def read_known():
    known = {}
    if KNOWN.exists():
        for line in KNOWN.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                file, before, after, why = line.split("\t")
                known[(file, before, after)] = why
    return known


def all_mutants(files):
    for file in files:
        source = (ROOT / file).read_text(encoding="utf-8")
        for mutant in mutants_of(source):
            yield file, source, mutant


def is_taken(file, mutant, nth):
    digest = hashlib.sha256(f"{file}:{mutant}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % nth == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--file", action="append")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", type=pathlib.Path)
    options = parser.parse_args()
    files = options.file or sorted({str(path.relative_to(ROOT)) for pattern in PATTERNS
                                    for path in ROOT.glob(pattern)})
    mutants = [m for m in all_mutants(files) if is_taken(m[0], m[2], options.nth)]
    if options.list:
        for file, source, mutant in mutants:
            print(file, *describe(source, mutant), sep="\t")
        return 0
    known = read_known()
    counts = {"killed": 0, "not compiled": 0, "known": 0, "alive": 0, "left": 0}
    report = options.report.open("a", encoding="utf-8") if options.report else sys.stdout
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve() / "release", pathlib.Path(work))
        for file, source, mutant in mutants:
            if options.seconds and time.monotonic() - start > options.seconds:
                counts["left"] += 1
                continue
            line, before, after = describe(source, mutant)
            if (file, before, after) in known:
                counts["known"] += 1
                continue
            text = source[:mutant[0]] + mutant[2] + source[mutant[1]:]
            built = bench.compile(file, text)
            if built is None:
                counts["not compiled"] += 1
                continue
            killer = bench.killer(file, built)
            counts["alive" if killer is None else "killed"] += 1
            if killer is None:
                print(file, line, before, after, sep="\t", file=report, flush=True)
    print("mutate: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["alive"] else 0


if __name__ == "__main__":
    sys.exit(main())
