# SPDX-License-Identifier: Apache-2.0
"""Builds the Python package as users do, and tests it with every Python that is there.

    python3 python/check_package.py --work FOLDER [--nth N] [--only wheel]

A wheel from the tree (`pip wheel ./python`), and a source archive that is built once more without
optimisation. The newest Python that has wheels of the trainers runs all tests, with the environment
that the step `fidelity` uses too; the others run those that need NumPy alone. mypy compares the
stubs with the modules and checks a program that uses them; so does pyright where there is Node.js,
which also says whether everything public has a type. auditwheel says what the wheel needs of a
system. All that at once, as far as there are CPUs. Exit code 77 when there is no CPython from
3.11 on. The last line says what was run.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
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
TYPE_PINS = ("mypy==2.4.1 mypy_extensions==1.2.0 pathspec==1.1.1 typing_extensions==4.16.0 "
             "librt==0.17.0 ast_serialize==0.13.1 auditwheel==6.8.2 pyelftools==0.33 "
             "packaging==26.4 pyright==1.1.414 nodeenv==1.12.0")
PLAIN_TESTS = ("test_package.py", "test_one_row.py", "test_rows.py", "test_text.py",
               "test_trainers.py")
SECONDS_MAX = 900


# What _convert takes from the system, and auditwheel would copy into a manylinux wheel.
SYSTEM_LIBRARIES = {"libbz2.so.1.0", "libjansson.so.4", "liblz4.so.1", "liblzma.so.5",
                    "libsodium.so.23", "libz.so.1"}


def run(*command, **options):
    """What the command printed; it is shown when the command ends, so that tasks do not mix."""
    done = subprocess.run([str(one) for one in command], check=False, timeout=SECONDS_MAX,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    print(done.stdout, end="", flush=True)
    done.check_returncode()
    return done.stdout


def run_pip(interpreter, *arguments):
    run(interpreter, "-m", "pip", "--disable-pip-version-check", *arguments)


PLAIN_WHEEL = ("wheel", "--quiet", "--no-deps", "--no-build-isolation")


def empty(folder):
    for left in folder.glob("*"):
        left.unlink()


def build_wheel(work, python):
    """The wheel of the tree; what was compiled for the last one is used again."""
    builder = make_environment(str(work / "builder"), python, BUILD_PINS)
    empty(work / "wheels")
    run_pip(builder, *PLAIN_WHEEL, "-w", work / "wheels", "-C", "build-dir=%s" % (work / "build"),
            "-C", "cmake.define.ESPALIER_WERROR=ON", HERE)
    return find_wheel(work / "wheels")


def build_archive(work, python):
    """The wheel of the source archive, built without optimisation: does it bring everything?"""
    builder = make_environment(str(work / "builder"), python, BUILD_PINS)
    empty(work / "archive")
    code = "import build_backend; print(build_backend.build_sdist(%r))" % str(work / "archive")
    run(builder, "-c", code, cwd=HERE)
    (archive,) = glob.glob(str(work / "archive" / "*.tar.gz"))
    run_pip(builder, *PLAIN_WHEEL, "-w", work / "archive", "-C", "cmake.build-type=Debug", archive)
    return find_wheel(work / "archive")


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


def test_everything(work, python, name, pins, wheel, nth):
    folder = work.parent / "fidelity" / ("environment-" + name)
    trainers = make_environment(str(folder), python, pins)
    interpreter = make_environment(str(work / "full"), python, TEST_PINS)
    share_packages(interpreter, trainers)
    install_wheel(interpreter, wheel)
    run_tests(interpreter, (".",), nth)


def test_plain(work, wanted, python, wheel, nth):
    interpreter = make_environment(str(work / ("plain-" + wanted)), python, NUMPY_PINS)
    install_wheel(interpreter, wheel)
    run_tests(interpreter, PLAIN_TESTS, nth)


def test_archive(work, python, nth):
    interpreter = make_environment(str(work / "archived"), python, NUMPY_PINS)
    install_wheel(interpreter, build_archive(work, python))
    run_tests(interpreter, ("test_package.py",), nth)


def run_all(tasks):
    """Each in a thread of its own, as many at once as there are CPUs; the first failure raises."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in [pool.submit(*task) for task in tasks]:
            done.result()


