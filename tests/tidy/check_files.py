# SPDX-License-Identifier: Apache-2.0
"""Files: unique names, a licence line, lengths of lines, functions and files, unwanted words."""

import ast
import re

from tree import Findings, is_data, list_files, parse_arguments, read_lines

LINE_MAX = 100
FILE_MAX = 1000
FUNCTION_MAX = 70

C_SUFFIXES = (".c", ".h", ".cc", ".hpp", ".inc")
SOURCE_SUFFIXES = C_SUFFIXES + (".py", ".sh", ".cmake", ".cmake.in", ".rs", ".go", ".java",
                              ".js", ".css", ".pyi")
SOURCE_NAMES = ("CMakeLists.txt", "Makefile", "run")
TEXT_SUFFIXES = SOURCE_SUFFIXES + (".md", ".json", ".tsv", ".txt", ".1", ".in", ".toml")
REPEATED_NAMES = ("CMakeLists.txt", "README.md", "__init__.py", ".clang-tidy", "Cargo.toml",
                  "lib.rs", "main.go")

# A promise to do it later, and paths of somebody's machine.
UNWANTED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!_)|(?<![\w.$}/])/(?:work|root|home)/\w")
# One word per thing (CONTRIBUTING.md): these never name anything of ours.
OTHER_WORDS = re.compile(
    r"\b(?:espalier|ESPALIER)_\w*(?:sample|instance|booster|ensemble|backend|handle)\w*", re.I)


def is_source(name):
    base = name.rsplit("/", 1)[-1]
    return not is_data(name) and (base.endswith(SOURCE_SUFFIXES) or base in SOURCE_NAMES)


def check_names(findings, names):
    seen = {}
    for name in names:
        base = name.rsplit("/", 1)[-1]
        if is_data(name) or base in REPEATED_NAMES:
            continue
        if base in seen:
            findings.add(name, f"has the same file name as {seen[base]}")
        seen.setdefault(base, name)


def check_licence(findings, name, lines):
    # A script's first line is its interpreter.
    first = next((line for line in lines[:2] if not line.startswith("#!")), "")
    if not re.fullmatch(r"(?://|#|/\*) SPDX-License-Identifier: Apache-2\.0(?: \*/)?", first):
        findings.add(f"{name}:1", "the first line is not `SPDX-License-Identifier: Apache-2.0`")


def check_lengths(findings, name, lines):
    if len(lines) > FILE_MAX:
        findings.add(name, f"has {len(lines)} lines, more than {FILE_MAX}")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            findings.add(f"{name}:{number}", f"has {len(line)} columns, more than {LINE_MAX}")
        if line != line.rstrip():
            findings.add(f"{name}:{number}", "ends in white space")


def check_c_functions(findings, name, lines):
    """With our clang-format a function's braces, and no others, stand alone in column one."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_MAX:
                findings.add(f"{name}:{start}", f"a function of {number - start - 1} lines")
            start = None


def check_python_functions(findings, name, lines):
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.body[0].lineno + 1
            if length > FUNCTION_MAX:
                findings.add(f"{name}:{node.lineno}", f"a function of {length} lines")


# How a function begins, and by the first group how its last brace is indented.
FUNCTIONS = {
    ".js": re.compile(r"(\s*)(?:async )?function \w+\(.*\{"),
    ".go": re.compile(r"()func .*\{"),
    ".rs": re.compile(r"(\s*)(?:pub(?:\(\w+\))? )?(?:const )?(?:unsafe )?(?:extern \"C\" )?fn "),
    ".java": re.compile(r"(\s+)(?:(?:public|private|protected|static|final|native|synchronized) )*"
                        r"(?!.*\b(?:class|record|interface|enum|new|return|else)\b)[\w<>\[\]., ?]+ "
                        r"?\w+\("),
}


def check_other_functions(findings, name, lines):
    """Of languages whose formatters indent a function's last brace as its first line."""
    begins = FUNCTIONS[name[name.rindex("."):]]
    start = end = None
    for number, line in enumerate(lines, 1):
        begin = begins.match(line) if start is None and not line.endswith((";", "}")) else None
        if begin:
            start, end = number, begin[1] + "}"
        elif line == end:
            if number - start - 1 > FUNCTION_MAX:
                findings.add(f"{name}:{start}", f"a function of {number - start - 1} lines")
            start = end = None


def check_words(findings, name, lines):
    for number, line in enumerate(lines, 1):
        for pattern in (UNWANTED, OTHER_WORDS):
            match = pattern.search(line)
            if match:
                findings.add(f"{name}:{number}", f"unwanted: {match[0]}")


def main():
    parse_arguments(__doc__)
    findings = Findings("files")
    names = list_files()
    check_names(findings, names)
    for name in names:
        if is_data(name) or not (name.endswith(TEXT_SUFFIXES) or is_source(name)):
            continue
        lines = read_lines(name)
        if not name.endswith("check_files.py"):
            check_words(findings, name, lines)
        if not is_source(name):
            continue
        check_licence(findings, name, lines)
        check_lengths(findings, name, lines)
        if name.endswith(C_SUFFIXES) and not name.startswith("engine/kernels/"):
            check_c_functions(findings, name, lines)
        elif name.endswith(".py"):
            check_python_functions(findings, name, lines)
        elif name.endswith(tuple(FUNCTIONS)):
            check_other_functions(findings, name, lines)
    findings.finish(f"{len(names)} files")


if __name__ == "__main__":
    main()
