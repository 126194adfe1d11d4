#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Units that are not what they should be: clones, foreign keys, strangers, units of another station; and what a profile may choose."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402


class Case(unittest.TestCase):
    """One factory for a class; each test has a line, a configuration and, where it wants one, a ledger of its own."""
    DEVICES = 2
    SLOTS = 2

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=cls.DEVICES, slots=cls.SLOTS)
        cls.good = cls.factory.config.read_text()
        cls.lines = 0

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def setUp(self):
        self.line = None

    def tearDown(self):
        self.factory.unplug_all()
        if self.line and self.line.process.running:
            self.line.stop()

    def configured(self, profile="", state="state", **others):
        """A configuration with further lines of the profile; others are texts to replace."""
        text = re.sub(r"(?m)^(ek_roots = .*)$", lambda m: m.group(1) + "\n" + profile, self.good)
        text = text.replace("/state\n", "/%s\n" % state)
        for old, new in others.items():
            text = re.sub(r"(?m)^%s = .*$" % old, "%s = %s" % (old, new), text)
        path = self.factory.dir / (state + ".conf")
        path.write_text(text)
        return path

    def start(self, profile="", **others):
        """A line with a fresh ledger, unless `state` names one."""
        if "state" not in others:
            Case.number = getattr(Case, "number", 0) + 1
            others["state"] = "state-%d" % Case.number
        self.config = self.configured(profile, **others)
        self.line = self.factory.start_line(config=self.config)
        return self.line

    def verdict(self, serial, port, nth=1, **options):
        self.factory.plug(serial, port)
        return self.line.wait_verdict("%02d" % port, nth=nth, **options)

    def pull(self, serial, port):
        self.factory.unplug(serial)
        self.line.wait_empty("%02d" % port)

    def report(self):
        return json.loads(self.factory.verb("report", "--config", self.config, "--json"))

    def copy(self, serial, name, identity=None):
        """Another device with a copy of this one's TPM; it calls itself `identity` (its own name, if not given)."""
        shutil.copytree(self.factory.tpms / serial, self.factory.tpms / name)
        self.rename(name, identity or name)

    def rename(self, name, identity):
        """Lets a device call itself by another serial number."""
        path = self.factory.tpms / name / "device.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "serial": identity}))

    def still_fit(self):
        status = json.loads(self.factory.verb("status", "--config", self.config, "--json"))
        self.assertEqual(status["station"]["state"], "running", status["station"])

    def end_and_check(self):
        self.factory.unplug_all()
        self.assertEqual(self.line.stop(), 0)
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--config", self.config))


