# SPDX-License-Identifier: Apache-2.0
"""Runs the fenced blocks of the documents, in their order, a folder for each document.

    python   a program, by the interpreter of --python, which has the trainers
    sh       commands; the first that fails ends the document
    console  lines after "$ " are commands, the others their output, where "..." is anything
    c        with file=NAME behind the language: written to that file; with append=NAME: to its end

Blocks of other languages are for reading; one without a language, or that is only indented, is an
error. What a document needs around its blocks stands in comments that begin with "<!-- python",
"<!-- sh", "<!-- console" or "<!-- c" and end with "-->". The command and an installed library come
from --build.

What is to be done in the source tree, a block with in=tree behind its language and all of IN_TREE,
is done in --tree, a copy that is a commit of its own. There the sentence "CI adds `WORDS` to
`COMMAND` and `COMMAND`" of a document puts the words behind the commands wherever a block has them:
measurements in short. One that fits no command is an error. `sudo` installs into a folder of the
copy.

Without names of documents all of DOCUMENTS and IN_TREE are run, and a document with blocks that is
in none of DOCUMENTS, IN_TREE and ELSEWHERE is an error.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["README.md", "docs/tutorial.md", "docs/how-to", "docs/serving.md", "docs/python.md",
             "CONTRIBUTING.md"]
# For those who work on the tree; one after the other, as they share its build and the machine.
IN_TREE = ["docs/benchmarks.md", "bench/peers/README.md", "tests/emulate/README.md",
           "tests/fixtures/README.md"]
# Documents whose blocks others run but for those in the tree, or that hold none to run; a folder
# ends in "/".
ELSEWHERE = {
    "docs/python.md": "step python",
    "python/README.md": "step python",
    "docs/reference/": "declarations; the examples: step python and run_headers.py",
    "docs/bindings.md": "step bindings",
    "bindings/": "step bindings",
    "examples/fastapi/README.md": "step fastapi",
    "docs/architecture.md": "pictures",
    "docs/format.md": "bytes and formulas; tests/oracle",
}
# A line that is not run: it is what runs this.
ITSELF = "make check"
SECONDS_MAX = 600
SECONDS_IN_TREE_MAX = 1800
LINES_SHOWN_MAX = 60
SKIPPED = 77
ADDED = re.compile(r"\bCI\s+adds\s+`([^`]+)`\s+to\s+(`[^`]+`(?:\s+and\s+`[^`]+`)*)")
FENCE = re.compile(r"^```(.*)$")
HIDDEN = re.compile(r"^<!-- ((?:python|sh|console|c)(?: \w+=\S+)*)$")


def read_blocks(path):
    """(line, language, options, text) of each fenced block, and of each indented one, whose
    language is "indented"."""
    blocks, lines, start, info, end, before = [], [], 0, None, "", ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        begin = (FENCE.match(line) or HIDDEN.match(line)) if info is None else None
        if info is None and line.startswith(("    ", "\t")) and not before.strip():
            blocks.append((number, "indented", {}, line.strip() + "\n"))
        before = line
        if begin:
            info, start, lines = begin[1].split(), number, []
            end = "```" if line.startswith("```") else "-->"
        elif info is not None and line == end:
            options = dict(word.split("=", 1) for word in info[1:] if "=" in word)
            blocks.append((start, info[0] if info else "", options, "\n".join(lines) + "\n"))
            info = None
        elif info is not None:
            lines.append(line)
    if info is not None:
        raise ValueError(f"{path}: the block of line {start} does not end")
    return blocks


def pattern_of(lines):
    """What the output must look like: "..." inside a line is anything in it, alone any lines."""
    text = ""
    for line in lines:
        if line == "...":
            text += r"(?:.*\n)*"
        else:
            text += ".*".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.compile(text)


def read_added(path):
    """[(COMMAND, WORDS)] of the sentences that say what CI adds."""
    return [(command, words) for words, commands in ADDED.findall(path.read_text(encoding="utf-8"))
            for command in re.findall(r"`([^`]+)`", commands)]


class Tree:
    """The copy of the source tree, and how commands are run there."""

    # Into a folder instead of the machine; what ld.so.cache would do, LD_LIBRARY_PATH does.
    SUDO = """#!/bin/sh
