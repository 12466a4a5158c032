# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/reference are what the headers and docstrings say."""
import sys

from tree import ROOT, Findings, parse_arguments

sys.path.insert(0, str(ROOT / "scripts"))

from make_reference import find_stale, make_pages  # noqa: E402


def main():
    parse_arguments(__doc__)
    findings = Findings("reference")
    pages = make_pages()
    for name in find_stale(pages):
        findings.add(f"docs/reference/{name}", "stale: run scripts/make_reference.py")
    findings.finish(f"{len(pages)} pages")


if __name__ == "__main__":
    main()
