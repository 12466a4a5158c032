# SPDX-License-Identifier: Apache-2.0
"""Builds the Python package as users do, and tests it with every Python that is there.

    python3 python/check_package.py --work FOLDER [--share N]

A wheel from the tree (`pip wheel ./python`), and a source archive that is built once more without
optimisation. The newest Python that has wheels of the trainers runs all tests, with the environment
that the step `fidelity` uses too; the others run those that need NumPy alone. Exit code 77 when
there is no CPython from 3.11 on. The last line says what was run.
"""
import argparse
import glob
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from environments import find_python, make_environment, plain_environment  # noqa: E402
from version_sets import NEWEST  # noqa: E402

PYTHONS = ("3.13", "3.12", "3.11")
BUILD_PINS = "scikit-build-core==1.1.2 packaging==26.4 pathspec==1.1.1 ninja==1.13.0"
TEST_PINS = ("pytest==9.2.0 pluggy==1.7.0 iniconfig==2.3.1 packaging==26.4 Pygments==2.21.0 "
             "polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1")
NUMPY_PINS = ("pytest==9.2.0 pluggy==1.7.0 iniconfig==2.3.1 packaging==26.4 Pygments==2.21.0 "
              "numpy==2.4.6")
PLAIN_TESTS = ("test_package.py", "test_one_row.py", "test_rows.py", "test_text.py",
               "test_trainers.py")
SECONDS_MAX = 900


def run(*command, **options):
    subprocess.run([str(one) for one in command], check=True, timeout=SECONDS_MAX, **options)


def run_pip(interpreter, *arguments):
    run(interpreter, "-m", "pip", "--disable-pip-version-check", *arguments)


def build_wheels(work, python):
    """The wheel of the tree, and of the archive made from it."""
    builder = make_environment(str(work / "builder"), python, BUILD_PINS)
    plain = ["wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run_pip(builder, *plain, "-w", work / "wheels", "-C", "build-dir=%s" % (work / "build"),
            "-C", "cmake.define.ESPALIER_WERROR=ON", HERE)
    code = "import build_backend; print(build_backend.build_sdist(%r))" % str(work / "archive")
    run(builder, "-c", code, cwd=HERE)
    (archive,) = glob.glob(str(work / "archive" / "*.tar.gz"))
    run_pip(builder, *plain, "-w", work / "archive", "-C", "cmake.build-type=Debug", archive)
    return find_wheel(work / "wheels"), find_wheel(work / "archive")


def find_wheel(folder):
    (wheel,) = folder.glob("*.whl")
    assert "-cp311-abi3-linux_" in wheel.name, wheel.name
    return wheel


def install_wheel(interpreter, wheel):
    run_pip(interpreter, "install", "--quiet", "--no-deps", "--force-reinstall", wheel)


def run_tests(interpreter, names, nth):
    variables = dict(plain_environment(), ESPALIER_FIXTURES_NTH=str(nth))
    run(interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *names,
        cwd=HERE / "tests", env=variables)


def share_packages(interpreter, other):
    """Lets an environment see the packages of another one of the same Python, behind its own."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own, shared = [subprocess.run([one, "-c", code], check=True, capture_output=True, text=True,
                                  timeout=60).stdout.strip() for one in (interpreter, other)]
    (Path(own) / "trainers.pth").write_text("%s\n" % shared, encoding="utf-8")


def test_everything(work, python, name, pins, wheels, nth):
    folder = work.parent / "fidelity" / ("environment-" + name)
    trainers = make_environment(str(folder), python, pins)
    interpreter = make_environment(str(work / "full"), python, TEST_PINS)
    share_packages(interpreter, trainers)
    install_wheel(interpreter, wheels[1])
    run_tests(interpreter, ("test_package.py",), nth)
    install_wheel(interpreter, wheels[0])
    run_tests(interpreter, (".",), nth)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="environments and builds go here")
    parser.add_argument("--nth", type=int, default=3, help="every n-th line of the fixtures")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    pythons = {wanted: find_python(wanted, {}) for wanted in PYTHONS}
    there = [wanted for wanted in PYTHONS if pythons[wanted] is not None]
    if not there:
        print("python: no CPython %s here" % ", ".join(PYTHONS[::-1]))
        return 77
    for left in list(work.glob("wheels/*")) + list(work.glob("archive/*")):
        left.unlink()
    # The oldest builds: what it makes has to run on all.
    wheels = build_wheels(work, pythons[there[-1]])
    newest = next((name, *NEWEST[name]) for name in NEWEST if NEWEST[name][0] in there)
    test_everything(work, pythons[newest[1]], newest[0], newest[2], wheels, arguments.nth)
    for wanted in there:
        if wanted != newest[1]:
            folder = str(work / ("plain-" + wanted))
            interpreter = make_environment(folder, pythons[wanted], NUMPY_PINS)
            install_wheel(interpreter, wheels[0])
            run_tests(interpreter, PLAIN_TESTS, 5 * arguments.nth)
    missing = [wanted for wanted in PYTHONS if wanted not in there]
    print("python: one wheel, tested with CPython %s%s" % (
        ", ".join(there), "; not here: " + ", ".join(missing) if missing else ""))
    return 0


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
