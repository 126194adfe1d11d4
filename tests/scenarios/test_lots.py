#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders at a line: which units may take a place, how many, what a closed lot leaves, and how a wrong order is taken back. Compared with
the ledger, the files and the emulated service's own record."""
import contextlib
import csv
import hashlib
import json
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402

SLOTS = 8
FLOOR = "[lots]\norders = {place}/orders\nhandover = {place}/handover\n"
PEOPLE = "[people]\nfile = {place}/people.json\n"


class Shift(unittest.TestCase):
    """A line that is made anew for each test, and devices as they were made."""
    devices, serial = SLOTS, 0
    profiles = {"open": "finish = no\n"}
    floor = FLOOR

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=cls.devices, slots=SLOTS, serial=cls.serial, floor=cls.floor,
                              profiles={name: (lines, []) for name, lines in cls.profiles.items()})
        cls.pristine = cls.factory.dir / "pristine"
        shutil.copytree(cls.factory.tpms, cls.pristine)
        (cls.factory.dir / "orders").mkdir()

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def setUp(self):
        factory = self.factory
        for left in ("state", "handover"):
            shutil.rmtree(factory.dir / left, ignore_errors=True)
        for path in (factory.dir / "orders").iterdir():
            path.unlink()
        for serial in [p.name for p in self.pristine.iterdir()]:
            shutil.rmtree(factory.tpms / serial)
            shutil.copytree(self.pristine / serial, factory.tpms / serial)
        for name in factory.counts()["ids"]:
            kind, name = name.split("/", 1)
            if kind in ("enrollments", "registrations") and factory.ask_service("GET", "/%s/%s" % (kind, name)):
                factory.ask_service("DELETE", "/%s/%s" % (kind, name))
        self.before = factory.counts()
        self.line = None

    def tearDown(self):
        self.factory.unplug_all()
        if self.line and self.line.process.running:
            self.line.stop()

    # --- doing

    def order(self, name, count, serials=None, profile="demo", **more):
        text = json.dumps({"order": name, "product": "gateway", "profile": profile, "count": count,
                           **({"serials": serials} if serials else {}), **more})
        (self.factory.dir / "orders" / (name + ".json")).write_text(text)
        return text

    def lot(self, *words, status=0):
        return self.factory.verb("lot", *words[:1], "--config", self.factory.config, *words[1:], status=status)

    def start(self):
        self.line = self.factory.start_line()

    def begin(self, name, *words, **more):
        self.order(name, *words, **more)
        if not self.line:
            self.start()
        return self.lot("open", name)

    def plug(self, serial, port):
        """Plugged in, and the number of verdicts that the slot had before."""
        before = len(self.verdicts(port))
        self.factory.plug(serial, port)
        return port, before

    def verdicts(self, port):
        done, before = [], ""
        for slot in self.line.slots("%02d" % port):
            if slot["verdict"] and not before:
                done.append(slot)
            before = slot["verdict"]
        return done

    def verdict(self, plugged):
        port, before = plugged
        return self.line.wait(lambda: (self.verdicts(port)[before:] or [None])[0], 60, "a verdict in slot %02d" % port)

    def run_units(self, serials):
        """All at once, each in a slot of its own; the slots' states at their verdicts, by serial."""
        plugged = {serial: self.plug(serial, port) for port, serial in enumerate(serials, 1)}
        slots = {serial: self.verdict(p) for serial, p in plugged.items()}
        self.factory.unplug_all()
        for port, _ in plugged.values():
            self.line.wait_empty("%02d" % port)
        return slots

    def run_good(self, serials):
        slots = self.run_units(serials)
        for serial, slot in slots.items():
            self.assertEqual((slot["verdict"], slot["code"]), ("PASS", ""), (serial, slot))
        return slots

    # --- looking

    def ledger(self, question, *values):
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db:
            return db.execute(question, values).fetchall()

    def entries(self, kind):
        return [json.loads(e) for (e,) in self.ledger("SELECT entry FROM entry WHERE type = ? ORDER BY idx", kind)]

    def effect(self, kind, name, what):
        """How often something became of an entry or a registration since the test began."""
        def of(counts):
            return counts["ids"].get("%s/%s" % (kind, name), {}).get(what, 0)
        return of(self.factory.counts()) - of(self.before)

    def assert_code(self, code, text):
        self.assertIn(code + "  ", text)


