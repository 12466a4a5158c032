# SPDX-License-Identifier: Apache-2.0
"""docs/format.md: every numbered rule has evidence in tests/, and every rule named exists.

A test, a bad file or its manifest gives evidence by naming the rule as F-017 (or f017 in a file
name).
"""

import re

from tree import ROOT, Findings, list_files, parse_arguments

DOCUMENT = "docs/format.md"
DEFINITION = re.compile(r"\[F-(\d+)\]")
REFERENCE = re.compile(r"\b[Ff]-?(\d{3})\b")
CODE_FOLDERS = ("include/", "format/", "engine/", "convert/", "publish/", "cli/")


def main():
    parse_arguments(__doc__)
    findings = Findings("rules")
    path = ROOT / DOCUMENT
    if not path.is_file():
        findings.add(DOCUMENT, "is not there")
        findings.finish("no rules")
    rules = {int(number) for number in DEFINITION.findall(path.read_text(encoding="utf-8"))}
    evidence = set()
    for name in list_files():
        in_tests = name.startswith("tests/") and not name.startswith("tests/tidy/")
        if not in_tests and not name.startswith(CODE_FOLDERS):
            continue
        text = name.rsplit("/", 1)[-1]
        if name.endswith((".c", ".h", ".inc", ".cc", ".py", ".tsv", ".txt", ".md", ".json")):
            text += (ROOT / name).read_text(encoding="utf-8")
        for number in {int(number) for number in REFERENCE.findall(text)}:
            if number not in rules:
                findings.add(name, f"names rule F-{number:03}, which {DOCUMENT} does not have")
            elif in_tests:
                evidence.add(number)
    for number in sorted(rules - evidence):
        findings.add(DOCUMENT, f"rule F-{number:03} has no evidence in tests/")
    findings.finish(f"{len(rules)} rules")


if __name__ == "__main__":
    main()
