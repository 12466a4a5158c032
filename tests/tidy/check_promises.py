# SPDX-License-Identifier: Apache-2.0
"""What is promised and what shows it: every line of tests/interop/promises.tsv has its line in
docs/fidelity.md, with rows, from every version it is about, and the tests that are named there and
in docs/refusals.md are there, in the files they are named with."""

import re
import sys

from tree import ROOT, Findings, parse_arguments, read_lines

sys.path.insert(0, str(ROOT / "tests/interop"))
import promises  # noqa: E402  (standard library only)

PAGE = "docs/fidelity.md"
LIST = "tests/interop/promises.tsv"
REFUSALS = "docs/refusals.md"
FUNCTION = r"(?:static void|def) {}\("


def has_function(path, name):
    return re.search(FUNCTION.format(re.escape(name)), path.read_text(encoding="utf-8"))


def find_file(name):
    """A file by its path, or by its name among the tests."""
    if (ROOT / name).is_file():
        return ROOT / name
    return next((path for path in sorted((ROOT / "tests").rglob(name)) if path.is_file()), None)


def check_named(findings, place, text):
    """`file` and `function` in a cell: a function belongs to the file before it. How many."""
    file, count = None, 0
    for name in re.findall(r"`([^`]+)`", text):
        if name.startswith("test_") and "." not in name:
            count += 1
            if file is None or not has_function(file, name):
                findings.add(place, f"there is no {name} in {file and file.name}")
        elif re.search(r"\.(c|py|h|sh|md)$", name):
            count += 1
            file = find_file(name)
            if file is None:
                findings.add(place, f"there is no {name}")
    return count


def read_shown():
    """{(part, what, trainer): cells} of the page's tables."""
    found, part, trainer = {}, None, None
    for line in read_lines(PAGE):
        if line.startswith("### "):
            part = line[4:]
        elif line.startswith("## "):
            part = None
        cells = [one.strip() for one in line.strip().strip("|").split(" | ")]
        if part and cells[1:2] == ["versions"]:
            trainer = cells[0][len("of "):]
        elif part and line.startswith("| ") and len(cells) == 6:
            found[part, cells[0], trainer] = cells
    return found


def check_line(findings, place, promise, shown):
    cells = shown.get((promise.part, promise.what, promise.trainer))
    if cells is None:
        findings.add(place, f"{PAGE} has no line of it: make fidelity")
        return
    if not re.fullmatch(r"[1-9][\d,]*", cells[3]):
        findings.add(place, f"no rows in {PAGE}")
    if "not" in cells[1]:
        findings.add(place, f"not shown in every version: {cells[1]}")


def main():
    parse_arguments(__doc__)
    findings = Findings("promises")
    shown, count = read_shown(), 0
    for number, promise in enumerate(promises.read_promises(ROOT / LIST), 1):
        place = f"{LIST}: {promise.part}, {promise.what}, {promise.trainer}"
        if promise.part == promises.TESTS:
            if not check_named(findings, place, promise.proof):
                findings.add(place, "names no test")
        else:
            check_line(findings, place, promise, shown)
        count = number
    cells = 0
    for number, line in enumerate(read_lines(REFUSALS), 1):
        cells += check_named(findings, f"{REFUSALS}:{number}", line)
    findings.finish(f"{count} promises, {cells} tests of refusals")


if __name__ == "__main__":
    main()
