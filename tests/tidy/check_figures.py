# SPDX-License-Identifier: Apache-2.0
"""README.md's figures are those of docs/benchmarks.md."""
import sys

from tree import ROOT, Findings, parse_arguments

sys.path.insert(0, str(ROOT / "scripts"))

from readme_figures import MODELS, find_stale  # noqa: E402


def main():
    parse_arguments(__doc__)
    findings = Findings("figures")
    for place, _ in find_stale():
        findings.add(f"README.md:{place}", "not docs/benchmarks.md: run scripts/readme_figures.py")
    findings.finish(f"{len(MODELS)} models")


if __name__ == "__main__":
    main()
