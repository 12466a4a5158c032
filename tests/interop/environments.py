# SPDX-License-Identifier: Apache-2.0
"""Virtual environments with pinned packages, from wheels, and the arguments that say where, for
make_fixtures.py and fidelity.py.

Standard library only. An environment is kept and used again while its pins are the same.
"""
import argparse
import glob
import os
import shutil
import subprocess


def version_and_path(text):
    version, equals, path = text.partition("=")
    if not version or not equals:
        raise argparse.ArgumentTypeError("takes X.Y=PATH")
    return version, path


def add_arguments(parser, work, sets):
    """--work, --only and --python, a list of pairs; sets: {name: (Python, pins)}."""
    parser.add_argument("--work", default=work, metavar="DIR",
                        help="where environments are made and kept (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=list(sets), metavar="SET",
                        help="of " + ", ".join(sets))
    parser.add_argument("--python", action="append", default=[], type=version_and_path,
                        metavar="X.Y=PATH", help="an interpreter that is not on PATH as pythonX.Y")


def runs_as(path, wanted):
    """Whether this interpreter starts and is of the wanted version (version switchers may not)."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([path, "-c", code], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and done.stdout.decode().strip() == wanted


def find_python(wanted, given):
    """An interpreter of the wanted version: as given, on PATH, or installed by pyenv."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    installed = sorted(glob.glob(os.path.join(pyenv, "versions", wanted + ".*", "bin", "python")))
    candidates = [given[wanted]] if wanted in given else []
    candidates += [path for path in (shutil.which("python" + wanted),) if path] + installed[::-1]
    for path in candidates:
        if runs_as(path, wanted):
            return path
    return None


def make_environment(folder, python, pins):
    """The environment's interpreter; made anew unless a finished one with the same pins exists."""
    interpreter = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "pins")
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == pins:
                return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", folder], check=True, timeout=300)
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet",
                    "--disable-pip-version-check", "--only-binary", ":all:"] + pins.split(),
                   check=True, timeout=1800)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(pins)
    return interpreter


# By the names of all versions. NumPy's own functions there have other last bits than C's.
AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"


def plain_environment():
    """Of this process, but for what would reach into an environment, with one thread, and NumPy as
    on CPUs without AVX-512."""
    variables = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="0",
                     OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                     NPY_DISABLE_CPU_FEATURES=AVX512)
    variables.pop("PYTHONPATH", None)
    return variables
