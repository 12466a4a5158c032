# SPDX-License-Identifier: Apache-2.0
"""Makes the ROM and the disk of the emulated machine: a Linux kernel and its first files.

The kernel is a distribution's; fetch_kernel downloads Debian's small "cloud" one without
installing it. The disk's layout is told in bochs_rom.S.
"""

import ctypes
import gzip
import lzma
import os
import pathlib
import re
import shutil
import stat
import struct
import subprocess
import threading

DISK_ADDRESS = 0xFF0000
START_INFO = 0x1000
PVH_MAGIC = 0x336EC578
NOTE_PVH_ENTRY = 18
PIECE = 256 * 512  # what the ROM reads at a time
HEADS, SECTORS = 16, 63
KERNEL_PACKAGE = "linux-image-cloud-amd64"
DOWNLOAD = threading.Lock()  # machines of two levels start side by side


class Unavailable(Exception):
    """Something is missing on this machine: what runs here is skipped, not failed."""


def run_tool(command, **options):
    """A tool's standard output; Unavailable when it is missing or fails."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, **options)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Unavailable(f"{command[0]}: {said[-1] if said else error}") from error
    return done.stdout


def fetch_kernel(folder):
    """A kernel image below `folder`, downloaded at the first call, or what the user names."""
    named = os.environ.get("ESPALIER_EMULATE_KERNEL")
    if named:
        if not os.access(named, os.R_OK):
            raise Unavailable(f"ESPALIER_EMULATE_KERNEL: {named} cannot be read")
        return pathlib.Path(named)
    with DOWNLOAD:
        found = sorted(pathlib.Path(folder).glob("vmlinuz-*"))
        return found[-1] if found else download_kernel(pathlib.Path(folder))


def download_package(unpacked):
    """The files of Debian's kernel package, below `unpacked`."""
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True, exist_ok=True)
    depends = run_tool(["apt-cache", "depends", KERNEL_PACKAGE], timeout=60)
    real = re.search(r"Depends: (linux-image-\d\S*)", depends)
    if real is None:
        raise Unavailable(f"apt-get knows no package {KERNEL_PACKAGE}")
    run_tool(["apt-get", "-q", "download", real[1]], cwd=unpacked, timeout=300)
    package = next(unpacked.glob("*.deb"))
    run_tool(["dpkg", "-x", package.name, "files"], cwd=unpacked, timeout=300)
    package.unlink()
    return unpacked / "files"


def download_kernel(folder):
    unpacked = folder / "package"
    image = next((download_package(unpacked) / "boot").glob("vmlinuz-*"))
    target = folder / image.name
    shutil.copy(image, target)
    shutil.rmtree(unpacked)
    return target


def unpack_lz4(data):
    """LZ4's old frame, as kernels use it: blocks of 8 MiB."""
    try:
        lz4 = ctypes.CDLL("liblz4.so.1")
    except OSError as error:
        raise Unavailable("liblz4.so.1 is missing") from error
    block = ctypes.create_string_buffer(8 << 20)
    pieces = []
    at = 4
    while at + 4 < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        packed = data[at + 4:at + 4 + size]
        got = lz4.LZ4_decompress_safe(packed, block, len(packed), len(block))
        if len(packed) < size or got < 0:
            break  # the size of the whole ends the payload
        pieces.append(block.raw[:got])
        at += 4 + size
    return b"".join(pieces)


