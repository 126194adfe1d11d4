#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 of the line, and of each of its children, before, after and behind the record of every stage.

The cases are generated from the stage table (`station stages`). After each, one re-plug must leave one key, one certificate and
one enrollment. The same device is used for all: it and the station's state are put back as they were made between two cases.
"""
import argparse
import os
import pathlib
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, children, wait_until  # noqa: E402

WHENS = ("before", "after", "recorded")
VICTIMS = ("line", "st-launcher", "st-signer", "st-driver", "st-verifier")


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=1, slots=1)
        cls.pristine = cls.factory.dir / "pristine"
        shutil.copytree(cls.factory.tpms / "SIM0001", cls.pristine)

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def put_back(self):
        factory = self.factory
        factory.unplug_all()
        device = factory.tpms / "SIM0001"
        shutil.rmtree(device)
        shutil.copytree(self.pristine, device)
        shutil.rmtree(factory.dir / "state", ignore_errors=True)
        self.before = factory.stats("SIM0001")

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
            factory.unplug("SIM0001")
            factory.plug("SIM0001", 1)
            return line.wait_verdict("01", nth=2), line
        line.process.wait(30)
        wait_until(lambda: not children(line.pid), 10, "children gone")
        factory.unplug_all()
        factory.plug("SIM0001", 1)
        again = factory.start_line()
        return again.wait_verdict("01"), again

    def case(self, stage, when, victim):
        factory = self.factory
        self.put_back()
        line = factory.start_line("--stop-at", "%s:%s" % (stage, when))
        factory.plug("SIM0001", 1)
        self.stopped(line)
        self.kill(line, victim)
        slot, last = self.finish(line, victim)
        self.assertEqual(slot["verdict"], "PASS", slot)
        units = factory.report()["units"]
        self.assertEqual(len(units), 1)
        name, digest = factory.leaf_of("SIM0001")
        self.assertEqual((units[0]["leaf_sha256"], units[0]["registration_id"]), (digest, name), "one certificate")
        self.assertTrue(units[0]["closed"])
        stats = factory.stats("SIM0001")
        self.assertEqual(stats["tpm.EvictControl"] - self.before["tpm.EvictControl"], 1, "one key")
        self.assertEqual(stats["BUNDLE_COMMIT"] - self.before["BUNDLE_COMMIT"], 1, "one installation")
        self.assertEqual(last.stop(), 0)
        self.assertIn("fits         yes", factory.audit_verify())
        self.assertEqual(len([t for t in factory.report()["traces"] if t["what"] == "hub device"]), 1, "one enrollment")

    def test_every_kill_is_finished_by_one_replug(self):
        cases = [(s, w, v) for v in VICTIMS if v in WANTED for s in self.factory.stages() for w in WHENS if w in MOMENTS]
        print("%d kills, generated from the stage table" % len(cases), flush=True)
        for stage, when, victim in cases:
            began = time.monotonic()
            with self.subTest(stage=stage, when=when, victim=victim):
                self.case(stage, when, victim)
            print("%s %s, %s: %.1f s" % (stage, when, victim, time.monotonic() - began), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--moments", default=",".join(WHENS))
    args, rest = parser.parse_known_args()
    WANTED, MOMENTS = args.victims.split(","), args.moments.split(",")
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