[ "$1" != ldconfig ] || exec /sbin/ldconfig -n "$ESPALIER_ROOT"/usr/local/lib
DESTDIR=$ESPALIER_ROOT exec "$@"
"""

    def __init__(self, arguments, environment):
        self.folder = arguments.tree.resolve()
        self.arguments = arguments
        self.environment = environment
        self.lock = threading.Lock()  # of those documents that have a block or two here
        self.done = {}  # what they have, to run it once
        self.is_there = False

    def prepare(self):
        if self.is_there:
            return
        self.copy()
        tools = self.folder / "build" / "as-told"
        shutil.rmtree(tools, ignore_errors=True)
        tools.mkdir(parents=True)
        (tools / "sudo").write_text(self.SUDO)
        (tools / "sudo").chmod(0o755)
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"
                 and not name.startswith(("BUILD_DIR", "ESPALIER_", "MAKE"))}
        # The package is compiled once for all that install it.
        plain.update(ESPALIER_ROOT=str(tools / "root"), PYTHONDONTWRITEBYTECODE="1",
                     SKBUILD_BUILD_DIR=str(self.folder / "build" / "package"),
                     ESPALIER_BUILD=os.path.abspath(os.path.dirname(self.arguments.build)))
        subprocess.run([self.arguments.python, "-m", "venv", tools / "venv"], check=True)
        # As a newcomer has it; and with the trainers, and the command of the build.
        self.bare = dict(plain, PATH=f"{tools}:{tools / 'venv' / 'bin'}:{plain['PATH']}")
        trainers = os.path.dirname(self.arguments.python)
        self.equipped = dict(plain, PATH=f"{trainers}:{self.environment['PATH']}",
                             LD_LIBRARY_PATH=self.environment["LD_LIBRARY_PATH"])
        self.is_there = True

    def run(self, text, is_equipped):
        """How the commands ended, and all they said."""
        # The commands are shown, so that the one that failed is the last one.
        command = ["bash", "-euxo", "pipefail", "-c", text]
        with self.lock:
            if text in self.done and not is_equipped:
                return self.done[text]
            self.prepare()
            done = subprocess.run(command, cwd=self.folder,
                                  env=self.equipped if is_equipped else self.bare, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=SECONDS_IN_TREE_MAX, stdin=subprocess.DEVNULL,
                                  check=False)
            self.done[text] = done.returncode, done.stdout
            return self.done[text]

    def copy(self):
        """The files of the source tree as they are now, in a commit; what was built there stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet")
        self.git("clean", "--quiet", "-dfx", "--exclude=/build/")
        listed = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(["git", *listed], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE).stdout.decode().split("\0")
        names = {name for name in names if name and os.path.lexists(ROOT / name)}
        for name in set(self.git("ls-files", "-z").split("\0")) - names - {""}:
            (self.folder / name).unlink(missing_ok=True)
        for name in names:
            self.copy_file(name)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--no-verify", "--message=copy")

    def git(self, *words):
        return subprocess.run(["git", "-c", "user.name=copy", "-c", "user.email=copy@localhost",
                               *words], cwd=self.folder, check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def copy_file(self, name):
        source, target = ROOT / name, self.folder / name
        if os.path.lexists(target):
            old, new = target.lstat(), source.lstat()
            if (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns):
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


class Document:
    """A document being run."""

    def __init__(self, path, arguments, environment, tree):
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.tree = tree
        self.is_in_tree = str(path) in IN_TREE
        self.added = read_added(ROOT / path)
        self.fitting = set()  # of what is added
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-docs-"))
        self.count = 0
        self.skipped = []

    def run(self, command, line):
        done = subprocess.run(command, cwd=self.folder, env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_MAX,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.path}:{line}: exit {done.returncode}\n{done.stdout}"
                               f"{done.stderr}")
        return done.stdout

    def lengthen(self, text):
        """The commands with what CI adds to them."""
        for command, words in self.added:
            longer, count = re.subn(rf"(?m)(?<!\S){re.escape(command)}(?=\s|$)",
                                    lambda found, words=words: f"{found[0]} {words}", text)
            if count:
                text = longer
                self.fitting.add(command)
        return text

    def run_in_tree(self, line, text):
        text = self.lengthen("".join(row for row in text.splitlines(keepends=True)
                                     if not row.startswith(ITSELF)))
        code, said = self.tree.run(text, self.is_in_tree)
        lines = said.splitlines(keepends=True)
        if code == SKIPPED:
            self.skipped.append(f"line {line}: {lines[-1].strip()}")
        elif code != 0:
            raise RuntimeError(f"{self.path}:{line}: exit {code}\n"
                               + "".join(lines[-LINES_SHOWN_MAX:]))
        else:
            self.count += 1

    def console(self, line, text):
        steps = []
        for row in text.splitlines():
            if row.startswith("$ "):
                steps.append((row[2:], []))
            elif steps:
                steps[-1][1].append(row)
            else:
                raise RuntimeError(f"{self.path}:{line}: output without a command")
        for command, expected in steps:
            out = self.run(["bash", "-euo", "pipefail", "-c", command], line)
            if not pattern_of(expected).fullmatch(out):
                raise RuntimeError(f"{self.path}:{line}: {command}\nprinted:\n{out}"
                                   f"instead of:\n" + "\n".join(expected))

    def block(self, line, language, options, text):
        if language == "sh" and re.search(r"(?m)&& .*\n(?=.)", text):
            raise RuntimeError(f"{self.path}:{line}: bash goes on when what stands before && "
                               "fails: a line for each command")
        if language == "sh" and (self.is_in_tree or options.get("in") == "tree"):
            self.run_in_tree(line, text)
            return
        if language == "python":
            self.run([self.arguments.python, "-c", text], line)
        elif language == "sh":
            self.run(["bash", "-euo", "pipefail", "-c", text], line)
        elif language == "console":
            self.console(line, text)
        elif language == "c" and "file" in options:
            (self.folder / options["file"]).write_text(text, encoding="utf-8")
        elif language == "c" and "append" in options:
            with open(self.folder / options["append"], "a", encoding="utf-8") as file:
                file.write(text)
        elif language in ("c", "python3", "bash", "shell", "indented", ""):
            raise RuntimeError(f"{self.path}:{line}: a block that is not run: use python, sh, "
                               "console, c file=NAME, or text for what is only read")
        else:
            return
        self.count += 1

    def all(self, only_in_tree=False):
        try:
            for line, language, options, text in read_blocks(ROOT / self.path):
                if options.get("in") == "tree" or not only_in_tree:
                    self.block(line, language, options, text)
        finally:
            shutil.rmtree(self.folder)
        for command, words in self.added:
            if command not in self.fitting:
                raise RuntimeError(f"{self.path}: CI adds {words} to {command}, which no block has")
        return self.count


