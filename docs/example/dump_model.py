# SPDX-License-Identifier: Apache-2.0
"""Lists the bytes of a model file, field by field: dump_model.py MODEL.

Written from docs/format.md alone, for its worked example; for small files. Long arrays and runs of
bytes are cut, section entries after the first take a line each. Checks nothing: use `espalier
verify` for that.
"""

import struct
import sys

ITEMS_MAX = 4
NAMES = {1: "MODEL", 2: "STEPS", 3: "PARTS", 4: "STAGES", 5: "OUTPUTS", 6: "COLUMNS", 7: "TREES",
         8: "CONSTANTS", 9: "FEATURE_NAMES", 10: "CLASS_LABELS", 16: "NODES", 17: "LEAVES",
         18: "CUTS", 24: "NODE_NUMBERS", 25: "GOLDEN", 26: "METADATA", 27: "PROOF", 84: "COVER"}

# A field is a type and a name; sizes in bytes stand for runs of bytes.
HEADER = """8 magic|H format_major|H format_minor|I byte_order|Q file_bytes|Q required_features|
Q optional_features|I header_bytes|I section_count|I section_entry_bytes|I reserved0|Q private_end|
32 root_digest|Q checksum|24 reserved1"""
ENTRY = """I type|H encoding|H flags|Q offset|Q bytes|Q alignment|Q checksum_low|Q checksum_high|
32 digest|16 reserved"""
ENTRY_NAMES = [field.split()[1] for field in ENTRY.replace("\n", "").split("|")]
ENTRY_BYTES = "<IHHQQQQQ32s16s"
RECORDS = {
    "MODEL": """I feature_count|I slot_count|I input_rule|I default_output|I group_count|
I number_bytes|Q visits_per_row|Q node_count|d missing_number|16 reserved""",
    "STEPS": "I kind|I first|I count|I reserved",
    "PARTS": """I layout|I node_bytes|I child_bits|I accumulator|I aggregate|I leaf_width|
I first_slot|I slot_count|I first_tree|I tree_count|Q leaf_offset|I leaf_count|I start|
I start_index|I divisor|I divisor_index|I iteration_count|I default_iteration_first|
I default_iteration_count|I bank|44 reserved""",
    "STAGES": "I operation|I input_slot|I output_slot|I slot_count|I order|12 reserved",
    "OUTPUTS": "I kind|I group|I dtype|I first_slot|I slot_count|I decision|I part|I reserved",
    "COLUMNS": "I kind|I feature|I missing|I bank|Q first_cut|I cut_count|I segment",
    "TREES": """Q first_node|I node_count|I source_node_count|I depth|I slot|I number|
I iteration|I first_leaf|I leaf_count""",
    "CONSTANTS": "d constant",
    "PROOF": """Q rows_compared|Q values_compared|Q leaves_compared|Q check_rows|Q check_values|
Q check_differing|Q check_ulp_max|I check_kind|I check_cause""",
}
NODE_WIDE = "I threshold|I child|I column|I reserved"
LABELS = "I kind|I item_bytes|I count|I reserved|Q offset|Q bytes"


