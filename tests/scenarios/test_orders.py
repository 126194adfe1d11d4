#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed orders at a line: which ones the signer takes, that it counts by itself, and what it says when the number is reached. Compared
with the ledger, and against a line whose ledger was edited."""
import contextlib
import datetime
import json
import pathlib
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
import test_lots  # noqa: E402

KEYS = "[custody]\norder_key_1 = {place}/owner.vkey\norder_key_2 = {place}/quality.vkey\n"


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y-%m-%d")


class Signing:
    """Orders that two have signed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("owner", "quality", "stranger"):
            vkey = cls.factory.verb("order", "key", name, "--out", cls.factory.dir / ("secrets/order-" + name), "--passphrase",
                                    cls.passphrase())
            line = [text for text in vkey.splitlines() if text.startswith(name + "+")]
            (cls.factory.dir / (name + ".vkey")).write_text(line[0] + "\n")

    @classmethod
    def passphrase(cls):
        return "file:%s/secrets/passphrase" % cls.factory.dir

    def path(self, name):
        return self.factory.dir / "orders" / (name + ".order")

    def make(self, name, *words, config=None):
        json_path = self.path(name).with_suffix(".json")
        return self.factory.verb("order", "make", json_path, "--config", config or self.factory.config, "--out", self.path(name),
                                 *(words or ("--from", day(-1), "--until", day(1))))

    def sign(self, name, *people):
        for person in people or ("owner", "quality"):
            said = self.factory.verb("order", "sign", self.path(name), "--key", self.factory.dir / ("secrets/order-" + person), "--name",
                                     person, "--passphrase", self.passphrase())
        return said

    def signed(self, name, count, scrap=0, replace=0, **more):
        self.order(name, count, **more)
        self.make(name, "--from", day(-1), "--until", day(1), "--scrap", scrap, "--replace", replace)
        return self.sign(name)

    def refused(self, name, code):
        self.assertIn(code, self.lot("open", name, status=1))

    def intents(self, order):
        return [e for e in self.factory.ledger_entries() if e["type"] == "sign.intent" and e["body"]["order"] == order]

    def edit(self, name, old, new):
        text = self.path(name).read_text()
        self.assertIn(old, text)
        self.path(name).write_text(text.replace(old, new))


class Orders(Signing, test_lots.Shift):
    floor = test_lots.FLOOR + KEYS

    # --- the promises

    def test_only_an_order_that_both_have_signed_and_that_is_meant_is_opened(self):
        self.start()
        self.order("WO-1", 3)
        self.refused("WO-1", "E-LOT-011")       # nothing signed lies beside it
        self.make("WO-1")
        self.refused("WO-1", "E-LOT-011")
        self.sign("WO-1", "owner")
        self.refused("WO-1", "E-LOT-011")
        self.sign("WO-1", "owner")              # one person twice
        self.refused("WO-1", "E-LOT-011")
        self.make("WO-1")
        self.sign("WO-1", "owner", "stranger")
        self.refused("WO-1", "E-LOT-011")
        self.signed("WO-1", 3)
        self.edit("WO-1", '"count":3', '"count":9')
        self.refused("WO-1", "E-LOT-011")
        self.signed("WO-1", 3)
        self.order("WO-1", 4)                   # another file than the one that was signed
        self.refused("WO-1", "E-LOT-013")
        for window in ((-9, -1), (1, 9)):
            self.order("WO-1", 3)
            self.make("WO-1", "--from", day(window[0]), "--until", day(window[1]))
            self.sign("WO-1")
            self.refused("WO-1", "E-LOT-013")
        other = self.factory.dir / "elsewhere.conf"
        other.write_text(self.factory.config.read_text().replace("log_origin = line-1.demo", "log_origin = line-2.demo"))
        self.order("WO-1", 3)
        self.make("WO-1", config=other, *("--from", day(-1), "--until", day(1)))
        self.sign("WO-1")
        self.refused("WO-1", "E-LOT-013")
        said = self.signed("WO-1", 3, scrap=1)
        self.assertIn("count     3 identities, 1 more for units that fail, 0 replacements", said)
        self.assertIn("Both have signed it.", self.factory.verb("order", "show", self.path("WO-1"), "--config", self.factory.config))
        self.lot("open", "WO-1")
        opened = [e for e in self.factory.ledger_entries() if e["type"] == "lot.opened"]
        self.assertEqual([e["body"]["signed_order"] for e in opened], [self.path("WO-1").read_text()])

    def test_the_signer_counts_by_itself_and_no_edited_ledger_gets_one_more(self):
        serials = sorted(p.name for p in self.pristine.iterdir())
        self.signed("WO-2", 3)
        self.start()
        self.lot("open", "WO-2")
        slots = self.run_units(serials[:5])
        self.assertEqual(sorted(s["code"] for s in slots.values() if s["verdict"] != "PASS"), ["E-LOT-006"] * 2)
        self.assertEqual(len(self.intents("WO-2")), 3)
        lot = self.ask_line({"do": "lot", "id": "WO-2"})["lot"]
        self.assertEqual(lot["signer"], {"allowed": 3, "used": 3, "replace_allowed": 0, "replaced": 0})
        self.line.stop()
        # Somebody edits the ledger: the line believes that there is room for more.
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db, db:
            db.execute("UPDATE lot SET count = 8")
        self.start()
        left = [s for s in serials if slots.get(s, {}).get("verdict") != "PASS"]
        port, before = self.plug(left[0], 1)
        self.assertEqual(self.verdict((port, before))["code"], "E-LOT-012")
        self.factory.unplug_all()
        self.line.wait_empty("01")
        # Those who have an identity are free to come again.
        done = next(s for s, slot in slots.items() if slot["verdict"] == "PASS")
        self.assertEqual(self.verdict(self.plug(done, 2))["verdict"], "PASS")

    def test_an_amended_order_goes_on_where_the_count_stands(self):
        serials = sorted(p.name for p in self.pristine.iterdir())
        self.signed("WO-3", 2)
        self.start()
        self.lot("open", "WO-3")
        self.run_units(serials[:2])
        self.signed("WO-3", 2, scrap=1)         # the same file, signed with a scrap allowance
        self.factory.unplug_all()
        self.lot("open", "WO-3")
        lot = self.ask_line({"do": "lot", "id": "WO-3"})["lot"]
        self.assertEqual((lot["signer"]["allowed"], lot["signer"]["used"]), (3, 2))
        # What a unit that failed leaves is one place more, and none before.
        self.assertEqual(self.verdict(self.plug(serials[2], 3))["code"], "E-LOT-006")
        self.line.stop()
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db, db:
            db.execute("UPDATE job SET verdict = 'FAIL' WHERE serial = ?", (serials[0],))
        self.factory.unplug_all()
        self.start()
        self.assertEqual(self.verdict(self.plug(serials[2], 3))["verdict"], "PASS")
        self.assertEqual(self.verdict(self.plug(serials[3], 4))["code"], "E-LOT-006")
        self.assertEqual(len(self.intents("WO-3")), 3)