class Orders(Shift):
    def test_units_of_the_list_pass_and_one_that_is_not_on_it_gets_no_signature(self):
        self.begin("WO-1", 5, ["SIM0001", "SIM0002"])
        slots = self.run_units(["SIM0001", "SIM0002", "SIM0003"])
        self.assertEqual([slots[s]["verdict"] for s in ("SIM0001", "SIM0002", "SIM0003")], ["PASS", "PASS", "HOLD"])
        self.assertEqual(slots["SIM0003"]["code"], "E-LOT-007")
        self.assertEqual(len(self.entries("sign.intent")), 2)
        self.assertEqual(self.ledger("SELECT count(*) FROM place"), [(2,)])
        self.assertEqual(self.factory.counts()["assigned"] - self.before["assigned"], 2)
        self.assertFalse(self.factory.device_file("SIM0003", "leaf.pem").exists())
        self.assertEqual({(v, c) for v, c in self.ledger("SELECT verdict, code FROM visit WHERE serial = 'SIM0003'")},
                         {("HOLD", "E-LOT-007")})

    def test_units_that_race_for_the_last_places_get_no_more_than_there_are(self):
        self.begin("WO-2", 3)
        serials = ["SIM%04d" % n for n in range(1, SLOTS + 1)]
        slots = self.run_units(serials)
        passed = [s for s in serials if slots[s]["verdict"] == "PASS"]
        self.assertEqual(len(passed), 3)
        self.assertEqual({slots[s]["code"] for s in serials if s not in passed}, {"E-LOT-006"})
        self.assertEqual(len(self.entries("sign.intent")), 3)
        self.assertEqual(self.ledger("SELECT count(*) FROM place WHERE given_up = 0"), [(3,)])
        self.assertEqual(self.factory.counts()["assigned"] - self.before["assigned"], 3)
        # Who has a place keeps it, and takes no second one.
        again = self.run_good(passed[:1])
        self.assertTrue(again[passed[0]]["recognised"])
        self.assertEqual(self.ledger("SELECT count(*) FROM place"), [(3,)])

    def test_an_open_lot_outlives_the_line(self):
        self.begin("WO-3", 2)
        self.run_good(["SIM0001"])
        self.line.kill()
        self.line.process.wait(20)
        self.line = None
        (self.factory.dir / "orders/WO-3.json").unlink()   # the ledger has it
        self.start()
        slots = self.run_units(["SIM0002", "SIM0003"])
        self.assertEqual(sorted(s["code"] for s in slots.values()), ["", "E-LOT-006"])
        self.assertEqual(len(self.entries("lot.opened")), 1)

    def test_a_number_that_is_a_path_opens_nothing(self):
        (self.factory.dir / "evil.json").write_text(self.order("evil", 1))
        (self.factory.dir / "orders/evil.json").unlink()
        self.start()
        for name in ("../evil", "%s/evil" % self.factory.dir, "..", ".evil", "a/../../evil", "x" * 70, "A B", "A\x1b[2J"):
            self.assert_code("E-LOT-002", self.lot("open", name, status=1))
        self.assertEqual(self.ledger("SELECT count(*) FROM lot"), [(0,)])

    def test_what_an_order_cannot_be(self):
        self.start()
        orders = self.factory.dir / "orders"
        for text in ("", "[" * 100000, '{"order":"BAD","product":"p","profile":"demo","count":0}',
                     '{"order":"OTHER","product":"p","profile":"demo","count":1}',
                     '{"order":"BAD","product":"p","profile":"nobody","count":1}',
                     '{"order":"BAD","product":"p","profile":"demo","count":1,"colour":"red"}',
                     '{"order":"BAD","product":"p","profile":"demo","count":1,"serials":["A","A"]}'):
            (orders / "BAD.json").write_text(text)
            self.assert_code("E-LOT-002", self.lot("open", "BAD", status=1))
        self.assert_code("E-LOT-001", self.lot("close", status=1))
        self.begin("WO-4", 1)
        self.order("WO-4", 2)
        self.assert_code("E-LOT-004", self.lot("open", "WO-4", status=1))
        self.order("WO-4", 1)
        self.lot("open", "WO-4")
        self.lot("close")
        self.assert_code("E-LOT-003", self.lot("open", "WO-4", status=1))
        self.assert_code("E-LOT-001", self.lot("close", status=1))

    def test_a_lot_is_not_closed_or_changed_under_units(self):
        self.begin("WO-5", 2)
        self.order("WO-6", 2)
        self.factory.knob("SIM0001", "delay_ms", 100)
        plugged = self.plug("SIM0001", 1)
        self.line.wait(lambda: any(s["stage"] for s in self.line.slots("01")), 20, "work in slot 01")
        self.assert_code("E-LOT-005", self.lot("close", status=1))
        self.assert_code("E-LOT-005", self.lot("open", "WO-6", status=1))
        self.factory.knob("SIM0001", "delay_ms", 0)
        self.assertEqual(self.verdict(plugged)["verdict"], "PASS")
        self.lot("open", "WO-6")
        self.assertEqual([row["state"] for row in json.loads(self.lot("list", "--json"))], ["open", "open"])


