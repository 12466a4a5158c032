# SPDX-License-Identifier: Apache-2.0
"""docs/attacks.md: every attack names what shows its answer, a test that is there or a document
that says why there is none."""

import re

from tree import ROOT, Findings, is_data, list_files, parse_arguments, read_lines

PAGE = "docs/attacks.md"
FUNCTION = re.compile(r"(?:static void|def) (test_\w+)\(")


def main():
    parse_arguments(__doc__)
    findings = Findings("attacks")
    tests = [name for name in list_files() if name.startswith("tests/") and not is_data(name)]
    known = {name.rsplit("/", 1)[-1] for name in tests}
    for name in tests:
        if name.endswith((".c", ".py")):
            known.update(FUNCTION.findall("\n".join(read_lines(name))))
    count = 0
    for number, line in enumerate(read_lines(PAGE), 1):
        if not line.startswith("| ") or line.startswith("| Attack |"):
            continue
        count += 1
        shown = line.strip("| ").rsplit(" | ", 1)[-1]
        named = re.findall(r"`([^`]+)`", shown)
        if not named and "security.md" not in shown:
            findings.add(f"{PAGE}:{number}", "no test is named")
        for name in named:
            if name not in known and not (ROOT / name).exists():
                findings.add(f"{PAGE}:{number}", f"there is no test {name}")
    findings.finish(f"{count} attacks")


if __name__ == "__main__":
    main()
