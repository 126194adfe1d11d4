#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The line without the provisioning service: it starts if this configuration was proved before, goes on, sends what waits by itself when
the service is back, and takes no new unit while more waits than the policy allows."""
import json
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, built, wait_until  # noqa: E402


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=8, slots=1, prepare=False)
        cls.rules_path = cls.factory.dir / "rules.json"
        cls.rules()
        cls.service()
        cls.factory.prepare()
        cls.whole_config = cls.factory.config.read_text()
        cls.used = cls.filled = 0

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    @classmethod
    def service(cls, *words):
        """The emulated service (again), always at the same port."""
        if cls.factory.dps.running:
            cls.factory.dps.stop()
        port = cls.factory.endpoint["url"].rsplit(":", 1)[1]
        cls.factory.start_dps("--listen", "127.0.0.1:%s" % port, "--rules", cls.rules_path, "--polls", "0", *words)

    @classmethod
    def rules(cls, *rules):
        new = cls.rules_path.with_suffix(".new")
        new.write_text(json.dumps(list(rules)))
        new.replace(cls.rules_path)

    def setUp(self):
        self.rules()
        self.configure()
        self.state_dir = self.factory.dir / "state"
        shutil.rmtree(self.state_dir, ignore_errors=True)
        type(self).used += 1
        self.unit = "SIM%04d" % self.used
        self.line = None

    def tearDown(self):
        self.rules()
        self.factory.unplug_all()
        self.stop()
        if not self.factory.dps.running:
            self.service()

    def configure(self, *lines, attestation="group = demo-group"):
        """The whole configuration, with further lines in [dps]."""
        text = self.whole_config.replace("\n[profile ", "\n".join(["", *lines, "", "[profile "]), 1)
        self.factory.config.write_text(text.replace("group = demo-group", attestation))

    def start(self):
        self.line = self.factory.start_line()

    def stop(self, status=None):
        if self.line and self.line.process.running:
            code = self.line.stop()
            self.assertIn(status, (None, code))

    def prove(self):
        """A good start, after which the service goes away."""
        self.start()
        self.stop(0)
        self.factory.dps.stop()

    def refused(self, code):
        """The line does not start; gives what it said."""
        status, output = self.factory.run([self.factory.station, "run", "--config", self.factory.config])
        self.assertEqual(status, 3, output)
        self.assertIn(code, output)
        return output

    def fill(self, count, **options):
        first = type(self).filled + 1
        type(self).filled += count
        self.state_dir.mkdir(exist_ok=True)
        words = [built("tests/station/fill_outbox"), self.state_dir / "ledger.db", "line-1.demo", count, "--first", first]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), value]
        code, output = self.factory.run(words)
        self.assertEqual(code, 0, output)
        return ["unit-%05d" % n for n in range(first, first + count)]

    def status(self):
        return json.loads(self.factory.verb("status", "--config", self.factory.config, "--json"))

    def outbox(self):
        return self.status()["outbox"]

    def created_once(self, ids):
        counts = self.factory.counts()["ids"]
        self.assertEqual([counts.get("enrollments/" + i, {}).get("created") for i in ids], [1] * len(ids))

    def entries(self, kind):
        """Entries of this kind, in a ledger that nobody has open."""
        import sqlite3
        with sqlite3.connect("file:%s?mode=ro" % (self.state_dir / "ledger.db"), uri=True) as db:
            return [json.loads(r[0]) for r in db.execute("SELECT entry FROM entry WHERE type = ? ORDER BY idx", (kind,))]


class Start(Case):
    def test_a_configuration_that_was_never_proved_does_not_start_without_the_service(self):
        self.factory.dps.stop()
        self.assertIn("E-DPS-001", self.refused("E-DPS-013"))

    def test_a_proved_configuration_starts_without_the_service_and_is_asked_about_later(self):
        self.prove()
        passed, = self.entries("preflight.passed")
        self.start()
        self.assertIn("Started without the cloud", self.status()["station"]["banner"])
        self.assertEqual(passed["body"]["config_sha256"], self.status()["station"]["config_sha256"])
        self.factory.plug(self.unit, 1)
        slot = self.line.wait_verdict("01")
        self.assertEqual((slot["verdict"], slot["code"]), ("BUILT", "E-DPS-001"), slot)
        self.service()
        wait_until(lambda: "Started without" not in self.status()["station"]["banner"], 90, "asked", 0.2)
        self.assertEqual(self.status()["station"]["state"], "running")
        self.assertEqual(len(self.entries("preflight.passed")), 2)
        self.factory.unplug(self.unit)
        self.line.wait_empty("01")
        self.factory.plug(self.unit, 1)
        self.assertEqual(self.line.wait_verdict("01", nth=2)["verdict"], "PASS")
        self.stop(0)

    def test_another_configuration_was_not_proved(self):
        self.prove()
        self.configure("# another byte")
        self.refused("E-DPS-013")

    def test_start_offline_no_never_starts_without_the_service(self):
        self.configure("start_offline = no")
        self.prove()
        output = self.refused("E-DPS-001")
        self.assertNotIn("E-DPS-013", output)

    def test_a_service_that_refuses_is_no_outage(self):
        self.prove()
        self.rules({"do": {"status": 401, "error_code": 401002}})
        self.service()
        self.refused("E-DPS-003")

    def test_a_service_that_asks_for_patience_is_an_outage(self):
        self.prove()
        self.rules({"do": {"status": 429, "retry_after": 40}})
        self.service()
        self.start()
        self.assertIn("Started without the cloud", self.status()["station"]["banner"])

    def test_a_service_that_comes_back_changed_makes_the_line_unfit(self):
        self.prove()
        self.start()
        self.service()
        self.rules({"match": {"operation": "EnrollmentGroup_Get"}, "do": {"status": 404}})
        state = wait_until(lambda: self.status()["station"]["state"] == "unfit" and self.status()["station"], 90, "unfit", 0.2)
        self.assertEqual(state["code"], "E-DPS-007")
        self.stop(3)


class Uplink(Case):
    def test_the_line_sends_what_waits_by_itself_when_the_service_is_back(self):
        self.prove()
        ids = self.fill(45)
        self.start()
        outbox = wait_until(lambda: self.outbox()["offline"] and self.outbox(), 30, "offline")
        self.assertEqual((outbox["waiting"], outbox["code"]), (45, "E-DPS-001"))
        self.assertGreater(outbox["oldest_ms"], 1e12)
        text = self.factory.verb("status", "--config", self.factory.config)
        self.assertRegex(text, r"45 wait, 0 sent, 0 aside; the oldest since 20.*; offline since 20.*E-DPS-001")
        self.service()
        wait_until(lambda: self.outbox()["waiting"] == 0, 90, "drained", 0.2)
        self.created_once(ids)
        told = [e["outbox"] for e in self.line.events() if e["event"] == "outbox"]
        self.assertTrue(any(o["offline"] for o in told))
        self.assertEqual((told[-1]["waiting"], told[-1]["offline"], told[-1]["code"]), (0, False, ""))
        self.stop(0)
        self.assertIn("fits         yes", self.factory.audit_verify())

    def test_upload_asks_the_running_line_and_shows_progress(self):
        self.prove()
        ids = self.fill(45, spoiled=type(self).filled + 7)
        self.start()
        wait_until(lambda: self.outbox()["offline"], 30, "offline")
        code, output = self.factory.run([self.factory.station, "upload", "--config", self.factory.config])
        self.assertEqual(code, 1)
        self.assertIn("E-DPS-001", output)
        self.service()
        code, output = self.factory.run([self.factory.station, "upload", "--config", self.factory.config])
        self.assertEqual(code, 1, "one is aside")
        self.assertIn("0 wait, 44 sent, 1 aside", output)
        self.assertRegex(output, "aside: %s  E-DPS-014" % ids[6])
        self.created_once(ids[:6] + ids[7:])
        code, output = self.factory.run([self.factory.station, "upload", "--config", self.factory.config, "--retry", ids[6]])
        self.assertRegex(output, r"1 wait, 44 sent, 0 aside.*\n(.*\n)*0 wait, 44 sent, 1 aside", "it was tried again")
        code, output = self.factory.run([self.factory.station, "upload", "--config", self.factory.config, "--retry", "nobody"])
        self.assertEqual(code, 2)
        self.assertIn("no unit is aside under nobody", output)

    def test_a_unit_in_a_slot_goes_before_what_waits_since_long(self):
        self.configure("operations_per_minute = 300", attestation="attestation = x509-individual")
        self.prove()
        ids = self.fill(600)
        self.start()
        self.service()
        wait_until(lambda: self.outbox()["sent"] > 20, 60, "on its way")
        self.factory.plug(self.unit, 1)
        slot = self.line.wait_verdict("01", 90)
        self.assertEqual(slot["verdict"], "PASS", slot)
        self.assertGreater(self.outbox()["waiting"], 100)
        self.created_once([slot["registration_id"]])
        self.stop(0)
        created = self.factory.counts()["ids"]
        self.assertEqual({created[i]["created"] for i in ("enrollments/" + i for i in ids) if i in created}, {1})

    def bounded(self, **options):
        """Too much waits: a unit that is plugged in waits untouched, and goes on by itself once the service has taken what waits."""
        self.prove()
        ids = self.fill(12, **options)
        self.start()
        station = wait_until(lambda: self.status()["station"]["state"] == "unfit" and self.status()["station"], 30, "unfit")
        self.assertEqual(station["code"], "E-CFG-006")
        self.factory.plug(self.unit, 1)
        wait_until(lambda: self.status()["slots"][0]["present"], 30, "present")
        self.assertEqual(self.status()["slots"][0]["state"], "waiting")
        self.assertEqual(self.factory.stats(self.unit)["frames"], 0, "untouched")
        self.service()
        self.assertEqual(self.line.wait_verdict("01", 120)["verdict"], "PASS")
        self.assertEqual(self.status()["station"]["state"], "running")
        self.created_once(ids)
        states = [e["line"]["state"] for e in self.line.events() if e["event"] == "line"]
        self.assertEqual(states, ["ready", "unfit", "ready"])
        self.stop(0)

    def test_more_units_than_the_policy_allows_stop_the_line_until_they_are_sent(self):
        self.configure("outbox_units = 11")
        self.bounded()

    def test_a_unit_that_waits_longer_than_the_policy_allows_stops_the_line_until_it_is_sent(self):
        self.configure("outbox_hours = 5")
        self.bounded(age_hours=6)

    def test_as_many_as_the_policy_allows_do_not_stop_the_line(self):
        self.configure("outbox_units = 12", "outbox_hours = 7")
        self.prove()
        self.fill(12, age_hours=6)
        self.start()
        wait_until(lambda: self.outbox()["offline"], 30, "offline")
        self.assertEqual(self.status()["station"]["state"], "running")


if __name__ == "__main__":
    unittest.main(verbosity=2)
