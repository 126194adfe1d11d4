#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A line whose CA key is on a PKCS#11 token (SoftHSM2 behind p11-kit's server): units pass; the token is pulled in mid-run, those in work
are parked, and when it is back one re-plug finishes each; a wrong PIN is tried once."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from custody import PIN, Token  # noqa: E402
from factory import Factory, children  # noqa: E402

SLOTS = 4


class OnAToken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=2 * SLOTS, slots=SLOTS, custody=Token)

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def tearDown(self):
        self.factory.unplug_all()

    def tray(self, line, serials, nth=1):
        for port, serial in enumerate(serials, 1):
            self.factory.plug(serial, port)
        slots = [line.wait_verdict("%02d" % port, nth=nth) for port in range(1, len(serials) + 1)]
        self.factory.unplug_all()
        for port in range(1, len(serials) + 1):
            line.wait_empty("%02d" % port)
        return slots

    def intents(self):
        entries = self.factory.ledger_entries()
        return [e["body"]["serial"] for e in entries if e["type"] == "sign.intent"]

    def pin_is_nowhere(self, line):
        """Promise 11: of no process, and in no file but its own."""
        below = children(line.pid)
        self.assertIn("st-signer", below)
        for pid in [line.pid, *(pid for pids in below.values() for pid in pids)]:
            for what in ("cmdline", "environ"):
                self.assertNotIn(PIN.encode(), pathlib.Path("/proc/%d/%s" % (pid, what)).read_bytes())
        place = self.factory.dir
        files = [p for p in place.rglob("*") if p.is_file() and PIN.encode() in p.read_bytes()]
        self.assertEqual(files, [place / "secrets/token-pin"])

    def test_1_token_pulled_in_mid_run_parks_units_and_one_replug_finishes_each(self):
        factory = self.factory
        first = ["SIM%04d" % n for n in range(1, SLOTS + 1)]
        second = ["SIM%04d" % n for n in range(SLOTS + 1, 2 * SLOTS + 1)]
        self.assertFalse((factory.dir / "ca/line.key").exists())
        line = factory.start_line()
        self.assertEqual([s["verdict"] for s in self.tray(line, first)], ["PASS"] * SLOTS)
        self.pin_is_nowhere(line)
        factory.custody.pull()
        parked = self.tray(line, second, nth=2)
        self.assertEqual([(s["verdict"], s["code"]) for s in parked], [("HOLD", "E-CA-010")] * SLOTS)
        before = self.intents()
        factory.custody.put_back()
        self.assertEqual([s["verdict"] for s in self.tray(line, second, nth=3)], ["PASS"] * SLOTS)
        self.assertEqual(self.intents(), before)        # each has the one identity that it was to have
        self.assertEqual(len(set(before)), 2 * SLOTS)
        self.pin_is_nowhere(line)
        line.stop()
        factory.audit_verify()
        self.assertEqual({result["verdict"] for result in factory.results().values()}, {"PASS"})

    def test_2_line_does_not_start_without_its_token_and_says_so(self):
        self.factory.custody.pull()
        code, said = self.factory.run([self.factory.station, "run", "--config", self.factory.config], timeout_s=60)
        self.assertNotEqual(code, 0)
        self.assertIn("E-CA-010", said)
        self.factory.custody.put_back()

    def test_3_wrong_pin_is_tried_once(self):
        factory = self.factory
        factory.secret("token-pin", "1111")
        for _ in range(2):
            code, said = factory.run([factory.station, "run", "--config", factory.config], timeout_s=60)
            self.assertNotEqual(code, 0)
            self.assertIn("E-CA-011", said)
        self.assertNotIn("1111", said)
        self.assertEqual((factory.dir / "state/token.pin").read_text(), "X")


if __name__ == "__main__":
    unittest.main(verbosity=2)
