# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of README.md as they stand there, of which the first installs the package of
this tree and the pins, and with what they installed load_test.py in short.

    python3 examples/fastapi/check_app.py --work FOLDER

Exit code 77 when there is no CPython from 3.11 on.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "interop"), str(ROOT / "tests" / "docs")]

from run_documents import read_blocks  # noqa: E402
from environments import find_python, plain_environment  # noqa: E402

PYTHONS = ("3.13", "3.12", "3.11")
FOREST = ROOT / "tests" / "fixtures" / "sklearn-1.4.2" / "random_forest_model.pkl"
README_PORT = 8000
SECONDS_MAX = 900


def is_taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def read_commands():
    """(the block that installs, those that serve and ask)"""
    blocks = [text for _, language, _, text in read_blocks(HERE / "README.md") if language == "sh"]
    return blocks[0], blocks[1:]


def make_folder(work):
    """A folder that looks like the repository as far as serving goes."""
    folder = work / "readme"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


def make_environment(python, work):
    """A new one; the variables with which README.md's commands find it."""
    folder = work / "environment"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], check=True, timeout=SECONDS_MAX)
    variables = plain_environment()
    variables["PATH"] = f"{folder / 'bin'}:{variables['PATH']}"
    variables["SKBUILD_BUILD_DIR"] = str(work / "package")  # what was compiled is used again
    return variables


def run_block(block, folder, variables):
    """What it prints."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        # A server that a block leaves behind belongs to its session.
        shell = subprocess.Popen(["bash", "-euo", "pipefail", "-c", block], cwd=folder,
                                 env=variables, stdout=printed, start_new_session=True)
        try:
            code = shell.wait(SECONDS_MAX)
        finally:
            stop_session(shell.pid)
        printed.seek(0)
        said = printed.read()
    if code != 0:
        raise SystemExit("fastapi: README.md: exit %d\n%s%s" % (code, block, said))
    return said


def stop_session(number):
    try:
        os.killpg(number, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it left nothing behind


def serve(blocks, folder, variables):
    subprocess.run(["python", "-c", "import espalier, sys; espalier.convert(*sys.argv[1:])",
                    FOREST, folder / "random_forest_model.espalier"], check=True, env=variables,
                   timeout=SECONDS_MAX)
    for block in blocks:
        said = run_block(block, folder, variables)
        answer = json.loads(said)
        if answer["label"] != 1 or len(answer["probabilities"]) != 3 or "digest" not in answer:
            raise SystemExit("fastapi: README.md: the service answers " + said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work.resolve()
    pythons = [python for python in (find_python(one, {}) for one in PYTHONS) if python]
    if not pythons:
        print("fastapi: no CPython %s here" % ", ".join(PYTHONS[::-1]))
        return 77
    work.mkdir(parents=True, exist_ok=True)
    variables = make_environment(pythons[0], work)
    install, blocks = read_commands()
    run_block(install, ROOT, variables)
    if is_taken(README_PORT):
        readme = "README.md: installs; NOT served: something listens on port %d" % README_PORT
    else:
        serve(blocks, make_folder(work), variables)
        readme = "README.md: %d blocks" % (1 + len(blocks))
    subprocess.run(["python", "-B", str(HERE / "load_test.py"), "--work", str(work / "served")],
                   env=variables, check=True, timeout=SECONDS_MAX)
    print("fastapi: load_test.py holds; " + readme)
    return 0


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