class AfterFailure(Signing, test_lots.People):
    """What an order allows beyond its count: for units that had an identity before, and for those that are no good."""
    devices = 4
    floor = test_lots.FLOOR + test_lots.PEOPLE + KEYS

    def open(self, name, *counts):
        self.signed(name, *counts, profile="open")
        if not self.line:
            self.start()
        self.lot("open", name)

    def replace(self, serial):
        self.factory.verb("revoke", "--config", self.engineer, "--badge", self.two(), "--replace", serial, status=0)

    def test_a_replacement_draws_on_its_own_allowance_and_on_no_more(self):
        self.open("WO-4", 2, 0, 1)
        self.run_good(["SIM0001", "SIM0002"])
        self.replace("SIM0001")
        self.replace("SIM0002")
        slots = self.run_units(["SIM0001"])
        self.assertEqual(slots["SIM0001"]["verdict"], "PASS", slots)
        self.assertEqual(self.run_units(["SIM0002"])["SIM0002"]["code"], "E-LOT-012")
        lot = self.ask_line({"do": "lot", "id": "WO-4"})["lot"]
        self.assertEqual(lot["signer"], {"allowed": 2, "used": 2, "replace_allowed": 1, "replaced": 1})
        # An amended order has it go on, and it is the same unit's second intent, not a third.
        self.signed("WO-4", 2, 0, 2, profile="open")
        self.lot("open", "WO-4")
        self.run_good(["SIM0002"])
        self.assertEqual(len([i for i in self.intents("WO-4") if i["body"].get("replaces")]), 2)
        self.assertEqual(len(self.intents("WO-4")), 4)

    def test_what_failed_is_decided_when_the_lot_is_closed(self):
        self.open("WO-5", 3, 1, 0)
        self.run_good(["SIM0001"])
        self.rules([{"match": {"operation": "RuntimeRegistration_RegisterDevice"}, "do": {"status": 401}}])
        held = self.run_units(["SIM0002"])["SIM0002"]
        self.rules([])
        self.assertEqual(held["verdict"], "HOLD", held)
        self.assertIn("E-LOT-014", self.lot("close", status=1))
        self.assertEqual(json.loads(self.lot("show", "WO-5", "--json"))["state"], "open")
        # Kept, it is closed as it is; scrapped, what the unit holds is good for nothing.
        answer = self.ask_line({"do": "scan", "code": "CMD:CLOSE-LOT"})
        self.assertIn("1 with an identity failed", answer["sentence"])
        self.assertFalse(self.ask_line({"do": "scan", "code": "CMD:YES"})["good"])
        self.ask_line({"do": "scan", "code": "CMD:CLOSE-LOT"})
        self.assertTrue(self.ask_line({"do": "scan", "code": "CMD:SCRAP"})["good"])
        closed, = self.entries("lot.closed")
        self.assertEqual((closed["body"]["failed"], closed["body"]["scrapped"]), (1, 1))
        revoked, = self.entries("unit.revoked")
        self.assertEqual((revoked["body"]["serial"], revoked["body"]["reason"], revoked["body"]["first"]),
                         ("SIM0002", "cessationOfOperation", self.badges["Ana"][2]))
        whole = json.loads((self.factory.dir / "handover/WO-5.json").read_text())
        self.assertEqual([r["registration_id"] for r in whole["revoked"]], [held["registration_id"]])
        test_lots.wait_until(lambda: (self.factory.ask_service("GET", "/enrollments/" + held["registration_id"]) or {})
                             .get("provisioningStatus") == "disabled", 20, "the service to be told")
        self.assertEqual(self.run_units(["SIM0002"])["SIM0002"]["code"], "E-REV-001")
        self.open("WO-6", 1, 0, 0)
        self.lot("close", "--keep")


if __name__ == "__main__":
    del test_lots.Shift, test_lots.People
    unittest.main(verbosity=2)