class Clones(Case):
    DEVICES = 3

    def test_copied_tpm_in_two_slots_at_once_stops_the_second_and_keeps_the_evidence(self):
        self.start()
        self.copy("SIM0001", "TWIN1")
        self.assertEqual(self.verdict("SIM0001", 1)["verdict"], "PASS")
        slot = self.verdict("TWIN1", 2)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-002"), slot)
        self.assertIn("slot 01", slot["what"])
        self.still_fit()
        self.assertEqual([u["serial"] for u in self.report()["units"]], ["SIM0001"])
        self.end_and_check()

    def test_copy_with_the_same_serial_number_is_stopped_while_the_first_is_still_in_its_slot(self):
        self.start("finish = no")
        self.copy("SIM0002", "TWIN2", "SIM0002")
        self.assertEqual(self.verdict("SIM0002", 1)["verdict"], "PASS")
        slot = self.verdict("TWIN2", 2)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-002"), slot)
        self.pull("SIM0002", 1)
        self.factory.unplug("TWIN2")
        self.still_fit()

    def test_endorsement_key_under_another_serial_number_is_stopped(self):
        self.start("finish = no")
        self.copy("SIM0003", "TWIN3")
        self.assertEqual(self.verdict("SIM0003", 1)["verdict"], "PASS")
        self.pull("SIM0003", 1)
        slot = self.verdict("TWIN3", 2)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-002"), slot)
        self.assertIn("SIM0003", slot["what"])
        self.assertEqual(self.report()["units"][0]["verdict"], "PASS")
        self.end_and_check()

    def test_serial_number_with_another_endorsement_key_is_stopped(self):
        self.start("finish = no\nexisting_key = replace")
        self.factory.add_devices(1, prefix="LIAR")
        self.assertEqual(self.verdict("SIM0003", 1)["verdict"], "PASS")
        self.pull("SIM0003", 1)
        self.rename("LIAR0001", "SIM0003")
        slot = self.verdict("LIAR0001", 2)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-002"), slot)
        self.assertIn("SIM0003", slot["what"])
        self.assertEqual(len(self.report()["units"]), 1)
        self.still_fit()

    def test_two_units_of_one_registration_id_stop_the_second_and_not_the_line(self):
        """Ids have no capital letters; serial numbers may."""
        self.start("finish = no\nid = template\nid_template = unit-{serial}")
        self.factory.add_devices(2, prefix="SAME")
        self.rename("SAME0002", "same0001")
        self.assertEqual(self.verdict("SAME0001", 1)["verdict"], "PASS")
        slot = self.verdict("SAME0002", 2)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-002"), slot)
        self.assertIn("SAME0001", slot["what"])
        self.still_fit()
        units = {u["serial"]: u for u in self.report()["units"]}
        self.assertEqual((units["same0001"]["verdict"], units["same0001"]["registration_id"]), ("HOLD", ""))
        self.end_and_check()


