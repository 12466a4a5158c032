# SPDX-License-Identifier: Apache-2.0
"""keygen, sign, verify --key, store, and the example service that takes new versions as it runs.

Python's standard library only. minisign verifies our signatures and we its, where it is installed.
The command is named by --espalier or the environment variable ESPALIER.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from command import COMMAND, TESTS

FIXTURES = TESTS / "fixtures" / "sklearn-1.4.2"


def run(*arguments, command=None, **options):
    done = subprocess.run([command or COMMAND, *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-serving-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.model = self.convert("first", "--model-version", "7")

    def path(self, name):
        return self.folder / name

    def convert(self, name, *options):
        model = self.path(name + ".espalier")
        self.ok("convert", FIXTURES / "random_forest_model.pkl", "-o", model, *options)
        return model

    def ok(self, *arguments, **options):
        code, out, error = run(*arguments, **options)
        self.assertEqual(code, 0, error)
        return out

    def fails(self, words, *arguments, code=1, **options):
        got, _, error = run(*arguments, **options)
        self.assertEqual(got, code, error)
        self.assertIn(words, error)

    def keys(self, *options):
        self.ok("keygen", self.path("key.pub"), self.path("key"), *options)
        return self.path("key.pub"), self.path("key")


class Signatures(Case):
    def test_sign_and_verify(self):
        public, secret = self.keys()
        self.fails("cannot open", "verify", self.model, "--key", public)
        self.ok("sign", self.model, "--key", secret, "--model-name", "iris")
        text = self.ok("verify", self.model, "--key", public)
        self.assertIn("of this key's owner, for model 'iris', version '7'", text)
        line = public.read_text().splitlines()[1]
        got = json.loads(self.ok("verify", self.model, "--key", line, "--json"))
        self.assertEqual(got["signature"]["model_version"], "7")
        self.assertEqual(got["signature"]["model_name"], "iris")
        self.assertIn(got["signature"]["key"], public.read_text())
        self.fails("'other' is wanted", "verify", self.model, "--key", public, "--model-name",
                   "other")
        self.fails("'8' is wanted", "verify", self.model, "--key", public, "--model-version", "8")
        self.fails("--key only", "verify", self.model, "--model-name", "iris", code=2)
        data = bytearray(self.model.read_bytes())
        data[-1] ^= 1
        changed = self.path("changed.espalier")
        changed.write_bytes(data)
        signature = self.path("first.espalier.minisig")
        self.fails("not, byte for byte, the file that was signed", "verify", changed, "--key",
                   public, "--signature", signature)
        code, out, _ = run("verify", changed, "--key", public, "--signature", signature, "--json")
        self.assertEqual(code, 1)
        self.assertEqual(json.loads(out)["error"]["status"], "ESPALIER_ERROR_SIGNATURE")
        self.assertIn("section", run("verify", changed)[2])  # which one differs

    def test_passwords(self):
        password = self.path("password")
        password.write_text("open sesame\n")
        _, secret = self.keys("--password-file", password)
        self.fails("needs its password", "sign", self.model, "--key", secret)
        self.ok("sign", self.model, "--key", secret, "--password-file", password)
        self.ok("sign", self.model, "--key", secret, "--password-file", "-", input=b"open sesame")
        self.fails("wrong password", "sign", self.model, "--key", secret, "--password-file", "-",
                   input=b"sesame")
        self.fails("cannot create", "keygen", self.path("key.pub"), secret)

    def test_minisign(self):
        minisign = shutil.which("minisign")
        if minisign is None:
            self.skipTest("minisign is not installed")
        public, secret = self.keys()
        self.ok("sign", self.model, "--key", secret, "--model-name", "Zürich 1%")
        text = self.ok("-V", "-m", self.model, "-p", public, command=minisign)
        self.assertIn("espalier-model-v1 root=", text)
        # Its keys, encrypted by its own parameters, and its signature, which names no model.
        self.ok("-G", "-p", self.path("m.pub"), "-s", self.path("m.key"), command=minisign,
                input=b"word\nword\n")
        password = self.path("password")
        password.write_text("word")
        self.ok("sign", self.model, "--key", self.path("m.key"), "--password-file", password)
        self.ok("verify", self.model, "--key", self.path("m.pub"))
        self.ok("-V", "-m", self.model, "-p", self.path("m.pub"), command=minisign)
        self.ok("-S", "-m", self.model, "-s", self.path("m.key"), command=minisign,
                input=b"word\n")
        self.fails("not as a model of Espalier", "verify", self.model, "--key",
                   self.path("m.pub"))


class Stores(Case):
    def versions(self):
        text = self.ok("store", "list", self.path("models"), "--json")
        return json.loads(text)["versions"]

    def test_publish_list_rollback_prune(self):
        store = self.path("models")
        second = self.convert("second", "--model-version", "8")
        self.assertIn("version 1 is current", self.ok("store", "publish", store, self.model))
        self.ok("store", "publish", store, second)
        self.assertEqual([v["current"] for v in self.versions()], [False, True])
        got = json.loads(self.ok("store", "rollback", store, "--json"))
        self.assertEqual(got["version"], 3)
        newest = self.versions()[-1]
        self.assertEqual((newest["copied_from"], newest["previous_version"]), (1, 2))
        self.assertEqual(newest["digest"], self.versions()[0]["digest"])
        self.ok("store", "rollback", store, "2")
        self.assertIn("* ", self.ok("store", "list", store))
        self.assertIn("2 versions removed", self.ok("store", "prune", store, "--keep", "1"))
        self.assertEqual([v["version"] for v in self.versions()], [3, 4])
        self.ok("verify", store / "current" / "model.espalier")
        self.fails("has no version 9", "store", "rollback", store, "9")
        self.fails("not a store, and not empty", "store", "publish", self.folder, self.model)

    def test_publish_signed_only(self):
        store = self.path("models")
        public, secret = self.keys()
        self.fails("minisig: cannot open", "store", "publish", store, self.model, "--key", public)
        self.ok("sign", self.model, "--key", secret, "--model-name", "iris")
        self.ok("store", "publish", store, self.model, "--key", public, "--model-name", "iris",
                "--fs-verity", "--no-wait")
        self.assertTrue(self.versions()[0]["signature"])
        self.ok("verify", store / "current" / "model.espalier", "--key", public)

    def test_usage(self):
        for words, arguments in (("an action", ["store"]), ("an action", ["store", "list"]),
                                 ("none of publish", ["store", "burn", "x"]),
                                 ("needs DIR and MODEL", ["store", "publish", "x"]),
                                 ("--keep N", ["store", "prune", "x"]),
                                 ("no version's number", ["store", "rollback", "x", "last"]),
                                 ("--key only", ["store", "list", "x", "--model-name", "m"]),
                                 ("PUBLIC and a SECRET", ["keygen", "x"]),
                                 ("--key SECRET", ["sign", "x"])):
            self.fails(words, *arguments, code=2)
        for name in ("store", "keygen", "sign", "verify"):
            self.assertIn("Usage: espalier " + name, self.ok(name, "--help"))

    def test_the_example_takes_new_versions(self):
        service = next(iter(pathlib.Path(COMMAND).resolve().parent.parent.rglob(
            "hot_swap_service")), None)
        if service is None:
            self.skipTest("the example is not built")
        store = self.path("models")
        second = self.convert("second", "--model-version", "8")
        self.ok("store", "publish", store, self.model)
        with subprocess.Popen([service, store, "3"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            time.sleep(1)
            self.ok("store", "publish", store, second)
            time.sleep(0.5)
            self.ok("store", "rollback", store)
            out, error = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, error)
        lines = out.decode().splitlines()
        self.assertIn("version 3 serves", lines)
        self.assertIn(" 0 failures", lines[-1])


class Provenance(Case):
    def test_named_keys(self):
        model = self.convert("noted", "--meta", "training_date=2026-05-04", "--meta",
                             "dataset_hash=sha256:12", "--meta", "score.auc=0.93", "--layout",
                             "walk", "--model-version", "7")
        got = json.loads(self.ok("info", model, "--json"))["provenance"]
        self.assertEqual(got["training_date"], "2026-05-04")
        self.assertEqual(got["dataset_hash"], "sha256:12")
        self.assertEqual(got["scores"], {"auc": "0.93"})
        self.assertEqual(got["model_version"], "7")
        self.assertEqual(got["trainer"], "scikit-learn")
        self.assertEqual(got["convert_options"], {"layout": "walk"})
        self.assertEqual(len(got["source_digest"]), 64)
        self.assertIn("n_estimators", got["hyper_parameters"])
        text = self.ok("info", model)
        for words in ("trained      2026-05-04", "data         sha256:12", "scores       auc 0.93",
                      got["source_digest"]):
            self.assertIn(words, text)
        plain = json.loads(self.ok("info", self.model, "--json"))["provenance"]
        self.assertIsNone(plain["training_date"])
        self.assertIsNone(plain["convert_options"])
        self.assertEqual(plain["scores"], {})


if __name__ == "__main__":
    unittest.main()