class Dump:
    """Prints fields from a place on and moves the place."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def line(self, size, text):
        shown = self.data[self.at:self.at + min(size, 16)].hex(" ")
        if size > 16:
            shown += " .."
        print(f"{self.at:06x}  {shown:<50}  {text}".rstrip())
        self.at += size

    def field(self, kind, name, note=""):
        if kind.isdigit():
            self.line(int(kind), name + note)
            return None
        size = struct.calcsize(kind)
        value = struct.unpack_from("<" + kind, self.data, self.at)[0]
        big = kind in "IQ" and value >= 1 << 24
        self.line(size, f"{name} {hex(value) if big else repr(value)}{note}")
        return value

    def record(self, fields):
        pairs = [field.split() for field in fields.replace("\n", "").split("|")]
        return {name: self.field(kind, name) for kind, name in pairs}

    def array(self, kind, name, count):
        for index in range(min(count, ITEMS_MAX)):
            self.field(kind, f"{name}[{index}]")
        left = count - min(count, ITEMS_MAX)
        if left:
            self.at += left * struct.calcsize(kind)
            print(f"        ... {left} more")


def dump_strings(dump):
    count = dump.field("I", "count")
    text_bytes = dump.field("I", "text_bytes")
    dump.array("I", "ends", count)
    text = dump.data[dump.at:dump.at + text_bytes]
    dump.line(text_bytes, "text " + repr(text.decode("utf-8")))


def dump_labels(dump, begin):
    groups = dump.field("I", "group_count")
    dump.field("I", "reserved")
    for group in [dump.record(LABELS) for _ in range(groups)]:
        dump.at = begin + group["offset"]
        if group["kind"] == 5:
            dump_strings(dump)
        else:
            dump.array({1: "q", 3: "d"}.get(group["kind"], "Q"), "label", group["count"])


def dump_heap(dump, part, trees):
    code = "B" if part["node_bytes"] == 2 else "H"
    for tree in trees:
        for name in ("column", "threshold"):
            for node in range(min(tree["node_count"], ITEMS_MAX)):
                dump.field(code, f"{name}[{node}]")
            left = tree["node_count"] - ITEMS_MAX
            dump.at += left * struct.calcsize(code)
            print(f"        ... {left} more")


def dump_nodes(dump, size, part, trees):
    if part["layout"] == 2:
        dump_heap(dump, part, trees)
        return
    if part["layout"] == 3:
        for _ in range(min(size // 8, ITEMS_MAX)):
            dump.record("H column|H threshold|H left|H right")
        return
    if part["node_bytes"] == 16:
        for _ in range(min(size // 16, ITEMS_MAX)):
            dump.record(NODE_WIDE)
        return
    for position in range(min(size // 8, 8 * ITEMS_MAX)):
        bits, word = struct.unpack_from("<II", dump.data, dump.at)
        child = word & ((1 << part["child_bits"]) - 1)
        column = word >> part["child_bits"]
        value = struct.unpack("<f", struct.pack("<I", bits))[0]
        leaf = f"leaf row {bits - 0x00800000}" if column == 0 else f"threshold {value!r}"
        dump.line(8, f"position {position}: {leaf}, child {child}, column {column}")


def dump_golden(dump):
    shape = dump.record("I row_count|I feature_count|I slot_count|I tree_count")
    for name, kind, width in (("rows", "d", "feature_count"), ("slots", "d", "slot_count"),
                              ("leaf numbers", "I", "tree_count")):
        dump.array(kind, name, shape["row_count"] * shape[width])


def dump_section(dump, name, size, tables):
    begin = dump.at
    if name == "NODES":
        dump_nodes(dump, size, tables["PARTS"][0], tables["TREES"])
    elif name == "LEAVES":
        kind = "d" if tables["PARTS"][0]["accumulator"] == 1 else "f"
        dump.array(kind, "value", size // struct.calcsize(kind))
    elif name == "CUTS":
        kind = "f" if tables["MODEL"][0]["input_rule"] & 1 else "d"
        dump.array(kind, "cut", size // struct.calcsize(kind))
    elif name == "NODE_NUMBERS":
        kind = {1: "B", 2: "H", 4: "I"}[tables["MODEL"][0]["number_bytes"]]
        dump.array(kind, "number", size // struct.calcsize(kind))
    elif name == "GOLDEN":
        dump_golden(dump)
    elif name == "METADATA":
        dump.line(size, "JSON text")
    elif name == "FEATURE_NAMES":
        dump_strings(dump)
    elif name == "CLASS_LABELS":
        dump_labels(dump, begin)
    elif name == "COVER":
        dump.record("I unit|I reserved")
        while dump.at < begin + size:
            dump.record("d cover")
    elif name in RECORDS:
        records = []
        while dump.at < begin + size:
            records.append(dump.record(RECORDS[name]))
        tables[name] = records
    else:
        dump.line(size, "")


def main():
    with open(sys.argv[1], "rb") as file:
        dump = Dump(file.read())
    print("header")
    header = dump.record(HEADER)
    entries = []
    for index in range(header["section_count"]):
        if index == 0:
            print("\nsection table, its first entry")
            entries.append(dump.record(ENTRY))
            print("\nsection table, the other entries")
            continue
        entry = dict(zip(ENTRY_NAMES, struct.unpack_from(ENTRY_BYTES, dump.data, dump.at)))
        entries.append(entry)
        place = f"offset {entry['offset']:#x}, {entry['bytes']} bytes"
        dump.line(96, f"{NAMES.get(entry['type'], entry['type'])}: {place}")
    tables = {}
    for entry in entries:
        gap = entry["offset"] - dump.at
        name = NAMES.get(entry["type"], str(entry["type"]))
        print(f"\n{name}" + (f" (behind {gap} bytes of padding)" if gap else ""))
        dump.at = entry["offset"]
        dump_section(dump, name, entry["bytes"], tables)
        dump.at = entry["offset"] + entry["bytes"]


if __name__ == "__main__":
    main()