class Strangers(Case):
    DEVICES = 4

    def test_units_without_their_endorsement_key_get_it_and_others_are_refused(self):
        add = self.factory.add_devices
        add(1, prefix="NOEK", no_ek=True)
        add(1, prefix="NOCERT", no_cert=True)
        add(1, prefix="FOREIGN", foreign_ek=True)
        add(1, prefix="ROGUE", rogue_vendor=True)
        self.start()
        self.assertEqual(self.verdict("NOEK0001", 1)["verdict"], "PASS")
        self.pull("NOEK0001", 1)
        for nth, (serial, code) in enumerate((("NOCERT0001", "E-ATT-002"), ("FOREIGN0001", "E-TPM-004"), ("ROGUE0001", "E-ATT-004")), 2):
            slot = self.verdict(serial, 1, nth)
            self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", code), slot)
            self.pull(serial, 1)
        self.still_fit()
        self.assertEqual([u["serial"] for u in self.report()["units"]], ["NOEK0001"])

    def persist_other_kind_of_key(self, serial):
        """A key that is no endorsement key of any template, at its place."""
        with self.factory.swtpm(serial) as tpm:
            for words in ("evictcontrol -C o -c 0x81010001", "createprimary -C e -G ecc -c other.ctx", "evictcontrol -C o -c other.ctx 0x81010001",
                          "flushcontext -t"):
                subprocess.run(["tpm2_" + words.split()[0], *words.split()[1:], "-T", "swtpm:path=%s" % tpm], cwd=self.factory.dir,
                               check=True, capture_output=True, timeout=30)

    def test_other_key_in_place_of_the_endorsement_key_is_replaced_where_the_profile_says_so(self):
        self.factory.add_devices(2, prefix="OTHER", foreign_ek=True)
        self.persist_other_kind_of_key("OTHER0002")
        self.start()
        slot = self.verdict("OTHER0002", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-ATT-001"), slot)
        self.end_and_check()
        self.start("ek_mismatch = replace")
        self.assertEqual(self.verdict("OTHER0001", 1)["verdict"], "PASS")
        self.assertEqual(self.verdict("OTHER0002", 2)["verdict"], "PASS")

    def test_unit_without_certificate_passes_where_the_profile_says_in_writing_that_it_may(self):
        self.factory.add_devices(1, prefix="BARE", no_cert=True)
        self.start("ek_certificate = optional")
        self.assertEqual(self.verdict("BARE0001", 1)["verdict"], "PASS")

    def test_unit_closed_by_another_station_fails(self):
        self.start()
        self.assertEqual(self.verdict("SIM0001", 1)["verdict"], "PASS")
        self.end_and_check()
        self.start()
        slot = self.verdict("SIM0001", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-USB-008"), slot)
        self.assertEqual(self.report()["units"], [])
        self.still_fit()

    def test_key_of_another_station_is_refused_or_replaced_as_the_profile_says(self):
        self.start("finish = no")
        self.assertEqual(self.verdict("SIM0002", 1)["verdict"], "PASS")
        first = self.factory.leaf_of("SIM0002")
        self.end_and_check()
        self.start("finish = no")
        slot = self.verdict("SIM0002", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-TPM-005"), slot)
        self.assertEqual(self.factory.leaf_of("SIM0002"), first)
        self.end_and_check()
        self.start("finish = no\nexisting_key = replace")
        slot = self.verdict("SIM0002", 1)
        self.assertEqual(slot["verdict"], "PASS", slot)
        second = self.factory.leaf_of("SIM0002")
        self.assertEqual(second[0], first[0], "the id comes from the endorsement key")
        self.assertNotEqual(second[1], first[1])

    def test_unit_with_one_serial_number_outside_and_another_inside_fails_alone(self):
        self.start()
        self.factory.add_devices(1, prefix="MIX")
        self.factory.knob("MIX0001", "serial_inside", "SIM0004")
        slot = self.verdict("MIX0001", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-ID-003"), slot)
        self.assertEqual(self.report()["units"], [])
        self.still_fit()
        self.assertEqual(self.verdict("SIM0004", 2)["verdict"], "PASS")

    def test_unit_whose_words_make_no_registration_id_fails_alone(self):
        self.start("id = template\nid_template = {serial}-{model}")
        self.factory.add_devices(1, prefix="ODD", model="of (no) kind")
        slot = self.verdict("ODD0001", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-ID-004"), slot)
        self.still_fit()
        self.assertEqual(self.verdict("SIM0003", 2)["verdict"], "PASS")


class Pulled(Case):
    """A slow unit is pulled in every stage, and finished in another slot."""

    @classmethod
    def setUpClass(cls):
        cls.rules = pathlib.Path(tempfile.mkstemp(suffix=".json")[1])
        cls.addClassCleanup(cls.rules.unlink)
        cls.rules.write_text("[]")
        cls.factory = Factory(devices=cls.DEVICES, slots=cls.SLOTS, dps=("--polls", "0", "--rules", cls.rules))
        cls.good = cls.factory.config.read_text()

    def pulled_in(self, stage, name):
        """Pulls the unit in a stage; those of one short frame lose their power at that frame."""
        frame = {"identify": "IDENTIFY", "install": "BUNDLE_COMMIT", "finish": "FINISH"}.get(stage)
        before = len(self.line.slots(name))
        if frame:
            self.factory.knob("SIM0001", "cut_before", frame)
        self.factory.plug("SIM0001", int(name))
        wait_until(lambda: [s for s in self.line.slots(name)[before:] if s["stage"] == stage or s["verdict"]], 30, stage)
        if frame:
            wait_until(lambda: self.line.slots(name)[-1]["verdict"], 30, "cut in " + stage)
        self.factory.unplug("SIM0001")
        self.factory.knob("SIM0001", "cut_before", 0)

    def test_unit_pulled_in_any_stage_is_finished_in_the_other_slot(self):
        self.start()
        stages = [s for s in re.findall(r"(?m)^\| ([a-z-]+) \|", self.factory.verb("stages")) if s != "stage"]
        touching = [s for s in stages if s not in ("admit", "derive-id", "sign", "enroll", "record")]
        self.factory.knob("SIM0001", "delay_ms", 60)
        names, visits = ["01", "02"], {"01": 0, "02": 0}
        for stage in touching:
            self.pulled_in(stage, names[0])
            visits[names[0]] += 1
            slot = self.line.wait_verdict(names[0], nth=visits[names[0]])
            with self.subTest(stage=stage):
                self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-USB-002"), slot)
                self.assertEqual(stages[slot["stage_index"]], stage)
            names.reverse()
        self.factory.knob("SIM0001", "delay_ms", 0)
        slot = self.verdict("SIM0001", int(names[0]), visits[names[0]] + 1)
        self.assertEqual(slot["verdict"], "PASS", slot)
        self.assertEqual(self.factory.stats("SIM0001")["tpm.EvictControl"], 1, "one key")
        self.assertEqual(len(self.report()["units"]), 1)
        self.end_and_check()

    def test_unit_pulled_while_the_cloud_is_slow_is_no_clone_in_the_next_slot(self):
        self.start()
        new = self.rules.with_suffix(".new")
        new.write_text(json.dumps([{"match": {"path": "/register\\?", "times": 1}, "do": {"latency_ms": 4000}}]))
        new.replace(self.rules)
        self.factory.plug("SIM0002", 1)
        wait_until(lambda: [r for r in self.factory.requests() if "/register" in r["path"]] or
                   [r for r in self.line.slots("01") if r["stage"] == "verify" and r["times"].get("enroll", -1) >= 0], 30, "verify")
        time.sleep(1)   # the station waits for the answer now
        self.factory.unplug("SIM0002")
        slot = self.verdict("SIM0002", 2)
        self.assertEqual(slot["verdict"], "PASS", slot)
        self.assertGreater(slot["times"]["read-key"], 1000, "it waited until slot 01 had let go")
        self.assertEqual(self.line.wait_verdict("01")["code"], "E-USB-002")


class Profiles(Case):
    DEVICES = 4

    def test_ids_by_spki_and_by_template_are_what_the_certificate_and_the_service_name(self):
        self.start("id = spki-sha256\nfinish = no")
        slot = self.verdict("SIM0001", 1)
        self.assertEqual(slot["verdict"], "PASS", slot)
        self.assertRegex(slot["registration_id"], r"^[a-z2-7]{52}$")
        self.assertEqual(self.factory.leaf_of("SIM0001")[0], slot["registration_id"])
        self.pull("SIM0001", 1)
        again = self.verdict("SIM0001", 2)
        self.assertEqual((again["verdict"], again["recognised"], again["registration_id"]), ("PASS", True, slot["registration_id"]))
        self.end_and_check()
        self.start("id = template\nid_template = dev-{serial}\nexisting_key = replace")
        slot = self.verdict("SIM0001", 1)
        self.assertEqual((slot["verdict"], slot["registration_id"]), ("PASS", "dev-sim0001"), slot)
        self.assertEqual(self.factory.leaf_of("SIM0001")[0], "dev-sim0001")

    def test_finish_no_leaves_factory_mode_open_and_a_later_profile_closes_it(self):
        self.start("finish = no", state="state-finish")
        self.assertEqual(self.verdict("SIM0002", 1)["verdict"], "PASS")
        self.assertFalse(self.factory.list()["SIM0002"]["closed"])
        self.end_and_check()
        self.start("finish = yes", state="state-finish")
        slot = self.verdict("SIM0002", 1)
        self.assertEqual((slot["verdict"], slot["recognised"]), ("PASS", True))
        self.assertTrue(self.factory.list()["SIM0002"]["closed"])
        self.assertTrue(self.report()["units"][0]["closed"])

    def test_registration_is_removed_where_the_profile_says_so_and_the_hub_device_stays_listed(self):
        self.start("keep_registration = no\nfinish = no", policy="provisioningserviceowner",
                   policy_key="file:%s/secrets/provisioningserviceowner" % self.factory.dir)
        slot = self.verdict("SIM0003", 1)
        self.assertEqual(slot["verdict"], "PASS", slot)
        self.assertEqual([t["what"] for t in self.report()["traces"]], ["hub device"])
        removed = [r for r in self.factory.requests() if r["method"] == "DELETE" and slot["registration_id"] in r["path"]]
        self.assertEqual([r["status"] for r in removed], [204])
        asked = len(self.factory.requests())
        self.pull("SIM0003", 1)
        self.assertEqual(self.verdict("SIM0003", 2)["verdict"], "PASS")
        self.assertEqual(len(self.factory.requests()), asked, "a known unit is not registered and removed again")
        self.end_and_check()

    def test_line_without_the_right_to_remove_registrations_does_not_start(self):
        config = self.configured("keep_registration = no", state="state-right")
        code, output = self.factory.run([self.factory.station, "run", "--config", config])
        self.assertEqual(code, 3, output)
        self.assertIn("E-DPS-003", output)

    def test_unit_begun_under_one_profile_is_held_in_a_slot_of_another(self):
        self.start(state="state-other")
        self.assertEqual(self.verdict("SIM0004", 1)["verdict"], "PASS")
        self.end_and_check()
        self.config.write_text(self.config.read_text().replace("profile demo]", "profile other]").replace("profile = demo", "profile = other"))
        self.line = self.factory.start_line(config=self.config)
        slot = self.verdict("SIM0004", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-005"), slot)
        self.still_fit()

    def test_another_id_scope_is_proved_anew_and_not_taken_from_the_record(self):
        self.factory.add_devices(1, prefix="MOVED")
        self.start("finish = no", state="state-scope")
        self.assertEqual(self.verdict("MOVED0001", 1)["verdict"], "PASS")
        self.end_and_check()
        self.start("finish = no", state="state-scope", id_scope="0neFFFFFFFF")
        slot = self.verdict("MOVED0001", 1)
        self.assertNotEqual(slot["verdict"], "PASS", slot)
        self.assertNotEqual(self.report()["units"][0]["verdict"], "PASS")

    def test_certificate_of_an_earlier_ca_is_held_where_it_could_be_installed_and_known_where_it_is_closed(self):
        factory = self.factory
        factory.add_devices(2, prefix="OLD")
        self.start("finish = no", state="state-ca")
        self.assertEqual(self.verdict("OLD0001", 1)["verdict"], "PASS")
        self.end_and_check()
        self.start(state="state-ca")
        self.assertEqual(self.verdict("OLD0002", 1)["verdict"], "PASS")
        self.end_and_check()
        old = factory.dir / "ca"
        new = factory.dir / "ca-new"
        factory.verb("ca", "init", new, "--name", "New", "--log-origin", "line-1.demo", "--passphrase", "file:%s/secrets/passphrase" % factory.dir)
        (new / "root.key").rename(factory.dir / "vault/new.key")
        shutil.copy(old / "log.key", new / "log.key")
        shutil.copy(old / "log.vkey", new / "log.vkey")
        engineer = factory.dir / "new-engineer.conf"
        engineer.write_text((factory.dir / "engineer.conf").read_text().replace(str(old) + "/", str(new) + "/").replace("demo-group", "new-group"))
        factory.verb("ca", "prove", "--config", engineer, "--name", "new-root", "--cert", new / "root.pem", "--key",
                     factory.dir / "vault/new.key", "--passphrase", "file:%s/secrets/passphrase" % factory.dir)
        factory.verb("group", "ensure", "--config", engineer)
        self.start("finish = no", state="state-ca", group="new-group", chain=new / "chain.pem", key=new / "line.key",
                   log_key=new / "log.key")
        slot = self.verdict("OLD0001", 1)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-CA-009"), slot)
        slot = self.verdict("OLD0002", 2)
        self.assertEqual((slot["verdict"], slot["recognised"]), ("PASS", True), slot)
        self.still_fit()


if __name__ == "__main__":
    unittest.main(verbosity=2)
