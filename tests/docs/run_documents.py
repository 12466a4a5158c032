# SPDX-License-Identifier: Apache-2.0
"""Runs the fenced blocks of the documents for users, in their order, a folder for each document.

    python   a program, by the interpreter of --python, which has the trainers
    sh       commands; the first that fails ends the document
    console  lines after "$ " are commands, the others their output, where "..." is anything
    c        with file=NAME behind the language: written to that file; with append=NAME: to its end

Blocks of other languages are for reading; one without a language, or that is only indented, is an
error. What a document needs around its blocks stands in comments that begin with "<!-- python",
"<!-- sh", "<!-- console" or "<!-- c" and end with "-->". The command and an installed library come
from --build. Without names of documents all of DOCUMENTS are run, and a document with blocks that
is in none of DOCUMENTS, ELSEWHERE and UNRUN is an error. Of the commands in UNRUN it is looked up
that the programs and their options exist.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["README.md", "docs/tutorial.md", "docs/how-to", "docs/serving.md"]
# Documents whose blocks others run, or that hold none to run; a folder ends in "/".
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
# Documents whose commands nobody runs for being read, and why.
UNRUN = {
    "docs/benchmarks.md": "measures for hours, alone on the machine",
    "bench/peers/README.md": "measures for hours, alone on the machine",
    "tests/emulate/README.md": "step avx512 runs the same in short",
    "tests/fixtures/README.md": "makes the fixtures anew, with ten years of trainers",
}
# Commands that are not run beside the others, by their beginning: what builds or installs is done
# by scripts/documents.sh in folders of its own, and make check is what runs this.
APART = ("make demo", "make build", "pip install ./python")
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


class Document:
    """A document being run."""

    def __init__(self, path, arguments, environment):
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-docs-"))
        self.count = 0
        self.left = []  # of APART

    def run(self, command, line):
        done = subprocess.run(command, cwd=self.folder, env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.path}:{line}: exit {done.returncode}\n{done.stdout}"
                               f"{done.stderr}")
        return done.stdout

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
        left = next((one for one in APART if text.startswith(one)), None)
        if left is not None:
            self.left.append(left)
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

    def all(self):
        try:
            for line, language, options, text in read_blocks(ROOT / self.path):
                self.block(line, language, options, text)
        finally:
            shutil.rmtree(self.folder)
        return self.count


def run_document(path, arguments, environment):
    """What there is to say of a document; "FAILED" and why."""
    name = path.relative_to(ROOT)
    try:
        document = Document(name, arguments, environment)
        count = document.all()
    except (RuntimeError, ValueError, subprocess.TimeoutExpired) as problem:
        return f"FAILED {problem}"
    left = "; apart: " + ", ".join(document.left) if document.left else ""
    return f"{name}: {count} blocks{left}"


def find_forgotten(paths):
    """Documents with blocks that nobody has been told to run."""
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    known = {str(path.relative_to(ROOT)) for path in paths} | set(UNRUN)
    return [name for name in names if name not in known and read_blocks(ROOT / name) and not any(
        name == one or (one.endswith("/") and name.startswith(one)) for one in ELSEWHERE)]


def check_unrun(name):
    """What is wrong with the commands of a document that nobody runs: a program of the tree that is
    not there, an option that no file of its folder knows, a block that is no command."""
    for line, language, _, text in read_blocks(ROOT / name):
        if language not in ("sh", "text"):
            yield f"{name}:{line}: neither sh nor text"
        rows = text.replace("\\\n", " ").splitlines() if language == "sh" else []
        for words in (shlex.split(row, comments=True) for row in rows):
            named = [word for word in words[:2] if word.endswith((".py", ".sh"))]
            if not named:
                continue
            script = ROOT / named[0]
            if not script.is_file():
                yield f"{name}:{line}: no {script.relative_to(ROOT)}"
                continue
            sources = "".join(path.read_text(encoding="utf-8") for path in script.parent.iterdir()
                              if path.suffix in (".py", ".sh", ".cc"))
            for option in (word for word in words if word.startswith("--") and word != "--"):
                if option not in sources:
                    yield f"{name}:{line}: {words[0]} knows no {option}"


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="a built and complete build folder")
    parser.add_argument("--python", required=True, help="an interpreter with the trainers")
    parser.add_argument("documents", nargs="*")
    arguments = parser.parse_args()
    arguments.python = os.path.abspath(shutil.which(arguments.python) or arguments.python)
    paths = []
    for name in arguments.documents or DOCUMENTS:
        path = ROOT / name
        paths += sorted(path.glob("*.md")) if path.is_dir() else [path]
    failed = 0
    for name in [] if arguments.documents else find_forgotten(paths):
        failed += 1
        print(f"FAILED {name}: has blocks and is in none of DOCUMENTS, ELSEWHERE and UNRUN")
    for name, reason in () if arguments.documents else UNRUN.items():
        wrong = list(check_unrun(name))
        failed += len(wrong)
        print(*[f"FAILED {one}" for one in wrong] or [f"{name}: not run: {reason}"], sep="\n")
    with tempfile.TemporaryDirectory(prefix="espalier-docs-") as work:
        environment = install(arguments, pathlib.Path(work))
        # Each has a folder of its own: as many at once as there are CPUs.
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for line in pool.map(lambda path: run_document(path, arguments, environment), paths):
                failed += line.startswith("FAILED")
                print(line, flush=True)
    print(f"documents: {len(paths)}, {failed} failed; not run: {', '.join(UNRUN)}"
          if not arguments.documents else f"documents: {len(paths)}, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
