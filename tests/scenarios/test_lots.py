#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders at a line: which units may take a place, how many, what a closed lot leaves, and how a wrong order is taken back. Compared with
the ledger, the files and the emulated service's own record."""
import contextlib
import csv
import hashlib
import json
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
import test_independent  # noqa: E402
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
        cls.place = tempfile.TemporaryDirectory()
        cls.rules([])
        cls.factory = Factory(devices=cls.devices, slots=SLOTS, serial=cls.serial, floor=cls.floor,
                              dps=("--polls", "0", "--rules", cls.place.name + "/rules.json"),
                              profiles={name: (lines, []) for name, lines in cls.profiles.items()})
        cls.pristine = cls.factory.dir / "pristine"
        shutil.copytree(cls.factory.tpms, cls.pristine)
        (cls.factory.dir / "orders").mkdir()

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()
        cls.place.cleanup()

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
        self.seq = max([r["seq"] for r in factory.requests()], default=0)
        self.line = None

    def tearDown(self):
        self.rules([])
        self.factory.unplug_all()
        if self.line and self.line.process.running:
            self.line.stop()

    # --- doing

    @classmethod
    def rules(cls, rules):
        path = pathlib.Path(cls.place.name) / "rules.json"
        path.with_suffix(".new").write_text(json.dumps(rules))
        path.with_suffix(".new").replace(path)

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

    def ask_line(self, request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.factory.dir / "state/station.sock"))
            s.sendall((json.dumps(request) + "\n").encode())
            return json.loads(s.makefile().readline())

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

    def removals(self, name):
        """How often the service had a registration record to remove since the test began, by its record of requests."""
        return len([r for r in self.factory.requests() if r["seq"] > self.seq and r["operation"] == "DeviceRegistrationState_Delete" and
                    r.get("registrationId") == name and r["status"] == 204])

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
            (entry,), = self.ledger("SELECT entry FROM entry WHERE idx = ? AND type = 'verdict'", unit["verdict_entry"])
            self.assertEqual((json.loads(entry)["job"], json.loads(entry)["body"]["verdict"]), (unit["job"], "PASS"))
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


class Desk(Shift):
    def test_what_the_desk_says_of_lots_and_units_is_what_the_ledger_holds(self):
        self.begin("OLD", 1)
        self.begin("WO-9", 5, ["SIM0001", "SIM0002", "SIM0003"])
        self.run_good(["SIM0001", "SIM0002"])
        self.run_units(["SIM0004"])
        self.run_good(["SIM0001"])

        lot = self.ask_line({"do": "lot"})["lot"]
        self.assertEqual({k: lot[k] for k in ("id", "count", "taken", "units", "pass", "hold", "first_pass", "state")},
                         {"id": "WO-9", "count": 5, "taken": 2, "units": 3, "pass": 2, "hold": 1, "first_pass": 2, "state": "open"})
        self.assertEqual(lot, json.loads(self.lot("show", "WO-9", "--json")))
        self.assertEqual([(f["code"], f["count"]) for f in lot["failures"]], [("E-LOT-007", 1)])
        self.assertEqual(sorted((s["name"], s["units"], s["first_pass"]) for s in lot["slots"]), [("01", 2, 1), ("02", 1, 1)])
        self.assertEqual(sum(p["pass"] for p in lot["trend"]), 3)
        self.assertEqual(sum(p["fail"] for p in lot["trend"]), 1)
        self.assertEqual([(row["id"], row["taken"]) for row in self.ask_line({"do": "lots"})["lots"]], [("WO-9", 2), ("OLD", 0)])
        self.assertEqual(self.ask_line({"do": "lot", "id": "OLD"})["lot"]["units"], 0)
        self.assertEqual(self.ask_line({"do": "lot", "id": "NONE"})["code"], "E-LOT-002")

        visits = self.ledger("SELECT number, serial, slot, verdict, code, lot, job FROM visit ORDER BY number")
        self.assertEqual(len(visits), 4)
        got, after = [], 0
        while True:
            part = self.ask_line({"do": "results", "after": after, "most": 3})
            if not part["results"]:
                break
            got += part["results"]
            after = part["last"]
        self.assertEqual([tuple(v[k] for k in ("number", "serial", "slot", "verdict", "code", "lot", "job")) for v in got], visits)
        self.assertEqual([v["first"] for v in got], [True, True, True, False])
        self.assertEqual(self.ask_line({"do": "results", "lot": "OLD"})["results"], [])

        jobs = dict(self.ledger("SELECT serial, id FROM job WHERE serial IS NOT NULL"))
        first = self.ask_line({"do": "units", "most": 1})["units"]
        rest = self.ask_line({"do": "units", "after": first[0]["job"]})["units"]
        self.assertEqual({u["serial"]: u["job"] for u in first + rest}, jobs)
        whole = self.ask_line({"do": "unit", "id": "SIM0001"})["unit"]
        for name in (whole["registration_id"], whole["job"]):
            self.assertEqual(self.ask_line({"do": "unit", "id": name})["unit"], whole)
        self.assertEqual((whole["order"], whole["leaf_sha256"]), ("WO-9", self.factory.leaf_of("SIM0001")[1]))
        self.assertEqual(len(whole["visited"]), 2)
        self.assertEqual(whole["entries"][-1]["type"], "verdict")
        for entry in whole["entries"]:
            self.assertEqual(self.ledger("SELECT type FROM entry WHERE idx = ?", entry["index"]), [(entry["type"],)])
        self.assertEqual(self.ask_line({"do": "unit", "id": "nobody"})["ok"], False)

        entries = self.ledger("SELECT idx, type FROM entry ORDER BY idx DESC")
        got, before = [], {}
        while not got or before["before"] > 0:
            page = self.ask_line({"do": "journal", "most": 7, **before})
            got += [(e["index"], e["type"]) for e in page["entries"]]
            before = {"before": page["first"]}
        self.assertEqual(got, entries)
        found = self.ask_line({"do": "journal", "search": "E-LOT-007"})["entries"]
        self.assertEqual([e["type"] for e in found], ["verdict", "stage.failed"])
        self.assertEqual(self.ask_line({"do": "journal", "search": "no such words"})["entries"], [])
        for hostile in ({"before": -5}, {"before": "x"}, {"most": -1}, {"most": 10**12}, {"before": 2**62}, {"search": "%_'\""}, {"search": 7}):
            self.assertTrue(self.ask_line({"do": "journal", **hostile})["ok"], hostile)


