# SPDX-License-Identifier: Apache-2.0
"""Runs the fenced blocks of the documents for users, in their order, a folder for each document.

    python   a program, by the interpreter of --python, which has the trainers
    sh       commands; the first that fails ends the document
    console  lines after "$ " are commands, the others their output, where "..." is anything
    c        with file=NAME behind the language: written to that file

Blocks of other languages are for reading. The command and an installed library come from --build.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["docs/tutorial.md", "docs/how-to"]
FENCE = re.compile(r"^```(.*)$")


def read_blocks(path):
    """(line, language, options, text) of each fenced block."""
    blocks, lines, start, info = [], [], 0, None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if fence and info is None:
            info, start, lines = fence[1].split(), number, []
        elif fence:
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
        if language == "python":
            self.run([self.arguments.python, "-c", text], line)
        elif language == "sh":
            self.run(["bash", "-euo", "pipefail", "-c", text], line)
        elif language == "console":
            self.console(line, text)
        elif language == "c" and "file" in options:
            (self.folder / options["file"]).write_text(text, encoding="utf-8")
        elif language in ("c", "python3", "bash", "shell", ""):
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
    parser.add_argument("documents", nargs="*", default=DOCUMENTS)
    arguments = parser.parse_args()
    paths = []
    for name in arguments.documents:
        path = ROOT / name
        paths += sorted(path.glob("*.md")) if path.is_dir() else [path]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="espalier-docs-") as work:
        environment = install(arguments, pathlib.Path(work))
        for path in paths:
            name = path.relative_to(ROOT)
            try:
                count = Document(name, arguments, environment).all()
                print(f"{name}: {count} blocks")
            except (RuntimeError, ValueError, subprocess.TimeoutExpired) as problem:
                failed += 1
                print(f"FAILED {problem}")
    print(f"documents: {len(paths)}, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
