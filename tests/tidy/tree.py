# SPDX-License-Identifier: Apache-2.0
"""What the tidy checks share: the files of the tree, and how findings are reported."""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Data, not text of ours: never read as source.
DATA_FOLDERS = ("tests/fixtures/", "tests/fuzz/corpus/", "tests/golden/", "tests/golden_bad/")


def list_files():
    """Tracked files and new ones, without what .gitignore names; paths relative to the root."""
    try:
        text = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True).stdout.decode()
        names = [name for name in text.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        # Not a clone (a source archive): everything but build folders.
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if not name.startswith(("build", ".git/"))]
    return sorted(name for name in set(names) if (ROOT / name).is_file())


def is_data(name):
    return name.startswith(DATA_FOLDERS) and not name.endswith((".md", ".py"))


def read_lines(name):
    return (ROOT / name).read_text(encoding="utf-8").splitlines()


class Findings:
    """Collects `place: what is wrong`; finish() prints them and the closing line."""

    def __init__(self, check):
        self.check = check
        self.found = []

    def add(self, place, text):
        self.found.append(f"{place}: {text}")

    def finish(self, summary):
        for finding in self.found:
            print(finding)
        state = f"{len(self.found)} findings" if self.found else "clean"
        print(f"{self.check}: {summary}, {state}")
        sys.exit(1 if self.found else 0)


def parse_arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", type=Path, help="a release build tree (only check_symbols)")
    return parser.parse_args()
