# SPDX-License-Identifier: Apache-2.0
"""The places in documents that hold measured figures, each between two marks that name the command
which writes it. Nobody edits what is between them.
"""


class FiguresPlace:
    """command: as in the marks, such as "bench/run.sh --write"."""

    def __init__(self, document, command):
        self.document = document
        self.begin = f"<!-- {command}: from here -->"
        self.end = f"<!-- {command}: to here -->"
        self.parts()

    def parts(self):
        """The document before and after the figures. ValueError: it has no place for them."""
        whole = self.document.read_text(encoding="utf-8")
        before, begin, rest = whole.partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not begin or not end:
            raise ValueError(f"{self.document} has no place for the figures of {self.begin}")
        return before, after

    def write(self, text):
        before, after = self.parts()
        self.document.write_text(f"{before}{self.begin}\n\n{text.strip()}\n\n{self.end}{after}",
                                 encoding="utf-8")