class People(Shift):
    """A line with people who may, and an engineer's configuration beside it."""
    floor = FLOOR + PEOPLE
    UNITS = ["SIM0001", "SIM0002", "SIM0003"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        factory = cls.factory
        cls.engineer = factory.dir / "engineer.conf"    # the line's own state, and more rights at the service
        factory.verb("people", "init", "--config", factory.config)
        cls.badges = {}
        for name, role in (("Ana", "lead"), ("Ben", "lead"), ("Cleo", "operator"), ("Dan", "engineer")):
            badge, pin = "BADGE:%s-0815" % name, "%d" % (73910000 + len(name) * 77)
            path = factory.dir / "badge"
            path.write_text("%s\n%s\n" % (badge, pin))
            with open(path) as text:
                cls.badges[name] = (badge, pin, cls.say(text, "people", "add", "--config", str(factory.config), "--name", name, "--role", role))
            path.unlink()

    @classmethod
    def say(cls, stdin, *words):
        return subprocess.run([cls.factory.station, *words], stdin=stdin, capture_output=True, text=True, check=True).stdout.strip()

    def login(self, name):
        badge, pin, _ = self.badges[name]
        for request in ({"do": "scan", "code": badge}, {"do": "pin", "pin": pin}):
            answer = self.ask_line(request)
            self.assertTrue(answer["good"], answer)

    def start(self):
        super().start()
        self.login("Ana")

    def two(self, first="Ana", second="Ben", pin=None):
        """A file with the badges and PINs of two."""
        path = self.factory.dir / "two"
        path.touch(mode=0o600)
        path.write_text("".join("%s\n%s\n" % (self.badges[n][0], pin or self.badges[n][1]) for n in (first, second)))
        return path

    def made(self, profile, name="WRONG"):
        """A lot of three that passed, and a line that has ended."""
        self.begin(name, 3, self.UNITS, profile=profile)
        slots = self.run_good(self.UNITS)
        self.line.stop()
        self.line = None
        return slots

    def register(self, serial):
        with self.factory.swtpm(serial) as tpm:
            return test_independent.Independent.register(self, serial, tpm)[1]


class Revert(People):
    """A line with a lot of three units, and the verb that takes it back."""
    profiles = {"group": "finish = no\n", "closing": "", "alone": "attestation = x509-individual\nfinish = no\n",
                "tpm": "attestation = tpm\nfinish = no\n"}
    groups = True   # profiles of this line have enrollment groups, which hold the CA of all leaves

    def revert(self, lot, status=0, **two):
        return self.factory.verb("lot", "revert", "--config", self.engineer, "--badge", self.two(**two), lot, status=status)

    def assert_taken_back(self, profile, slots, lot="WRONG"):
        """Once each, by the service's own count; in the ledger the unit is known, and nothing else."""
        for serial, slot in slots.items():
            name = slot["registration_id"]
            self.assertEqual(self.removals(name), 1, serial)
            self.assertIsNone(self.factory.ask_service("GET", "/registrations/" + name))
            entry = self.factory.ask_service("GET", "/enrollments/" + name)
            own, blocked = profile in ("alone", "tpm"), profile != "tpm" and self.groups
            self.assertEqual(self.effect("enrollments", name, "deleted"), own)
            self.assertEqual(self.effect("enrollments", name, "created"), own + blocked)
            self.assertEqual(entry and entry["provisioningStatus"], "disabled" if blocked else None)
            row, = self.ledger('SELECT registration_id, leaf, intent_index, verdict, "order", hub, length(ek_spki_sha256), id '
                               "FROM job WHERE serial = ?", serial)
            self.assertEqual(row[:7], (None, None, -1, None, None, None, 32))
            said = [e for e in self.entries("unit.reverted") if e["job"] == row[7]]
            self.assertEqual([(e["body"]["registration_id"], e["body"]["lot"]) for e in said], [(name, lot)])
            self.assertEqual({e["body"][w] for e in said for w in ("first", "second")},
                             {self.badges["Ana"][2], self.badges["Ben"][2]})
        self.assertEqual(self.ledger("SELECT state FROM lot WHERE id = ?", lot), [("reverted",)])
        self.assertEqual(self.ledger("SELECT count(*) FROM place WHERE given_up = 0"), [(0,)])
        self.assertEqual(self.ledger("SELECT what, count(*) FROM trace GROUP BY what"), [("hub device", 3)])
        self.assertEqual([len(self.entries(t)) for t in ("lot.reverting", "lot.reverted")], [1, 1])

    def test_a_lot_of_each_attestation_is_taken_back_and_its_units_begin_again(self):
        for profile, other in (("group", "group"), ("alone", "alone"), ("tpm", "tpm"), ("group", "alone"), ("alone", "group")):
            with self.subTest(profile=profile, other=other):
                self.tearDown()
                self.setUp()
                slots = self.made(profile)
                leaves = {s: self.factory.leaf_of(s) for s in slots} if profile != "tpm" else {}
                self.revert("WRONG")
                self.assert_taken_back(profile, slots)
                self.revert("WRONG")    # nothing is left to do
                self.assert_taken_back(profile, slots)
                self.begin("RIGHT", 3, self.UNITS, profile=other)
                again = self.run_good(self.UNITS)
                for serial, slot in again.items():
                    self.assertFalse(slot["recognised"])
                    self.assertEqual(self.ledger('SELECT "order", verdict FROM job WHERE serial = ?', serial), [("RIGHT", "PASS")])
                    entry = self.factory.ask_service("GET", "/enrollments/" + slot["registration_id"])
                    self.assertEqual(entry and entry["provisioningStatus"], None if other == "group" else "enabled")
                    if leaves:
                        self.assertNotEqual(self.factory.leaf_of(serial)[1], leaves[serial][1])
                self.assertEqual(len(self.entries("block.removed")), 0 if profile == "tpm" else 3)
                self.assertEqual(self.ledger("SELECT count(*) FROM block"), [(0,)])
                self.line.stop()
                self.factory.audit_verify()

    def test_what_a_unit_holds_is_good_for_nothing_once_its_lot_is_taken_back(self):
        """By OpenSSL's own client, with the key in the unit's TPM: also where a group holds the CA of a unit with an entry of its own."""
        for profile in ("group", "alone"):
            with self.subTest(profile=profile):
                self.tearDown()
                self.setUp()
                slots = self.made(profile)
                name = slots["SIM0001"]["registration_id"]
                self.assertRegex(self.register("SIM0001"), r"HTTP/1\.1 20[02]")
                wait_until(lambda: self.factory.ask_service("GET", "/registrations/" + name)["status"] == "assigned", 10, "assigned")
                self.revert("WRONG")
                answer = self.register("SIM0001")
                record = self.factory.ask_service("GET", "/registrations/" + name)
                self.assertTrue("HTTP/1.1 401" in answer or record["status"] == "disabled", (answer, record))
                self.assertNotIn("assignedHub", record or {})

    def test_without_any_group_an_entry_is_removed_and_nothing_put_in_its_place(self):
        configs = {path: path.read_text() for path in (self.factory.config, self.engineer)}
        try:
            self.groups = False
            for path, text in configs.items():
                path.write_text(text.replace("group = demo-group\n", "attestation = x509-individual\n"))
            slots = self.made("alone")
            self.revert("WRONG")
            self.assert_taken_back("alone", slots)
        finally:
            self.groups = True
            for path, text in configs.items():
                path.write_text(text)

    def test_a_unit_that_is_taken_back_twice_is_blocked_once(self):
        slots = self.made("group")
        self.revert("WRONG")
        # Under the second order the block could not be removed: the unit got a new certificate, and no further.
        name = slots["SIM0001"]["registration_id"]
        self.begin("WORSE", 3, self.UNITS, profile="group")
        self.rules([{"match": {"method": "DELETE", "path": "/enrollments/" + name}, "do": {"status": 503}}])
        built = self.run_units(["SIM0001"])["SIM0001"]
        self.rules([])
        self.assertEqual(built["verdict"], "BUILT", built)
        leaf = self.factory.leaf_of("SIM0001")[1]
        self.line.stop()
        self.line = None
        self.revert("WORSE")
        entry = self.factory.ask_service("GET", "/enrollments/" + name)
        self.assertEqual(entry["provisioningStatus"], "disabled")
        self.assertEqual(entry["attestation"]["x509"]["clientCertificates"]["primary"]["info"]["sha256Thumbprint"].lower(), leaf)
        self.assertEqual(self.ledger("SELECT count(*) FROM block"), [(3,)])
        self.begin("RIGHT", 3, self.UNITS, profile="group")
        self.run_good(self.UNITS)
        self.assertEqual(self.ledger("SELECT count(*) FROM block"), [(0,)])

    def test_cut_off_anywhere_and_called_again_every_unit_is_taken_back_once(self):
        for profile in ("group", "alone"):
            with self.subTest(profile=profile):
                self.tearDown()
                self.setUp()
                slots = self.made(profile)
                self.rules([{"match": {"path": "/(enrollments|registrations)/"}, "do": {"latency_ms": 60}}])
                kills = 0
                for most in range(3, 14):   # requests, of which two ask for the rights
                    seen = len(self.factory.requests())
                    process = self.factory.popen([self.factory.station, "lot", "revert", "--config", self.engineer, "--badge",
                                                  self.two(), "WRONG"], "revert.%d" % most)
                    wait_until(lambda: not process.running or len(self.factory.requests()) >= seen + most, 30, "request %d" % most)
                    kills += process.running
                    process.kill()
                self.rules([])
                self.assertGreater(kills, 2)
                self.revert("WRONG")
                self.assert_taken_back(profile, slots)

    def test_a_unit_of_a_lot_that_is_being_taken_back_waits_for_its_end(self):
        slots = self.made("alone")
        name = slots["SIM0002"]["registration_id"]
        entry = self.factory.ask_service("GET", "/enrollments/" + name)
        changed = dict(entry, initialTwin={"tags": {"by": "hand"}, "properties": {"desired": {}}})
        self.factory.ask_service("DELETE", "/enrollments/" + name)
        changed["attestation"]["x509"]["clientCertificates"]["primary"] = {
            "certificate": self.factory.device_file("SIM0002", "leaf.pem").read_text()}
        for member in ("etag", "createdDateTimeUtc", "lastUpdatedDateTimeUtc", "registrationState"):
            changed.pop(member, None)
        self.factory.ask_service("PUT", "/enrollments/" + name, changed)
        said = self.revert("WRONG", status=1)
        self.assert_code("E-DPS-011", said)
        self.assertIn("2 units taken back, 1 left, of 3", said)
        self.assertEqual(self.ledger("SELECT state FROM lot"), [("reverting",)])
        self.assertIsNotNone(self.factory.ask_service("GET", "/enrollments/" + name))
        self.begin("RIGHT", 3, self.UNITS, profile="alone")
        slots = self.run_units(self.UNITS)
        self.assertEqual([(slots[s]["verdict"], slots[s]["code"]) for s in self.UNITS], [("PASS", ""), ("HOLD", "E-LOT-010"), ("PASS", "")])
        self.assert_code("E-LOT-008", self.lot("open", "WRONG", status=1))
        self.line.stop()
        self.line = None
        self.factory.ask_service("DELETE", "/enrollments/" + name)
        self.assertIn("1 units taken back, 0 left, of 1", self.revert("WRONG"))
        self.start()
        self.run_good(["SIM0002"])
        self.assertEqual(self.ledger("SELECT state FROM lot WHERE id = 'WRONG'"), [("reverted",)])

    def test_a_closed_unit_is_taken_back_and_cannot_begin_again(self):
        slots = self.made("closing")
        self.revert("WRONG")
        self.assert_taken_back("closing", slots)
        self.begin("RIGHT", 3, self.UNITS, profile="closing")
        again = self.run_units(["SIM0001"])["SIM0001"]
        self.assertEqual((again["verdict"], again["code"]), ("FAIL", "E-USB-008"))
        self.assertEqual(len(self.entries("sign.intent")), 3)

    def test_units_that_never_reached_the_service_are_taken_back_too(self):
        self.begin("WRONG", 3, self.UNITS, profile="alone")
        self.factory.dps_goes_dark()
        slots = self.run_units(self.UNITS)
        self.assertEqual({s["verdict"] for s in slots.values()}, {"BUILT"})
        self.line.kill()
        self.line = None
        self.factory.dps_comes_back()
        self.revert("WRONG")
        self.assertIn("0 wait, 0 sent, 0 aside", self.factory.verb("upload", "--config", self.factory.config))
        for slot in slots.values():     # the certificates that they hold are blocked
            self.assertEqual(self.effect("enrollments", slot["registration_id"], "created"), 1)
            self.assertEqual(self.factory.ask_service("GET", "/enrollments/" + slot["registration_id"])["provisioningStatus"], "disabled")

    def test_an_outage_begins_nothing_and_in_the_middle_is_waited_for(self):
        slots = self.made("alone")
        self.factory.dps_goes_dark()
        try:
            self.assert_code("E-DPS-001", self.revert("WRONG", status=1))
            self.assertEqual(self.ledger("SELECT state FROM lot"), [("open",)])
            self.factory.dps_comes_back()
            self.rules([{"match": {"path": "/(enrollments|registrations)/"}, "do": {"latency_ms": 150}}])
            process = self.factory.popen([self.factory.station, "lot", "revert", "--config", self.engineer, "--badge", self.two(),
                                          "WRONG"], "revert")
            wait_until(lambda: self.entries("unit.reverted"), 20, "a unit that is taken back")
            self.factory.dps_goes_dark()
            time.sleep(1.5)
        finally:
            self.rules([])
            self.factory.dps_comes_back()
        self.assertEqual(process.wait(60), 0, process.output)
        self.assert_taken_back("alone", slots)

    def test_it_takes_two_people_who_may_and_no_running_line(self):
        self.made("alone")
        for code, two in (("E-LOT-009", {"second": "Ana"}), ("E-LIN-003", {"second": "Cleo"}), ("E-LIN-003", {"first": "Cleo"}),
                          ("E-LIN-005", {"pin": "0000"})):
            self.assert_code(code, self.revert("WRONG", status=1, **two))
        path = self.two()
        path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
        self.assert_code("E-LOT-009", self.factory.verb("lot", "revert", "--config", self.engineer, "--badge", path, "WRONG", status=1))
        path.write_text("BADGE:nobody\n1234\nBADGE:no\n1\n")
        self.assert_code("E-LIN-004", self.factory.verb("lot", "revert", "--config", self.engineer, "--badge", path, "WRONG", status=1))
        plain = self.factory.dir / "plain.conf"
        plain.write_text(self.engineer.read_text().replace(PEOPLE.format(place=self.factory.dir), ""))
        self.assert_code("E-LOT-009", self.factory.verb("lot", "revert", "--config", plain, "--badge", self.two(), "WRONG", status=1))
        self.assert_code("E-LOT-002", self.revert("NONE", status=1))
        self.assert_code("E-DPS-003", self.factory.verb("lot", "revert", "--config", self.factory.config, "--badge", self.two(), "WRONG",
                                                        status=1))
        self.assertEqual(self.ledger("SELECT state FROM lot"), [("open",)])
        self.start()
        self.assert_code("E-DB-004", self.revert("WRONG", status=1))
        self.line.stop()
        self.line = None
        self.assertEqual(self.entries("lot.reverting") + self.entries("unit.reverted"), [])
        said = self.revert("WRONG", second="Dan")
        for words in [self.badges[n][:2] for n in self.badges]:
            for word in words:
                self.assertNotIn(word, said)
                self.assertEqual(self.ledger("SELECT count(*) FROM entry WHERE instr(entry, ?)", word.encode()), [(0,)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
