#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs programs on an emulated x86 CPU that this machine is not: Bochs, started with a Linux kernel
that runs them one after the other. See README.md.

    run_bochs.py --cpu avx512vbmi [--env NAME=VALUE]... [--file PATH]... -- PROGRAM [ARGUMENT]...

Prints what the program prints and leaves with its exit code; 77 when it cannot run here.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from bochs_disk import Unavailable, fetch_kernel, make_machine, run_tool

HERE = pathlib.Path(__file__).resolve().parent
CPUS = {
    "sse42": "corei5_lynnfield_750",
    "avx2": "corei7_haswell_4770",
    "avx512": "corei7_skylake_x",  # F, CD, BW, DQ, VL
    "avx512vbmi": "corei3_cnl",  # and VBMI, IFMA; not VBMI2
}
MEMORY_MIB = 512
SKIPPED = 77
OUT_OF_TIME = 124

# What Bochs 2.7 says of XSAVEC, XSAVES and PKU is at odds with itself and with what kernels expect:
# without the last three numbers they would do without AVX. 124 saves a fault at every tick.
COMMAND_LINE = ("quiet panic=-1 nolapic acpi=off pci=off mitigations=off audit=0 lsm= ibt=off "
                "intel_pstate=disable cryptomgr.notests random.trust_cpu=on tsc=reliable "
                "lpj=200000 clearcpuid=124,321,323,515")

CONFIGURATION = """\
config_interface: textconfig
display_library: {display}
cpu: model={model}, count=1, ips=50000000, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
romimage: file={folder}/rom.bin, address=0xffff0000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path={folder}/disk.img, cylinders={cylinders}, heads={heads}, \
spt={sectors}
boot: disk
clock: sync=none, time0=1
port_e9_hack: enabled=1
com1: enabled=1, mode=file, dev={folder}/console
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action=report
sound: driver=dummy
plugin_ctrl: sb16=0, es1370=0, usb_uhci=0, voodoo=0, e1000=0, ne2k=0
"""


class Job:
    """One program: `argv` with host paths, settings, seconds it may take.

    Emulated seconds are longer than real ones on some CPUs; run_jobs has a limit of its own.
    """

    def __init__(self, name, argv, settings=(), seconds=600):
        self.name = name
        self.argv = [str(argument) for argument in argv]
        self.settings = list(settings)
        self.seconds = seconds
        self.status = None
        self.output = ""


def find_libraries(program):
    """What the dynamic loader would load, and the loader, as paths."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> )?(/\S+) \(0x", said)


def collect_files(jobs, extra):
    files = {}
    for job in jobs:
        program = os.path.abspath(shutil.which(job.argv[0]) or job.argv[0])
        job.argv[0] = program
        for path in [program] + find_libraries(program):
            files[path] = pathlib.Path(path)
    for path in extra:
        path = pathlib.Path(os.path.abspath(path))
        below = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        files.update({str(p): p for p in below})
    try:
        return {path: source.read_bytes() for path, source in files.items()}
    except OSError as error:
        raise Unavailable(str(error)) from error


def build_guest(folder):
    """The ROM and the first program."""
    rom_object, init = folder / "rom.o", folder / "init"
    compiler = os.environ.get("CC", "gcc")
    run_tool([compiler, "-m32", "-c", str(HERE / "bochs_rom.S"), "-o", str(rom_object)])
    run_tool(["objcopy", "-O", "binary", "-j", ".text", str(rom_object), str(folder / "rom.raw")])
    run_tool([compiler, "-O2", "-std=c11", "-static", str(HERE / "bochs_init.c"), "-o", str(init)])
    return (folder / "rom.raw").read_bytes(), init.read_bytes()


# Binding at the first call saves and restores registers, which Bochs faults on (README.md).
SETTINGS = ["LD_BIND_NOW=1"]


def job_line(job):
    fields = [str(job.seconds)] + SETTINGS + job.settings + ["--"] + job.argv
    if any("\t" in field or "\n" in field or not field for field in fields):
        raise Unavailable("a job's words must not hold tabs or line ends, nor be empty")
    return "\t".join(fields) + "\n"


def choose_display():
    """Nothing is shown. The terminal's display opens no port, unlike rfb, which is always there."""
    plugins = pathlib.Path("/usr/lib/x86_64-linux-gnu/bochs/plugins")
    if (plugins / "libbx_term_gui.so").exists():
        return "term"
    return 'rfb, options="timeout=0"'