class Handover(Shift):
    def test_what_a_closed_lot_leaves_is_what_ledger_and_service_say(self):
        self.begin("WO-7", 5, ["SIM0001", "SIM0002", "SIM0003", "SIM0004"])
        slots = self.run_good(["SIM0001", "SIM0002"])
        self.factory.dps_goes_dark()
        built = self.run_units(["SIM0003"])["SIM0003"]
        self.factory.dps_comes_back()
        self.assertEqual(built["verdict"], "BUILT", built)
        self.run_units(["SIM0005"])
        self.lot("close")
        folder = self.factory.dir / "handover"
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["WO-7.csv", "WO-7.json"])
        whole = json.loads((folder / "WO-7.json").read_text())
        (entry,), = [self.entries("lot.closed")]
        self.assertEqual(entry["body"]["sha256"], hashlib.sha256((folder / "WO-7.json").read_bytes()).hexdigest())
        self.assertEqual(entry["body"]["csv_sha256"], hashlib.sha256((folder / "WO-7.csv").read_bytes()).hexdigest())
        self.assertEqual({k: whole["sums"][k] for k in ("pass", "built", "hold", "fail")}, {"pass": 2, "built": 1, "hold": 0, "fail": 0})
        units = {u["serial"]: u for u in whole["units"]}
        self.assertEqual([u["serial"] for u in whole["units"]],
                         [s for (s,) in self.ledger("SELECT serial FROM place JOIN job ON job.id = place.job ORDER BY place.number")])
        for serial, slot in slots.items():
            unit = units[serial]
            name, leaf = self.factory.leaf_of(serial)
            self.assertEqual((unit["registration_id"], unit["leaf_sha256"], unit["verdict"]), (name, leaf, "PASS"))
            self.assertEqual(self.factory.hub_device(unit["hub"], unit["device_id"])["deviceId"], unit["device_id"])
            record = self.factory.ask_service("GET", "/registrations/" + name)
            self.assertEqual((record["assignedHub"], record["deviceId"]), (unit["hub"], unit["device_id"]))
            intent, = self.ledger("SELECT type, job FROM entry WHERE idx = ?", unit["intent"])
            self.assertEqual(intent, ("sign.intent", unit["job"]))
            self.assertIn(name, unit["left_in_cloud"])
        self.assertEqual((units["SIM0003"]["verdict"], units["SIM0003"]["hub"], units["SIM0003"]["left_in_cloud"]), ("BUILT", "", ""))
        rows = list(csv.DictReader((folder / "WO-7.csv").read_text().splitlines()))
        self.assertEqual([{k: str(u[k]) for k in rows[0]} for u in whole["units"]], rows)
        note = self.factory.dir / "note"
        note.write_text(whole["checkpoint"])
        self.line.stop()
        self.factory.audit_verify("--checkpoint", note, "--vkey", self.factory.dir / "ca/log.vkey")

    def test_where_it_cannot_be_written_the_lot_stays_open(self):
        self.begin("WO-8", 1)
        (self.factory.dir / "handover").write_text("no directory")
        try:
            self.assert_code("E-BASE-002", self.lot("close", status=1))
            self.assertEqual(json.loads(self.lot("show", "WO-8", "--json"))["state"], "open")
        finally:
            (self.factory.dir / "handover").unlink()
        self.lot("close")
        self.assertEqual(json.loads(self.lot("show", "WO-8", "--json"))["state"], "closed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