def check_types(work, python, wheel):
    """The stubs against the modules, and a program that uses all of them."""
    folder = work / "types"
    interpreter = make_environment(str(folder), python, TYPE_PINS)
    install_wheel(interpreter, wheel)
    config = HERE / "pyproject.toml"
    run(interpreter, "-m", "mypy.stubtest", "--concise", "--mypy-config-file", config, "espalier",
        cwd=folder)
    package = [HERE / "espalier" / name for name in ("__init__.pyi", "_core.pyi", "_convert.pyi")]
    run(interpreter, "-m", "mypy", "--strict", "--config-file", config, "--cache-dir",
        folder / "mypy", *package, HERE / "tests" / "typed_use.py", cwd=HERE)
    if shutil.which("node"):
        run_pyright(folder, interpreter)


def run_pyright(folder, interpreter):
    """As users run it, in the environment, by the machine's Node.js: nothing is downloaded."""
    used = Path(shutil.copy(HERE / "tests" / "typed_use.py", folder))
    variables = dict(os.environ, PYRIGHT_PYTHON_IGNORE_WARNINGS="1", PYRIGHT_PYTHON_GLOBAL_NODE="1",
                     PATH="%s:%s" % (Path(interpreter).parent, os.environ["PATH"]))
    run("pyright", used.name, cwd=folder, env=variables)
    run("pyright", "--verifytypes", "espalier", cwd=folder, env=variables)


def check_platform(work, python, wheel):
    """The oldest manylinux that the wheel could be repaired for, and that no other library crept
    in than those which auditwheel would have to copy."""
    interpreter = make_environment(str(work / "types"), python, TYPE_PINS)
    said = run(interpreter, "-m", "auditwheel", "show", wheel)
    platform = re.search(r"manylinux_\d+_\d+_\w+", said)
    code = ("import glob, espalier, os; from elftools.elf.elffile import ELFFile\n"
            "for path in glob.glob(os.path.dirname(espalier.__file__) + '/*.so'):\n"
            "    section = ELFFile(open(path, 'rb')).get_section_by_name('.dynamic')\n"
            "    for tag in section.iter_tags('DT_NEEDED'): print(tag.needed)")
    needed = {name for name in run(interpreter, "-c", code, cwd=work).split() if not re.match(
        r"(?:libc|libm|libpthread|ld-linux[\w-]*)\.so", name)}
    if platform is None or needed != SYSTEM_LIBRARIES:
        raise SystemExit("python: %s: the wheel needs %s" % (
            platform and platform[0], ", ".join(sorted(needed))))
    return platform[0]


def summarize(platform, there):
    """The last line: what was run, and what was not."""
    missing = [wanted for wanted in PYTHONS if wanted not in there]
    parts = ["python: one wheel (%s), tested with CPython %s" % (platform, ", ".join(there))]
    parts += ["not here: " + ", ".join(missing)] if missing else []
    parts += [] if shutil.which("node") else ["pyright: not run, no Node.js"]
    return "; ".join(parts)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="environments and builds go here")
    parser.add_argument("--only", choices=["wheel"], help="build the wheel of the tree, no tests")
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
    # The oldest builds: what it makes has to run on all.
    oldest = pythons[there[-1]]
    if arguments.only == "wheel":
        print("python: %s" % build_wheel(work, oldest).name)
        return 0
    wheel = build_wheel(work, oldest)
    newest = next((name, *NEWEST[name]) for name in NEWEST if NEWEST[name][0] in there)
    run_all([(test_everything, work, pythons[newest[1]], newest[0], newest[2], wheel,
              arguments.nth), (test_archive, work, oldest, arguments.nth)] +
            [(test_plain, work, wanted, pythons[wanted], wheel, 5 * arguments.nth)
             for wanted in there if wanted != newest[1]] +
            [(check_types, work, pythons[newest[1]], wheel)])
    print(summarize(check_platform(work, pythons[newest[1]], wheel), there))
    return 0


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
