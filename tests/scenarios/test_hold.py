#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A slot that is put to HOLD: at once where it waits, between two stages where it works; the others go on, and so does the unit when
it comes again."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory  # noqa: E402

REGISTER = {"path": "/register\\?"}


class Hold(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="hold.")
        cls.rules_path = pathlib.Path(cls.folder.name) / "rules.json"
        cls.rules()
        cls.factory = Factory(devices=5, slots=3, floor="[lots]\nrequired = no\n", dps=("--polls", "0", "--rules", cls.rules_path))
        cls.good = cls.factory.config.read_text()
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()
        cls.folder.cleanup()

    def tearDown(self):
        self.rules()
        self.factory.unplug_all()
        self.assertEqual(self.line.stop(), 0)
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--config", self.config))

    def start(self, *words, old="", new=""):
        Hold.number += 1
        self.state = "state-%d" % Hold.number
        self.config = self.factory.dir / (self.state + ".conf")
        self.config.write_text(self.good.replace("/state\n", "/%s\n" % self.state).replace(old, new))
        self.line = self.factory.start_line(*words, config=self.config)

    @classmethod
    def rules(cls, *rules):
        new = cls.rules_path.with_suffix(".new")
        new.write_text(json.dumps(rules))
        new.rename(cls.rules_path)

    def hold(self, slot):
        return self.factory.ask_line(self.state, do="hold", slot=slot)

    def entries(self):
        return self.factory.ask_line(self.state, do="journal", most=200)["entries"]

    def in_state(self, slot, state, **members):
        def look():
            now = self.factory.ask_line(self.state, do="status")["slots"][int(slot) - 1]
            return now if now["state"] == state and all(now[k] == v for k, v in members.items()) else None
        return self.line.wait(look, 30, "slot %s %s %s" % (slot, state, members))

    def assert_held(self, slot):
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-LIN-009"), slot)
        self.assertTrue(slot["safe_to_remove"])

    def test_slot_that_waits_for_its_next_try_ends_at_once_and_holds_nobody_else(self):
        self.start("--stage-limit", "20000")     # the service asks for more, so that the wait is the runner's
        self.rules({"match": {**REGISTER, "nth": 1}, "do": {"status": 429, "retry_after": 80}})
        self.factory.plug("SIM0001", 1)
        waiting = self.in_state("01", "waiting", stage="verify")
        self.assertEqual((waiting["try"], waiting["tries"], waiting["waits_for"]), (1, 3, ""))
        self.assertGreater(waiting["next_try_ms"], waiting["since_ms"] + 60000)
        self.factory.plug("SIM0002", 2)
        self.assertEqual(self.hold("01"), {"ok": True})
        self.assert_held(self.line.wait_verdict("01", timeout_s=20))
        self.assertEqual(self.line.wait_verdict("02")["verdict"], "PASS")
        self.rules()
        self.factory.unplug("SIM0001")
        self.line.wait_empty("01")
        self.factory.plug("SIM0001", 1)
        self.assertEqual(self.line.wait_verdict("01", nth=2)["verdict"], "PASS")
        units = json.loads(self.factory.verb("report", "--config", self.config, "--json"))["units"]
        self.assertEqual(sorted((u["serial"], u["verdict"]) for u in units), [("SIM0001", "PASS"), ("SIM0002", "PASS")])

    def test_slot_that_works_ends_before_its_next_stage_and_its_unit_goes_on_later(self):
        self.start()
        self.rules({"match": {**REGISTER, "nth": 1}, "do": {"latency_ms": 3000}})
        self.factory.plug("SIM0003", 1)
        self.in_state("01", "working", stage="verify")
        self.assertEqual(self.hold("01"), {"ok": True})
        self.assert_held(self.line.wait_verdict("01"))
        said = [(e["type"], e["text"]) for e in self.entries()]
        done = [text for kind, text in said if kind == "stage.done" and "verify" in text]
        self.assertEqual(len(done), 1, "the stage that ran was finished")
        self.assertFalse([text for kind, text in said if kind == "stage.done" and "finish" in text])
        self.assertEqual(len([text for kind, text in said if kind == "verdict" and "E-LIN-009" in text]), 1)
        self.assertFalse(self.factory.list()["SIM0003"]["closed"])
        self.factory.unplug("SIM0003")
        self.line.wait_empty("01")
        self.factory.plug("SIM0003", 1)
        self.assertEqual(self.line.wait_verdict("01", nth=2)["verdict"], "PASS")
        self.assertTrue(self.factory.list()["SIM0003"]["closed"])

    def test_unit_that_waits_before_its_work_is_held_with_a_visit_and_a_verdict_and_nothing_more(self):
        self.start(old="required = no", new="required = yes")
        self.factory.plug("SIM0004", 1)
        waiting = self.in_state("01", "waiting", waits_for="lot", code="E-LOT-001")
        self.assertTrue(waiting["safe_to_remove"])
        self.factory.plug("SIM0005", 2)
        self.in_state("02", "waiting", waits_for="lot")
        self.hold("01")
        self.assert_held(self.line.wait_verdict("01"))
        self.in_state("02", "waiting", waits_for="lot")
        kinds = [e["type"] for e in self.entries()]
        self.assertEqual((kinds.count("visit"), kinds.count("verdict"), kinds.count("stage.done")), (1, 1, 0), kinds)
        results = self.factory.ask_line(self.state, do="results")["results"]
        self.assertEqual([(r["slot"], r["verdict"], r["code"]) for r in results], [("01", "HOLD", "E-LIN-009")])
        self.assertEqual(self.hold("01")["code"], "E-LIN-010", "it has its verdict")

    def test_slot_without_a_unit_or_of_no_such_name_is_refused(self):
        self.start()
        for slot in ("01", "99", ""):
            answer = self.hold(slot)
            self.assertEqual((answer["ok"], answer["code"]), (False, "E-LIN-010"), answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
