# SPDX-License-Identifier: Apache-2.0
"""What every peer has in common: how it prepares a model (converts it, or trains one of its own of
the same size), loads it, and predicts one row and many. Packages are imported only where a peer
needs them, so that a process pays for none but its own, and a missing one costs only its peer.
"""

import pathlib

import numpy

from peer_routes import Harness


class Unsupported(Exception):
    """A peer that cannot take a model; the message is the reason that the results show."""


class Tools:
    """What was built: the espalier command and the library of one-row loops."""

    def __init__(self, build, harness):
        self.command = pathlib.Path(build) / "bin" / "espalier"
        self.harness_path = harness
        self._harness = None

    @property
    def harness(self):
        if self._harness is None:
            self._harness = Harness(self.harness_path)
        return self._harness


class Peer:
    """One way to predict. `loaded` is whatever load() returns."""

    name = ""
    package = ""  # the distribution that its version is asked of
    families = ()
    variant_of = ""  # another route to a peer that is measured anyway: one row only
    is_fresh = False  # prepared at every run: what makes the file may have changed
    prepare_seconds_max = 240
    note = ""

    def check(self, cached):
        """Raises Unsupported when there is no sense in trying."""

    def is_own(self, model):
        """True: another model of the same size, trained by the peer itself."""
        return False

    def output(self, model):
        return model.output

    def rows(self, cached):
        return cached.rows(cached.model.row_dtype)

    def file(self, cached):
        return cached.source

    def prepare(self, cached, tools):
        """Makes file(cached)."""

    def import_package(self):
        """Imports what load() needs, so that it is not part of the load time."""

    def load(self, cached, tools):
        raise NotImplementedError

    def batch(self, loaded, rows):
        """Predicts all rows in one call, in the peer's own form."""
        raise NotImplementedError

    def read_batch(self, answers):
        """The answers of batch() as [rows][outputs]."""
        answers = numpy.asarray(answers)
        return answers.reshape(len(answers), -1)

    def route(self, loaded, cached, tools):
        raise NotImplementedError
