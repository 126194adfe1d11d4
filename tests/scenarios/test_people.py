#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""People at the line: badge and PIN by scanner, whose work it is on record, a lead's second badge; and no name, badge or PIN anywhere."""
import json
import pathlib
import socket
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402
from mes import Mes  # noqa: E402

UNITS = 6
# name, role, badge, PIN: long enough that they stand nowhere by chance
ANA = ("Ana Ordinary", "operator", "op-0417-QUITTE", "730194628517")
BEN = ("Ben Otherwise", "operator", "op-0418-KIRSCHE", "918273645501")
LEA = ("Lea Leading", "lead", "ld-0099-BIRNE", "564738291011")

FLOOR = """
[people]
file = {place}/people.json

[mes]
check_in = yes

"""


class People(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=UNITS, slots=2)
        cls.addClassCleanup(cls.factory.close)
        cls.mes = Mes(cls.factory.dir / "mes", hmac=b"the key of both")
        cls.addClassCleanup(cls.mes.goes_away)
        cls.factory.floor = FLOOR + cls.mes.config()
        cls.factory.write_config("line", "line", "reader")
        cls.factory.verb("people", "init", "--config", cls.factory.config)
        cls.id = {who[0]: cls.add(who) for who in (ANA, BEN, LEA)}
        cls.fresh = iter("SIM%04d" % n for n in range(1, UNITS + 1))

    @classmethod
    def add(cls, who):
        name, role, badge, pin = who
        return subprocess.run([cls.factory.station, "people", "add", "--config", str(cls.factory.config), "--name", name, "--role", role],
                              input="%s\n%s\n" % (badge, pin), text=True, capture_output=True, check=True).stdout.strip()

    def setUp(self):
        self.line = self.factory.start_line()

    def tearDown(self):
        self.factory.unplug_all()
        if self.line.process.running:
            self.assertEqual(self.line.stop(), 0)

    # --- the scanner

    def good(self, code, wants=""):
        said = self.factory.scan(code)
        self.assertEqual((said["good"], said["wants"]), (True, wants), said)
        return said

    def refused(self, code, why):
        said = self.factory.scan(code)
        self.assertEqual((said["good"], said["code"]), (False, why), said)

    def badge(self, who, by_cards=True):
        """Badge and PIN; what the screen says in the end."""
        self.good("BADGE:" + who[2], "pin")
        if not by_cards:
            return self.factory.ask_line(do="pin", pin=who[3])
        for digit in who[3]:
            self.good("CMD:PIN:" + digit, "pin")
        return self.factory.scan("CMD:PIN-OK")

    def log_in(self, who, **how):
        said = self.badge(who, **how)
        self.assertEqual((said["good"], said["sentence"]), (True, "Logged in as %s." % who[1]))

    # --- the hands

    def slot(self, name):
        return self.factory.ask_line(do="status")["slots"][int(name) - 1]

    def in_state(self, name, **members):
        def look():
            now = self.slot(name)
            return now if all(now[k] == v for k, v in members.items()) else None
        return self.line.wait(look, 60, "slot %s %s" % (name, members))

    def pull(self, serial, name):
        self.factory.unplug(serial)
        self.in_state(name, state="empty", present=False)

    def ledger(self, question, *words):
        with sqlite3.connect("file:%s?mode=ro" % (self.factory.dir / "state/ledger.db"), uri=True) as db:
            return db.execute(question, words).fetchall()

    def entries(self, kind):
        return [json.loads(e)["body"] for (e,) in self.ledger("SELECT entry FROM entry WHERE type = ? ORDER BY idx", kind)]

    # --- what happens

    def test_1_a_unit_waits_for_a_person_and_is_that_persons_work(self):
        serial = next(self.fresh)
        self.factory.plug(serial, 1)
        self.in_state("01", state="waiting", waits_for="badge", code="E-LIN-001")
        self.refused("BADGE:nobody", "E-LIN-004")
        self.refused("BADGE:" + ANA[2][:-1], "E-LIN-004")
        self.in_state("01", waits_for="badge")
        self.log_in(ANA)
        self.assertEqual(self.in_state("01", state="done")["verdict"], "PASS")
        self.assertEqual(self.ledger("SELECT serial, person FROM visit"), [(serial, self.id[ANA[0]])])
        self.assertEqual([(b["person"], b["role"]) for b in self.entries("person.in")], [(self.id[ANA[0]], "operator")])

    def test_2_a_locked_line_takes_no_unit_and_goes_on_with_a_badge(self):
        serial = next(self.fresh)
        self.log_in(BEN, by_cards=False)
        self.good("CMD:LOCK")
        self.factory.plug(serial, 1)
        self.in_state("01", state="waiting", waits_for="badge", code="E-LIN-002")
        self.refused("CMD:SLOT:01", "E-LIN-002")
        said = self.badge(BEN)
        self.assertEqual(said["sentence"], "Unlocked.")
        self.assertEqual(self.in_state("01", state="done")["verdict"], "PASS")
        self.assertEqual(self.entries("person.locked")[-1]["person"], self.id[BEN[0]])

    def test_3_every_console_hears_who_came(self):
        with socket.socket(socket.AF_UNIX) as console:
            console.settimeout(20)
            console.connect(str(self.factory.dir / "state" / "station.sock"))
            console.sendall(b'{"do":"watch"}\n')
            events = console.makefile()
            self.assertEqual(json.loads(next(events))["shift"]["person"]["state"], "nobody")
            self.log_in(ANA)
            persons = []
            while not persons or persons[-1] != (self.id[ANA[0]], "operator", "in"):
                event = json.loads(next(events))
                if event["event"] == "shift":
                    persons.append(tuple(event["shift"]["person"][m] for m in ("id", "role", "state")))
        self.assertEqual(persons[0], (self.id[ANA[0]], "operator", "wants pin"))
        # the console is gone, the session is not
        self.assertEqual(self.factory.ask_line(do="status")["shift"]["person"]["state"], "in")

    def test_4_what_the_mes_holds_is_released_by_a_lead_beside_the_operator_and_only_that(self):
        held, other = next(self.fresh), next(self.fresh)
        for serial in (held, other):
            self.mes.answers[serial] = {"decision": "hold", "reason": "first article"}
        intents = len(self.entries("sign.intent"))
        self.log_in(ANA)
        self.factory.plug(held, 1)
        self.in_state("01", verdict="HOLD", code="E-MES-003")
        self.good("CMD:OVERRIDE", "slot")
        self.refused("CMD:SLOT:02", "E-LIN-011")
        self.good("CMD:SLOT:01", "second badge")
        self.refused("BADGE:" + ANA[2], "E-LOT-009")
        self.refused("BADGE:" + BEN[2], "E-LIN-003")
        self.good("BADGE:" + LEA[2], "pin")
        said = self.factory.ask_line(do="pin", pin="000000")
        self.assertEqual((said["code"], said["wants"]), ("E-LIN-005", "second badge"))
        said = self.badge(LEA)
        self.assertEqual(said["sentence"], "%s is released: take it out of slot 01 and plug it in again." % held)
        self.assertEqual(self.slot("01")["verdict"], "HOLD")
        self.pull(held, "01")
        self.factory.plug(other, 1)
        self.assertEqual(self.in_state("01", state="done")["code"], "E-MES-003", "another unit in its place is held")
        self.assertEqual(len(self.entries("sign.intent")), intents)
        self.factory.plug(held, 2)
        self.assertEqual(self.in_state("02", state="done")["verdict"], "PASS")
        self.assertEqual(len(self.entries("sign.intent")), intents + 1)
        self.assertEqual(self.entries("person.override"), [
            {"serial": held, "slot": "01", "reason": "E-MES-003", "lot": "", "person": self.id[LEA[0]]}])
        self.assertEqual([(b["person"], b["beside"]) for b in self.entries("person.second")], [(self.id[LEA[0]], self.id[ANA[0]])])
        self.assertEqual(self.factory.ask_line(do="status")["shift"]["person"]["id"], self.id[ANA[0]])
        told = wait_until(lambda: [e for e in self.mes.once().values() if e["type"] == "person.override"], 30, "the MES hears of it")
        self.assertEqual([(e["person"], e["body"]["serial"]) for e in told], [(self.id[LEA[0]], held)])

    def test_5_a_line_that_starts_again_asks_who_is_there_and_the_mes_anew(self):
        held = next(self.fresh)
        self.mes.answers[held] = {"decision": "hold", "reason": "first article"}
        self.log_in(ANA)
        self.factory.plug(held, 1)
        self.in_state("01", verdict="HOLD", code="E-MES-003")
        self.good("CMD:OVERRIDE", "slot")
        self.good("CMD:SLOT:01", "second badge")
        self.assertTrue(self.badge(LEA)["good"])
        self.assertEqual(self.line.stop(), 0)
        self.line = self.factory.start_line()
        self.in_state("01", state="waiting", waits_for="badge", code="E-LIN-001")
        self.log_in(ANA)
        self.assertEqual(self.in_state("01", state="done")["code"], "E-MES-003")

    def test_6_a_person_who_is_removed_is_out_with_the_next_badge_without_a_restart(self):
        gone = ("Gus Going", "operator", "op-0555-APFEL", "112358132134")
        pseudonym = self.add(gone)
        self.log_in(gone)
        self.good("CMD:LEAVE")
        self.factory.verb("people", "remove", "--config", self.factory.config, pseudonym)
        self.refused("BADGE:" + gone[2], "E-LIN-004")
        self.assertIn("(removed)", self.factory.verb("people", "list", "--config", self.factory.config))

    def test_7_no_name_badge_or_pin_stands_anywhere_and_pseudonyms_do(self):
        self.log_in(LEA)
        self.good("CMD:LEAVE")
        wait_until(lambda: "person.out" in {e["type"] for e in self.mes.once().values()}, 30, "the MES hears of persons")
        (self.factory.dir / "heard.json").write_text(json.dumps([*self.mes.once().values(), *self.mes.questions]))
        (self.factory.dir / "said.json").write_text(json.dumps([self.factory.ask_line(do="status"),
                                                               self.factory.ask_line(do="journal", most=200)]))
        running = b"".join(p.read_bytes() for p in pathlib.Path("/proc").glob("%d/cmdline" % self.line.process.pid))
        (self.factory.dir / "cmdline").write_bytes(running)
        secrets = [text.encode() for who in (ANA, BEN, LEA) for text in (who[0], who[2], who[3])]
        found, pseudonyms = [], set()
        names = [who[0].encode() for who in (ANA, BEN, LEA)]
        for path in (p for p in self.factory.dir.rglob("*") if p.is_file()):
            data = path.read_bytes()
            pseudonyms |= {path.name.removesuffix("-wal") for i in self.id.values() if i.encode() in data}
            found += [(str(path), s) for s in secrets if s in data and not (path.name == "people.json" and s in names)]
        self.assertEqual(found, [])
        for name in ("people.json", "ledger.db", "heard.json", "said.json"):
            self.assertIn(name, pseudonyms)
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--config", self.factory.config))


if __name__ == "__main__":
    unittest.main(verbosity=2)