def unpack_kernel(image):
    """The ELF file inside a bzImage."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(b"\x02\x21\x4c\x18"):
        return unpack_lz4(payload)
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return gzip.decompress(payload[:-4])
    raise Unavailable(f"the kernel is packed in a way not known here: {payload[:4].hex()}")


def find_pvh_entry(notes):
    at = 0
    while at + 12 <= len(notes):
        name_bytes, value_bytes, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + 12:at + 12 + name_bytes]
        at += 12 + (name_bytes + 3) // 4 * 4
        if name == b"Xen\0" and kind == NOTE_PVH_ENTRY:
            return int.from_bytes(notes[at:at + value_bytes], "little")
        at += (value_bytes + 3) // 4 * 4
    return None


def load_segments(elf):
    """(bytes from 0x1000000 on, end of its memory, PVH entry) of a kernel."""
    if elf[:5] != b"\x7fELF\x02":
        raise Unavailable("the kernel could not be unpacked")
    table = struct.unpack_from("<Q", elf, 32)[0]
    count = struct.unpack_from("<H", elf, 56)[0]
    base = DISK_ADDRESS + 0x10000
    loaded = bytearray()
    end = base
    entry = None
    for i in range(count):
        kind, _, offset, _, address, in_file, in_memory, _ = struct.unpack_from(
            "<IIQQQQQQ", elf, table + 56 * i)
        if kind == 4 and entry is None:
            entry = find_pvh_entry(elf[offset:offset + in_file])
        elif kind == 1:
            first = address - base
            if first < 0:
                raise Unavailable("the kernel wants to lie elsewhere")
            loaded.extend(bytes(max(0, first + in_file - len(loaded))))
            loaded[first:first + in_file] = elf[offset:offset + in_file]
            end = max(end, address + in_memory)
    if entry is None:
        raise Unavailable("the kernel has no PVH entry")
    return loaded, end, entry


def make_archive(files):
    """An initramfs (cpio, "newc") of {guest path: bytes}; all files can be run."""
    entries = {"dev": None}
    for path in sorted(files):
        for parent in reversed(pathlib.PurePosixPath(path).parents):
            if str(parent) not in ("/", "."):
                entries.setdefault(str(parent).lstrip("/"), None)
        entries[path.lstrip("/")] = files[path]
    entries["TRAILER!!!"] = b""
    archive = bytearray()
    for number, (name, data) in enumerate(entries.items()):
        mode = stat.S_IFDIR | 0o755 if data is None else stat.S_IFREG | 0o755
        data = data or b""
        name = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + name
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def make_start_info(command_line, memory_bytes, archive_address, archive_bytes, entry):
    """The first 64 KiB of the disk: what a PVH kernel wants to know at its start."""
    block = bytearray(0x10000)
    here = DISK_ADDRESS + START_INFO
    modules, memory_map, text = here + 0x100, here + 0x200, here + 0x400
    struct.pack_into("<IIIIQQQQII", block, START_INFO, PVH_MAGIC, 1, 0, 1, modules, text, 0,
                     memory_map, 2, 0)
    struct.pack_into("<QQQQ", block, START_INFO + 0x100, archive_address, archive_bytes, 0, 0)
    struct.pack_into("<QQII", block, START_INFO + 0x200, 0, 0xA0000, 1, 0)
    struct.pack_into("<QQII", block, START_INFO + 0x218, 0x100000, memory_bytes - 0x100000, 1, 0)
    line = command_line.encode() + b"\0"
    block[START_INFO + 0x400:START_INFO + 0x400 + len(line)] = line
    return block


def make_machine(folder, rom, kernel, files, command_line, memory_bytes):
    """Writes `folder`/rom.bin and `folder`/disk.img; returns the disk's number of cylinders."""
    loaded, end, entry = load_segments(unpack_kernel(pathlib.Path(kernel).read_bytes()))
    archive = make_archive(files)
    archive_address = (end + 0x1FFFFF) & ~0x1FFFFF
    disk = make_start_info(command_line, memory_bytes, archive_address, len(archive), entry)
    disk += loaded
    disk += bytes(archive_address - DISK_ADDRESS - len(disk)) + archive
    disk += bytes(-len(disk) % PIECE)
    if DISK_ADDRESS + len(disk) > memory_bytes:
        raise Unavailable("the files are larger than the emulated machine's memory")
    rom = bytearray(rom)
    struct.pack_into("<II", rom, 0xFFE0, len(disk) // 512, entry)
    cylinder = HEADS * SECTORS * 512
    cylinders = -(-len(disk) // cylinder)
    (folder / "rom.bin").write_bytes(rom)
    (folder / "disk.img").write_bytes(disk + bytes(cylinders * cylinder - len(disk)))
    return cylinders
