#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 of the line, and of each of its children, before, after and behind the record of every stage.

The cases are generated from the stage table (`station stages`), for each kind of unit and each way into the service. After each, one
re-plug must leave one key, one certificate (or one permit, where there is none) and one enrollment. The same device is used for all: it
and the station's state are put back as they were made between two cases, and what was enrolled is removed.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, children, wait_until  # noqa: E402

WHENS = ("before", "after", "recorded")
VICTIMS = ("line", "st-launcher", "st-signer", "st-driver", "st-verifier")

# Kind of unit and way into the service: the device, and the profile's lines.
KINDS = {
    "group": ("SIM0001", ""),
    "individual": ("SIM0001", "attestation = x509-individual\n"),
    "tpm": ("SIM0001", "attestation = tpm\n"),
    "serial": ("SER0001", "driver = serial_csr\nattestation = x509-individual\n"),
}


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=1, serial=1, slots=1)
        cls.pristine = cls.factory.dir / "pristine"
        for serial in ("SIM0001", "SER0001"):
            shutil.copytree(cls.factory.tpms / serial, cls.pristine / serial)

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def put_back(self):
        factory = self.factory
        factory.unplug_all()
        shutil.rmtree(factory.tpms / self.serial)
        shutil.copytree(self.pristine / self.serial, factory.tpms / self.serial)
        shutil.rmtree(factory.dir / "state", ignore_errors=True)
        for name in factory.counts()["ids"]:
            kind, name = name.split("/", 1)
            if kind == "enrollments" and factory.ask_service("GET", "/enrollments/" + name):
                factory.ask_service("DELETE", "/enrollments/" + name)
        self.before, self.created = factory.stats(self.serial), factory.counts()["created"]

    def stopped(self, line):
        def look():
            status = pathlib.Path("/proc/%d/stat" % line.pid).read_text()
            return status.rsplit(")", 1)[1].split()[0] == "T"
        wait_until(look, 30, "line stopped")

    def kill(self, line, victim):
        if victim == "line":
            line.kill()
            return
        for pid in children(line.pid).get(victim, []):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        os.kill(line.pid, signal.SIGCONT)

    def finish(self, line, victim):
        """One re-plug, at a line that runs: the old one, or a new one where it is gone or unfit."""
        factory = self.factory
        if victim not in ("line", "st-launcher"):
            slot = line.wait_verdict("01")
            if slot["verdict"] == "PASS":
                return slot, line
            factory.unplug(self.serial)
            factory.plug(self.serial, 1)
            return line.wait_verdict("01", nth=2), line
        line.process.wait(30)
        wait_until(lambda: not children(line.pid), 10, "children gone")
        factory.unplug_all()
        factory.plug(self.serial, 1)
        again = factory.start_line()
        return again.wait_verdict("01"), again

    def one_identity(self, kind, unit):
        """One certificate or one permit, and what the device holds says the same as the ledger."""
        factory = self.factory
        with contextlib.closing(sqlite3.connect(factory.dir / "state/ledger.db")) as db:
            intents = db.execute("SELECT type FROM entry WHERE type LIKE '%.intent'").fetchall()
        self.assertEqual(intents, [("permit.intent" if kind == "tpm" else "sign.intent",)], "one intent")
        if kind == "tpm":
            self.assertEqual(unit["leaf_sha256"], "")
            self.assertFalse(factory.device_file(self.serial, "leaf.pem").exists())
            return
        name, digest = factory.leaf_of(self.serial)
        self.assertEqual((unit["leaf_sha256"], unit["registration_id"]), (digest, name), "one certificate")

    def one_enrollment(self, kind, unit):
        factory = self.factory
        created = factory.counts()["created"] - self.created
        self.assertEqual(created, 0 if kind == "group" else 1, "one enrollment")
        entry = factory.ask_service("GET", "/enrollments/" + unit["registration_id"])
        self.assertEqual(entry is None, kind == "group")
        hubs = [t for t in factory.report()["traces"] if t["what"] == "hub device"]
        self.assertEqual(len(hubs), 1, "one device in one hub")

    def case(self, kind, stage, when, victim):
        factory = self.factory
        self.serial, lines = KINDS[kind]
        factory.write_config("line", "line", "reader", profile=lines)
        self.put_back()
        line = factory.start_line("--stop-at", "%s:%s" % (stage, when))
        factory.plug(self.serial, 1)
        self.stopped(line)
        self.kill(line, victim)
        slot, last = self.finish(line, victim)
        self.assertEqual(slot["verdict"], "PASS", slot)
        unit, = factory.report()["units"]
        self.assertTrue(unit["closed"])
        stats = factory.stats(self.serial)
        key, commit = ("keys_made", "commit") if kind == "serial" else ("tpm.EvictControl", "BUNDLE_COMMIT")
        self.assertEqual(stats[key] - self.before[key], 1, "one key")
        self.assertEqual(stats[commit] - self.before[commit], 1, "one installation")
        self.assertEqual(last.stop(), 0)
        self.assertIn("fits         yes", factory.audit_verify())
        self.one_identity(kind, unit)
        self.one_enrollment(kind, unit)

    def test_every_kill_is_finished_by_one_replug(self):
        cases = [(k, s, w, v) for k in KINDS if k in ONLY for v in VICTIMS if v in WANTED for s in self.factory.stages()
                 for w in WHENS if w in MOMENTS]
        print("%d kills, generated from the stage table" % len(cases), flush=True)
        for kind, stage, when, victim in cases:
            began = time.monotonic()
            with self.subTest(kind=kind, stage=stage, when=when, victim=victim):
                self.case(kind, stage, when, victim)
            print("%s: %s %s, %s: %.1f s" % (kind, stage, when, victim, time.monotonic() - began), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--moments", default=",".join(WHENS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    args, rest = parser.parse_known_args()
    WANTED, MOMENTS, ONLY = args.victims.split(","), args.moments.split(","), args.kinds.split(",")
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