def make_configuration(folder, cpu, cylinders):
    text = CONFIGURATION.format(display=choose_display(), model=CPUS[cpu], memory=MEMORY_MIB,
                                folder=folder, cylinders=cylinders, heads=16, sectors=63)
    (folder / "bochsrc").write_text(text)
    (folder / "commands").write_text("c\n")  # Debian's Bochs is a debugger that waits for this


def read_report(text, jobs):
    """Takes the jobs' outputs and statuses from what the emulator printed."""
    for number, job in enumerate(jobs):
        found = re.search(rf"^@begin {number}\n(.*?)(?:^@end {number} (\d+)$|\Z)", text,
                          re.S | re.M)
        if found is None:
            continue
        job.output = found[1].rstrip("\n")
        job.status = int(found[2]) if found[2] is not None else OUT_OF_TIME
    if all(job.status is None for job in jobs):
        print(text[-2000:], file=sys.stderr)


def run_emulator(folder, seconds):
    """What the emulator printed until it ended or the time was up."""
    command = ["bochs-bin", "-q", "-f", str(folder / "bochsrc"), "-rc", str(folder / "commands")]
    with open(folder / "output", "w+b") as output:
        try:
            emulator = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=subprocess.STDOUT, start_new_session=True,
                                        env={**os.environ, "TERM": "xterm"})
        except OSError as error:
            raise Unavailable(f"bochs-bin: {error.strerror}") from error
        try:
            emulator.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if emulator.poll() is None:
                os.killpg(emulator.pid, signal.SIGKILL)
                emulator.wait()
        output.seek(0)
        return output.read().decode(errors="replace").replace("\r\n", "\n")


def run_jobs(jobs, cpu, kernel_folder, extra_files=(), seconds=900, console=False):
    """Runs the jobs on one start of the machine and fills in their status and output."""
    if shutil.which("bochs-bin") is None:
        raise Unavailable("bochs is not installed")
    kernel = fetch_kernel(kernel_folder)
    with tempfile.TemporaryDirectory(prefix="espalier-bochs-") as name:
        folder = pathlib.Path(name)
        rom, init = build_guest(folder)
        files = collect_files(jobs, extra_files)
        files["/init"] = init
        files["/jobs"] = "".join(job_line(job) for job in jobs).encode()
        line = COMMAND_LINE
        if console:
            line = line.replace("quiet ", "") + " console=ttyS0 earlyprintk=serial,ttyS0"
        cylinders = make_machine(folder, rom, kernel, files, line, MEMORY_MIB << 20)
        make_configuration(folder, cpu, cylinders)
        text = run_emulator(folder, seconds)
        if console and (folder / "console").exists():
            print((folder / "console").read_text(errors="replace"), file=sys.stderr)
        read_report(text, jobs)


def main():
    parser = argparse.ArgumentParser(description="Run a program on an emulated x86 CPU.")
    parser.add_argument("--cpu", choices=sorted(CPUS), required=True)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--file", action="append", default=[], metavar="PATH",
                        help="a file or folder the program reads, at the same path")
    parser.add_argument("--kernel-folder", default="build/emulate",
                        help="where the kernel is kept (default build/emulate)")
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument("--console", action="store_true", help="show the kernel's messages")
    parser.add_argument("program", nargs="+")
    arguments = parser.parse_args()
    job = Job("program", arguments.program, arguments.env, arguments.seconds)
    try:
        run_jobs([job], arguments.cpu, arguments.kernel_folder, arguments.file, arguments.seconds,
                 arguments.console)
    except Unavailable as error:
        print(f"skipped: {error}")
        return SKIPPED
    print(job.output)
    if job.status is None:
        print("run_bochs: the emulated machine did not start; try --console", file=sys.stderr)
        return 1
    return job.status


if __name__ == "__main__":
    sys.exit(main())
