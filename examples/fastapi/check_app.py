# SPDX-License-Identifier: Apache-2.0
"""Runs load_test.py in short, with the package of this tree and the pins of fastapi_pins.txt.

    python3 examples/fastapi/check_app.py --work FOLDER --wheels FOLDER

--wheels is where the package's own check left its wheel; without one it is built. Exit code 77 when
there is no CPython from 3.11 on.
"""
import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from environments import find_python, make_environment, plain_environment  # noqa: E402

PYTHONS = ("3.13", "3.12", "3.11")
SECONDS_MAX = 900


def read_pins():
    lines = (HERE / "fastapi_pins.txt").read_text(encoding="utf-8").splitlines()
    return " ".join(line for line in lines if line and not line.startswith("#"))


def install_package(interpreter, wheels):
    found = sorted(wheels.glob("espalier-*.whl"))
    package = str(found[-1]) if found else str(ROOT / "python")
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--no-deps", "--force-reinstall", package], check=True, timeout=SECONDS_MAX)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    arguments = parser.parse_args()
    pythons = [python for python in (find_python(one, {}) for one in PYTHONS) if python]
    if not pythons:
        print("fastapi: no CPython %s here" % ", ".join(PYTHONS[::-1]))
        return 77
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    interpreter = make_environment(str(work / "environment"), pythons[0], read_pins())
    install_package(interpreter, arguments.wheels)
    return subprocess.run([interpreter, "-B", str(HERE / "load_test.py"), "--work",
                           str(work / "served")], env=plain_environment(), check=False,
                          timeout=SECONDS_MAX).returncode


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
