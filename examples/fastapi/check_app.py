# SPDX-License-Identifier: Apache-2.0
"""Runs load_test.py in short, with the package of this tree and the pins of fastapi_pins.txt, and
the commands of README.md as they stand there, but for the first, which installs.

    python3 examples/fastapi/check_app.py --work FOLDER --wheels FOLDER

--wheels is where the package's own check left its wheel; without one it is built. Exit code 77 when
there is no CPython from 3.11 on.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "interop"), str(ROOT / "tests" / "docs")]

from run_documents import read_blocks  # noqa: E402
from environments import find_python, make_environment, plain_environment  # noqa: E402

PYTHONS = ("3.13", "3.12", "3.11")
FOREST = ROOT / "tests" / "fixtures" / "sklearn-1.4.2" / "random_forest_model.pkl"
README_PORT = 8000
SECONDS_MAX = 900


def read_pins():
    lines = (HERE / "fastapi_pins.txt").read_text(encoding="utf-8").splitlines()
    return " ".join(line for line in lines if line and not line.startswith("#"))


def install_package(interpreter, wheels):
    found = sorted(wheels.glob("espalier-*.whl"))
    package = str(found[-1]) if found else str(ROOT / "python")
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--no-deps", "--force-reinstall", package], check=True, timeout=SECONDS_MAX)


def is_taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def run_readme(interpreter, work):
    """The blocks of README.md, in a folder that looks like the repository; what they print."""
    folder = work / "readme"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    variables = dict(plain_environment(), PYTHONDONTWRITEBYTECODE="1")
    variables["PATH"] = f"{Path(interpreter).parent}:{variables['PATH']}"
    subprocess.run([interpreter, "-c", "import espalier, sys; espalier.convert(*sys.argv[1:])",
                    FOREST, folder / "random_forest_model.espalier"], check=True, env=variables,
                   timeout=SECONDS_MAX)
    blocks = [text for _, language, _, text in read_blocks(HERE / "README.md") if language == "sh"]
    for block in blocks[1:]:
        with open(folder / "printed", "w+", encoding="utf-8") as printed:
            # A server that a block leaves behind belongs to its session.
            shell = subprocess.Popen(["bash", "-euo", "pipefail", "-c", block], cwd=folder,
                                     env=variables, stdout=printed, start_new_session=True)
            try:
                code = shell.wait(SECONDS_MAX)
            finally:
                os.killpg(shell.pid, signal.SIGTERM)
            printed.seek(0)
            said = printed.read()
        if code != 0:
            raise SystemExit("fastapi: README.md: exit %d\n%s%s" % (code, block, said))
        answer = json.loads(said)
        if answer["label"] != 1 or len(answer["probabilities"]) != 3 or "digest" not in answer:
            raise SystemExit("fastapi: README.md: the service answers " + said)
    return len(blocks) - 1


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
    if is_taken(README_PORT):
        readme = "README.md NOT run: something listens on port %d" % README_PORT
    else:
        readme = "README.md: %d blocks" % run_readme(interpreter, work)
    subprocess.run([interpreter, "-B", str(HERE / "load_test.py"), "--work", str(work / "served")],
                   env=plain_environment(), check=True, timeout=SECONDS_MAX)
    print("fastapi: load_test.py holds; " + readme)
    return 0


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
