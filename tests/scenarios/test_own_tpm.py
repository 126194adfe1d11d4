#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A production line whose CA key and count are in the station's own TPM: it makes what the order says and no more, whatever is restored;
a spare cannot go on with the old count; and a TPM that counts by itself stops at its own number."""
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from custody import Tpm  # noqa: E402
from factory import Factory, children  # noqa: E402

LOTS = """
[lots]
orders = {place}/orders
handover = {place}/handover
required = yes
"""


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y-%m-%d")


class Production(Tpm):
    floor = Tpm.floor + "production = yes\n" + LOTS


class Limited(Tpm):
    """The TPM signs the request for its certificate and three leaves, and counts by itself."""
    floor = Tpm.floor + LOTS
    key = "tpm:handle=0x81010010;limit=0x01800020"
    limit = 4


class Line(unittest.TestCase):
    custody, devices, line = Production, 8, None

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=cls.devices, slots=4, custody=cls.custody)
        cls.factory.clock = (True, 0)
        (cls.factory.dir / "orders").mkdir(exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def tearDown(self):
        self.factory.unplug_all()
        if self.line and self.line.process.running:
            self.line.stop()

    def order(self, name, count, scrap=0):
        factory, passphrase = self.factory, "file:%s/secrets/passphrase" % self.factory.dir
        path = factory.dir / "orders" / (name + ".json")
        path.write_text(json.dumps({"order": name, "product": "gateway", "profile": "demo", "count": count}))
        signed = path.with_suffix(".order")
        factory.verb("order", "make", path, "--config", factory.config, "--out", signed, "--from", day(-1), "--until", day(1),
                     "--scrap", scrap)
        for who in ("owner", "quality"):
            factory.verb("order", "sign", signed, "--key", factory.dir / ("secrets/order-" + who), "--name", who, "--passphrase", passphrase)

    def start(self):
        self.line = self.factory.start_line()

    def open(self, name):
        self.factory.verb("lot", "open", "--config", self.factory.config, name)

    def visit(self, serial, port=1):
        name = "%02d" % port
        done = len(self.verdicts(name))
        self.factory.plug(serial, port)
        slot = self.line.wait(lambda: (self.verdicts(name)[done:] or [None])[0], 60, "a verdict for " + serial)
        self.factory.unplug(serial)
        self.line.wait_empty(name)
        return slot["code"] or slot["verdict"]

    def verdicts(self, name):
        found, before = [], ""
        for slot in self.line.slots(name):
            if slot["verdict"] and not before:
                found.append(slot)
            before = slot["verdict"]
        return found

    def refused_start(self, code):
        status, said = self.factory.run([self.factory.station, "run", "--config", self.factory.config], timeout_s=60)
        self.assertNotEqual(status, 0)
        self.assertIn(code, said)

    def copy(self, name):
        kept = self.factory.dir / name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        for path in (self.factory.dir / "state").iterdir():
            if path.is_file():
                shutil.copy2(path, kept / path.name)
        return kept

    def restore(self, kept, *names):
        state = self.factory.dir / "state"
        for path in kept.iterdir():
            if not names or path.name in names:
                shutil.copy2(path, state / path.name)

    def sql(self, *statements):
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db, db:
            for statement in statements:
                db.execute(statement)


class OneOrder(Line):
    def test_2_an_order_of_four_makes_four_whatever_is_killed_edited_or_restored(self):
        """lease = 4 and scrap = 4: a crash may forfeit a lease, and no more than that."""
        factory = self.factory
        self.order("WO-1", 4, scrap=4)
        self.start()
        self.open("WO-1")
        self.assertEqual(self.visit("SIM0001"), "PASS")
        young = self.copy("young")              # while the line runs, as a disk image would be taken
        self.assertEqual(self.visit("SIM0002"), "PASS")
        # The signer is killed: what it had leased and not used is forfeited.
        signer = children(self.line.pid)["st-signer"]
        self.assertEqual(len(signer), 1)
        os.kill(signer[0], 9)
        self.assertEqual(self.visit("SIM0003"), "PASS")
        lot = factory.ask_line(do="lot")["lot"]
        self.assertEqual((lot["signer"]["allowed"], lot["signer"]["used"]), (8, 5))
        self.assertEqual(self.line.stop(), 0)
        # A disk image of before: the anchor has gone on.
        kept = self.copy("kept")
        self.restore(young)
        self.refused_start("E-CA-013")
        # Only the signer's memory of before, under the new ledger.
        self.restore(kept)
        self.restore(young, "signer.state", "signer.counted")
        self.refused_start("E-CA-013")
        # No memory at all.
        self.restore(kept)
        (factory.dir / "state/signer.state").unlink()
        self.refused_start("E-CA-013")
        # As it was, and with an edited ledger: the signer stops at its own number.
        self.restore(kept)
        self.sql("UPDATE lot SET count = 100")
        self.start()
        self.assertEqual(self.visit("SIM0001"), "PASS")         # a known unit is free
        self.assertEqual([self.visit("SIM%04d" % n) for n in (4, 5, 6, 7)], ["PASS"] * 3 + ["E-LOT-012"])
        self.assertEqual(self.line.stop(), 0)
        # Begun anew by two people, the old order is void: what is left has to be ordered anew.
        (factory.dir / "state/signer.state").unlink()
        factory.custody.begin(factory)
        self.sql("UPDATE lot SET state = 'open'")
        self.start()
        said = factory.verb("lot", "open", "--config", factory.config, "WO-1", status=1)
        self.assertIn("E-LOT-013", said)
        self.order("WO-2", 1)
        self.open("WO-2")
        self.assertEqual(self.visit("SIM0008"), "PASS")
        kinds = [e["type"] for e in factory.ledger_entries()]
        self.assertEqual(kinds.count("custody.begun"), 2)
        factory.audit_verify()


    def test_1_in_production_a_clock_that_nobody_stands_for_signs_nothing(self):
        factory = self.factory
        self.order("WO-0", 2)
        factory.clock = (False, 0)
        self.start()
        self.open("WO-0")
        self.assertEqual(self.visit("SIM0001"), "E-CA-015")
        self.line.stop()
        factory.verb("clock", "accept", "--config", factory.custody.config, "--badge", factory.dir / "secrets/two")
        self.start()
        self.assertEqual(self.visit("SIM0001"), "PASS")
        note = json.loads(next((factory.dir / "state/results").glob("*.json")).read_text())["checkpoint"]
        self.assertIn("\nclock unsynchronised\n", note)
        self.line.stop()
        factory.clock = (True, 0)


class TheTpmStops(Line):
    custody, devices = Limited, 4

    def test_3_the_tpm_itself_stops_at_its_number_until_the_owner_raises_it(self):
        factory = self.factory
        self.order("WO-9", 4)
        self.start()
        self.open("WO-9")
        self.assertEqual([self.visit("SIM%04d" % n) for n in (1, 2, 3, 4)], ["PASS"] * 3 + ["E-CA-014"], self.line.process.output[-1500:])
        self.line.stop()
        self.assertIn("limit      0 more signatures", factory.verb("custody", "show", "--config", factory.custody.config))
        factory.custody.pull()                  # a restart of the machine gives none back
        factory.custody.put_back()
        factory.verb("custody", "set-limit", "--config", factory.custody.config, "--limit", 1, "--owner",
                     "file:%s/secrets/tpm-owner" % factory.dir)
        self.start()
        self.assertEqual(self.visit("SIM0004"), "PASS")
        self.assertEqual(len({e["body"]["serial"] for e in factory.ledger_entries() if e["type"] == "sign.intent"}), 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
