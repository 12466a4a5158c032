# SPDX-License-Identifier: Apache-2.0
"""Commands in the running text of documents: targets of make, steps of check.sh, verbs and options
of espalier, programs of the tree and their options must be there. Blocks are run by tests/docs."""

import re

from tree import Findings, list_files, parse_arguments, read_lines

# What was true when it was written, and what is made from the sources.
LEFT_OUT = ("CHANGELOG.md", "docs/decisions/", "docs/reference/")
PROGRAM_SUFFIXES = (".py", ".sh")
OPTION_SUFFIXES = PROGRAM_SUFFIXES + (".cc", ".h")


class Tree:
    """What commands may name."""

    def __init__(self, names):
        self.names = names
        self.programs = {name.rsplit("/", 1)[-1]: name for name in names
                         if name.endswith(PROGRAM_SUFFIXES)}
        self.targets = set(re.findall(r"(?m)^(\w[\w-]*):", self.read("Makefile")))
        self.steps = {name.replace("_", "-") for name in
                      re.findall(r"(?m)^step_(\w+)\(\)", self.read("scripts/check.sh"))}
        self.command = "".join(self.read(name) for name in names if name.startswith("cli/")
                               and name.endswith(".c"))
        self.verbs = {name[len("cli/cmd_"):-2] for name in names if name.startswith("cli/cmd_")}

    @staticmethod
    def read(name):
        return "\n".join(read_lines(name))

    def options_of(self, program):
        """The text that names the options of a program: its folder's."""
        folder = program.rsplit("/", 1)[0]
        return "".join(self.read(name) for name in self.names if name.endswith(OPTION_SUFFIXES)
                       and name.rsplit("/", 1)[0] == folder)

    def find_wrong(self, words):
        """What is not there, of a command's words."""
        first = words[0]
        if first == "make" and len(words) > 1:
            yield from (f"make {word}" for word in words[1:2] if word not in self.targets)
        elif first == "espalier" and len(words) > 1 and words[1].isalpha():
            yield from (f"espalier {word}" for word in words[1:2] if word not in self.verbs)
            yield from (f"espalier {word}" for word in words[2:]
                        if word.startswith("--") and f'{{"{word[2:]}",' not in self.command)
        elif first.endswith(PROGRAM_SUFFIXES) and "*" not in first:
            program = first if "/" in first else self.programs.get(first, first)
            if program not in self.names:
                yield program
                return
            known = self.options_of(program)
            yield from (f"{first} {word}" for word in words[1:]
                        if word.startswith("--") and word not in known)
            if program == "scripts/check.sh":
                yield from (f"step {word}" for word in words[1:]
                            if word.islower() and word not in self.steps)


def read_spans(name):
    """(line, words) of the code in running text; lines may end inside."""
    text = re.sub(r"(?ms)^```.*?^```$", lambda block: "\n" * block[0].count("\n"),
                  "\n".join(read_lines(name)))
    for span in re.finditer(r"`([^`]+)`", text):
        for command in re.split(r"&&|;|\|", span[1]):
            words = command.split()
            if words and words[0] in ("python3", "sudo"):
                words = words[1:]
            if words:
                yield text.count("\n", 0, span.start()) + 1, words


def main():
    parse_arguments(__doc__)
    findings = Findings("commands")
    names = list_files()
    tree = Tree(names)
    count = 0
    for name in names:
        if not name.endswith(".md") or name.startswith(LEFT_OUT):
            continue
        for line, words in read_spans(name):
            count += 1
            for wrong in tree.find_wrong(words):
                findings.add(f"{name}:{line}", f"there is no {wrong}")
    findings.finish(f"{count} spans of code")


if __name__ == "__main__":
    main()