def run_document(path, arguments, environment, tree):
    """What there is to say of a document; "FAILED" and why."""
    name = path.relative_to(ROOT)
    start = time.monotonic()
    try:
        document = Document(name, arguments, environment, tree)
        count = document.all(str(name) in ELSEWHERE)
    except (RuntimeError, ValueError, subprocess.TimeoutExpired) as problem:
        return f"FAILED {problem}"
    skipped = "".join(f"; skipped: {one}" for one in document.skipped)
    return f"{name}: {count} blocks, {time.monotonic() - start:.0f} s{skipped}"


def find_forgotten(paths):
    """Documents with blocks that nobody has been told to run."""
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    known = {str(path.relative_to(ROOT)) for path in paths}
    return [name for name in names if name not in known and read_blocks(ROOT / name) and not any(
        name == one or (one.endswith("/") and name.startswith(one)) for one in ELSEWHERE)]


def install(arguments, work):
    """The built library and command in a folder of its own; variables that find them."""
    prefix = work / "prefix"
    subprocess.run(["cmake", "--install", arguments.build, "--prefix", prefix], check=True,
                   stdout=subprocess.DEVNULL)
    libraries = sorted(prefix.glob("lib*/**/pkgconfig"))[0]
    environment = dict(os.environ, PKG_CONFIG_PATH=str(libraries),
                       LD_LIBRARY_PATH=str(libraries.parent), OMP_NUM_THREADS="1",
                       PYTHONDONTWRITEBYTECODE="1")
    environment["PATH"] = f"{prefix / 'bin'}:{environment['PATH']}"
    environment.pop("PYTHONPATH", None)
    return environment


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="a built and complete build folder")
    parser.add_argument("--python", required=True, help="an interpreter with the trainers")
    parser.add_argument("--tree", required=True, type=pathlib.Path,
                        help="where the source tree is copied to, and kept")
    parser.add_argument("documents", nargs="*")
    arguments = parser.parse_args()
    arguments.python = os.path.abspath(shutil.which(arguments.python) or arguments.python)
    return arguments


def find_documents(names):
    paths = []
    for name in names:
        path = ROOT / name
        paths += sorted(path.glob("*.md")) if path.is_dir() else [path]
    return paths


def run_all(paths, arguments, work):
    """A line of each document as it ends."""
    environment = install(arguments, work)
    tree = Tree(arguments, environment)
    is_last = {path: str(path.relative_to(ROOT)) in IN_TREE for path in paths}
    # Each has a folder of its own: as many at once as there are CPUs.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(lambda path: run_document(path, arguments, environment, tree),
                            [path for path in paths if not is_last[path]])
    for path in paths:
        if is_last[path]:
            yield run_document(path, arguments, environment, tree)


def main():
    arguments = parse_arguments()
    paths = find_documents(arguments.documents or DOCUMENTS + IN_TREE)
    failed = 0
    for name in [] if arguments.documents else find_forgotten(paths):
        failed += 1
        print(f"FAILED {name}: has blocks and is in none of DOCUMENTS, IN_TREE and ELSEWHERE")
    skipped = 0
    with tempfile.TemporaryDirectory(prefix="espalier-docs-") as work:
        for line in run_all(paths, arguments, pathlib.Path(work)):
            failed += line.startswith("FAILED")
            skipped += line.count("; skipped: ")
            print(line, flush=True)
    print(f"documents: {len(paths)}, {failed} failed, {skipped} blocks skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
