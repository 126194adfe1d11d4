#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is in which slot: a label that is scanned before or behind its unit, a tray whose list says where each lies; and what does not
fit together stops that slot, and no other."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory  # noqa: E402

SCAN = ("01", "02", "03")
TRAY = ("04", "05", "06")


class Labels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=24, slots=6, profile="label = scan\n", profiles={"tray": ("label = tray\n", (4, 5, 6))})
        cls.fresh = iter("SIM%04d" % n for n in range(1, 25))
        cls.start()

    @classmethod
    def tearDownClass(cls):
        if cls.line.process.running:
            cls.line.stop()
        cls.factory.close()

    @classmethod
    def start(cls):
        cls.line = cls.factory.start_line()

    def setUp(self):
        self.seen = len(self.line.slots())

    def tearDown(self):
        self.factory.unplug_all()
        for name in SCAN + TRAY:
            self.in_state(name, "empty")
        self.factory.scan("CMD:NO")
        self.factory.scan("TRAY:%s" % self.tray([None]))

    def units(self, n):
        return [next(self.fresh) for _ in range(n)]

    def slot(self, name):
        return self.factory.ask_line(do="status")["slots"][int(name) - 1]

    def in_state(self, name, state, **members):
        def look():
            now = self.slot(name)
            return now if now["state"] == state and all(now[k] == v for k, v in members.items()) else None
        return self.line.wait(look, 40, "slot %s %s %s" % (name, state, members))

    def good(self, code):
        said = self.factory.scan(code)
        self.assertTrue(said["good"], said)

    def refused(self, code, why):
        said = self.factory.scan(code)
        self.assertEqual((said["good"], said["code"]), (False, why), said)

    def plug(self, serial, name):
        self.factory.plug(serial, int(name))

    def passes(self, name, label):
        now = self.in_state(name, "done")
        self.assertEqual((now["verdict"], now["label"], now["serial"]), ("PASS", label, label), now)

    def held(self, name, code):
        now = self.in_state(name, "done")
        self.assertEqual((now["verdict"], now["code"]), ("HOLD", code), now)

    def assert_nothing_was_signed_for(self, serial):
        unit = self.factory.ask_line(do="unit", id=serial)
        types = [e["type"] for e in unit["unit"]["entries"]] if unit["ok"] else []
        self.assertFalse({"sign.intent", "permit.intent"} & set(types), unit)
        self.assertEqual([f.name for f in (self.factory.tpms / serial).rglob("leaf.pem")], [], "and the unit holds nothing")

    def tray(self, positions, name="T-01"):
        """A tray's file; its positions begin at the first slot that takes trays."""
        path = self.factory.dir / "state/trays" / (name + ".json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"tray": name, "positions": [None] * len(SCAN) + positions}))
        return name

    # --- scan, then plug in; or the other way round

    def test_label_that_is_scanned_is_of_the_unit_that_is_plugged_in_next(self):
        for name in ("01", "02"):
            unit, = self.units(1)
            self.good(unit)
            self.assertEqual(self.factory.ask_line(do="status")["shift"]["label"], unit)
            self.plug(unit, name)
            self.passes(name, unit)
        results = {r["serial"]: r["label"] for r in self.factory.ask_line(do="results", most=500)["results"]}
        self.assertEqual(results[unit], unit)

    def test_unit_that_came_first_waits_and_begins_with_the_scan(self):
        unit, = self.units(1)
        self.plug(unit, "01")
        waiting = self.in_state("01", "waiting", waits_for="label", code="E-LAB-002")
        self.assertTrue(waiting["safe_to_remove"])
        self.good(unit)
        self.passes("01", unit)

    def test_two_that_wait_are_to_be_pulled_and_then_go_one_by_one(self):
        one, other = self.units(2)
        self.plug(one, "01")
        self.plug(other, "02")
        for name in ("01", "02"):
            self.in_state(name, "waiting", code="E-LAB-004")
        self.refused(one, "E-LAB-004")
        self.factory.unplug(other)
        self.in_state("01", "waiting", code="E-LAB-002")
        self.good(one)
        self.passes("01", one)

    def test_second_label_before_the_firsts_unit_is_refused_until_the_card_no(self):
        one, other = self.units(2)
        self.good(one)
        self.refused(other, "E-LAB-003")
        self.factory.scan("CMD:NO")
        self.good(other)
        self.plug(other, "03")
        self.passes("03", other)
        self.refused(other, "E-LAB-005")

    def test_wrong_label_stops_that_slot_before_anything_is_signed_and_no_other(self):
        unit, neighbour = self.units(2)
        self.good(neighbour)
        self.plug(unit, "01")
        self.held("01", "E-LAB-001")
        self.assert_nothing_was_signed_for(unit)
        self.factory.unplug(unit)
        self.in_state("01", "empty")
        self.good(neighbour)
        self.plug(neighbour, "02")
        self.passes("02", neighbour)
        self.good(unit)
        self.plug(unit, "01")
        self.passes("01", unit)

    def test_pulled_units_label_is_scanned_again(self):
        unit, = self.units(1)
        self.good(unit)
        self.plug(unit, "01")
        self.passes("01", unit)
        self.factory.unplug(unit)
        self.in_state("01", "empty")
        self.plug(unit, "01")
        self.in_state("01", "waiting", code="E-LAB-002")
        self.good(unit)
        self.passes("01", unit)

    # --- trays

    def test_trays_list_says_which_label_lies_where(self):
        one, three = self.units(2)
        self.plug(one, "04")
        self.in_state("04", "waiting", waits_for="tray")
        self.good("TRAY:" + self.tray([one, None, three]))
        self.passes("04", one)
        self.plug(three, "06")
        self.passes("06", three)

    def test_unit_in_a_hole_of_the_tray_waits_for_a_person(self):
        one, stray = self.units(2)
        self.good("TRAY:" + self.tray([one, None]))
        self.plug(stray, "05")
        self.in_state("05", "waiting", waits_for="tray", code="E-LAB-008")
        self.plug(one, "04")
        self.passes("04", one)
        self.assert_nothing_was_signed_for(stray)

    def test_units_that_changed_places_are_held_and_go_on_in_their_own(self):
        one, two = self.units(2)
        self.good("TRAY:" + self.tray([one, two]))
        self.plug(two, "04")
        self.held("04", "E-LAB-001")
        self.plug(one, "05")
        self.held("05", "E-LAB-001")
        for unit, name in ((two, "04"), (one, "05")):
            self.assert_nothing_was_signed_for(unit)
            self.factory.unplug(unit)
            self.in_state(name, "empty")
        self.plug(one, "04")
        self.plug(two, "05")
        self.passes("04", one)
        self.passes("05", two)

    def test_tray_that_names_a_label_twice_or_is_not_known_is_refused(self):
        one, = self.units(1)
        self.refused("TRAY:" + self.tray([one, one]), "E-LAB-005")
        self.refused("TRAY:nobody-made-it", "E-LAB-007")
        self.refused("TRAY:../trays/T-01", "E-LAB-007")

    # --- a line that was started again

    def test_what_was_scanned_before_a_restart_is_scanned_again(self):
        one, other = self.units(2)
        self.good(one)
        self.good("TRAY:" + self.tray([other]))
        self.line.kill()
        self.start()
        self.plug(one, "01")
        self.in_state("01", "waiting", code="E-LAB-002")
        self.plug(other, "04")
        self.in_state("04", "waiting", code="E-LAB-002")
        self.good(one)
        self.good("TRAY:T-01")
        self.passes("01", one)
        self.passes("04", other)


if __name__ == "__main__":
    unittest.main(verbosity=2)
