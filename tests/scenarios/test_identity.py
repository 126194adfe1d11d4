#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who is who: each thing that names a unit is the same as, or other than, one seen before, and each row has one outcome.

A unit with a TPM is named by endorsement key, serial number and leaf key (eight rows), one without by serial number and key (four); the
tables stand in docs/pipeline.md. Each row begins with a unit that passed, and goes on with what comes into a slot next: that unit, changed
by tpm2-tools or in its own storage, a copy of it, or another one.
"""
import hashlib
import json
import re
import shutil
import unittest

from case import SERIAL, TPM, Case

CLEAR, CHANGE_EPS = ["tpm2_clear", "-c", "l"], ["tpm2_changeeps"]


class Named(Case):
    def outcome(self, slot, verdict, code, *words):
        self.assertEqual((slot["verdict"], slot["code"]), (verdict, code), slot)
        for word in words:
            self.assertIn(word, slot["what"])

    def still_one(self, serial, certificates=1):
        """What is on record of the unit that was there first has not changed, and nobody else got an identity."""
        units = {u["serial"]: u for u in self.report()["units"]}
        self.assertEqual((units[serial]["verdict"], units[serial]["registration_id"]), ("PASS", self.first["registration_id"]))
        self.assertEqual(len(self.audit("sign.intent")), certificates)
        self.assertEqual(len({l for (l,) in self.ledger("SELECT leaf FROM job WHERE leaf IS NOT NULL")}), certificates)
        self.line.stop()
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--config", self.config))

    def report(self):
        return json.loads(self.factory.verb("report", "--config", self.config, "--json"))

    def copy(self, device, name, serial=None):
        """Another device with all that this one holds; it calls itself `serial`."""
        shutil.copytree(self.factory.tpms / device, self.factory.tpms / name)
        self.rename(name, serial or name)


class EndorsementKeySerialLeaf(Named):
    """Units without a certificate of their maker, so that a TPM with a new endorsement seed is judged by what it is now."""
    devices = 1

    def setUp(self):
        super().setUp()
        self.serial = "ROW%d0001" % self.number
        self.factory.add_devices(1, prefix="ROW%d" % self.number, no_cert=True)
        self.start(TPM, "x509-individual", "ek_certificate = optional\nfinish = no\n")
        self.first = self.passes(self.serial)

    def test_row_1_same_same_same_is_recognised_and_nothing_is_written(self):
        before = self.factory.stats(self.serial)
        again = self.passes(self.serial)
        self.assertTrue(again["recognised"])
        after = self.factory.stats(self.serial)
        for what in ("BUNDLE_COMMIT", "tpm.EvictControl"):
            self.assertEqual(after[what], before[what], what)
        self.still_one(self.serial)

    def test_row_2_same_same_other_is_a_unit_that_lost_its_key_and_is_held(self):
        """Its owner's seed is another: the key of its job can never come back."""
        self.tools(self.serial, CLEAR)
        self.outcome(self.visit(self.serial), "HOLD", "E-ID-002", "another key")
        self.still_one(self.serial)

    def test_row_3_same_other_same_is_a_copy_under_another_name(self):
        self.copy(self.serial, "COPY3")
        self.outcome(self.visit("COPY3"), "HOLD", "E-ID-002", "endorsement key", self.serial, "COPY3")
        self.still_one(self.serial)

    def test_row_4_same_other_other_is_a_cleared_tpm_in_another_unit(self):
        self.copy(self.serial, "COPY4")
        self.tools("COPY4", CLEAR)
        self.outcome(self.visit("COPY4"), "HOLD", "E-ID-002", "endorsement key", self.serial, "COPY4")
        self.still_one(self.serial)

    def test_row_5_other_same_same_is_a_unit_whose_endorsement_seed_was_changed(self):
        self.tools(self.serial, CHANGE_EPS)
        self.outcome(self.visit(self.serial), "HOLD", "E-ID-002", self.serial)
        self.still_one(self.serial)

    def test_row_6_other_same_other_is_another_unit_under_a_known_serial_number(self):
        self.factory.add_devices(1, prefix="LIAR", no_cert=True)
        self.rename("LIAR0001", self.serial)
        self.outcome(self.visit("LIAR0001"), "HOLD", "E-ID-002", self.serial)
        self.still_one(self.serial)

    def test_row_7_other_other_same_holds_the_key_of_another_job(self):
        """A person decides: the profile may have such a key replaced, and then it is a new unit with a key of its own."""
        self.copy(self.serial, "COPY7")
        self.tools("COPY7", CHANGE_EPS)
        self.outcome(self.visit("COPY7"), "HOLD", "E-TPM-005")
        self.still_one(self.serial)

    def test_row_8_other_other_other_is_a_new_unit(self):
        self.factory.add_devices(1, prefix="NEW", no_cert=True)
        slot = self.passes("NEW0001")
        self.assertFalse(slot["recognised"])
        self.assertNotEqual(slot["registration_id"], self.first["registration_id"])
        self.still_one(self.serial, certificates=2)

    def test_one_endorsement_key_in_two_slots_at_one_moment_stops_the_second(self):
        self.copy(self.serial, "COPY9")
        self.factory.plug(self.serial, 2)
        # Whoever has claimed the key first; were it the copy, both would be held.
        self.line.wait(lambda: any(s["stage_index"] > 3 or s["verdict"] for s in self.line.slots("02")), 60, "the first to have its key read")
        self.factory.plug("COPY9", 3)
        slots = [self.line.wait_verdict("%02d" % n) for n in (2, 3)]
        self.assertEqual(sorted(s["verdict"] for s in slots), ["HOLD", "PASS"], slots)
        self.outcome(next(s for s in slots if s["verdict"] == "HOLD"), "HOLD", "E-ID-002")
        self.factory.unplug_all()
        self.still_one(self.serial)


class SerialKey(Named):
    """Units without a TPM: their serial number is what they say, their key is what they prove."""

    def setUp(self):
        super().setUp()
        self.serial = "CSR%d0001" % self.number
        self.factory.add_serial(1, prefix="CSR%d" % self.number)
        self.start(SERIAL, "x509-individual", "finish = no\n")
        self.first = self.passes(self.serial)

    def test_row_1_same_same_is_recognised_and_nothing_is_written(self):
        before = self.factory.stats(self.serial)
        self.assertTrue(self.passes(self.serial)["recognised"])
        after = self.factory.stats(self.serial)
        for what in ("keys_made", "commit"):
            self.assertEqual(after[what], before[what], what)
        self.still_one(self.serial)

    def test_row_2_same_other_is_a_unit_that_lost_its_key_or_another_under_its_name(self):
        (self.factory.tpms / self.serial / "key.pem").unlink()
        self.outcome(self.visit(self.serial), "HOLD", "E-ID-002", "another key")
        self.still_one(self.serial)

    def test_row_3_other_same_is_a_copy_under_another_name(self):
        self.copy(self.serial, "COPY")
        self.outcome(self.visit("COPY"), "HOLD", "E-TPM-005")
        # Its firmware was honest: the key is of another job. One that passes it off as this job's gets no further.
        (job,), = self.ledger("SELECT id FROM job WHERE serial = 'COPY'")
        key = self.factory.tpms / "COPY/key.pem"
        key.write_text(re.sub("^seed: [0-9a-f]+", "seed: " + hashlib.sha256(job.encode()).hexdigest(), key.read_text()))
        self.outcome(self.visit("COPY"), "HOLD", "E-ID-002", self.serial)
        self.still_one(self.serial)

    def test_row_4_other_other_is_a_new_unit(self):
        self.factory.add_serial(1, prefix="FRESH")
        slot = self.passes("FRESH0001")
        self.assertFalse(slot["recognised"])
        self.assertNotEqual(slot["registration_id"], self.first["registration_id"])
        self.still_one(self.serial, certificates=2)

    def test_one_serial_number_in_two_slots_at_one_moment_stops_the_second(self):
        self.copy(self.serial, "PAIR", self.serial)
        for device, port in ((self.serial, 2), ("PAIR", 3)):
            self.factory.plug(device, port)
        slots = [self.line.wait_verdict("%02d" % n) for n in (2, 3)]
        self.assertEqual(sorted(s["verdict"] for s in slots), ["HOLD", "PASS"], slots)
        self.outcome(next(s for s in slots if s["verdict"] == "HOLD"), "HOLD", "E-ID-002")
        self.factory.unplug_all()
        self.still_one(self.serial)

    def test_what_another_does_under_a_units_name_is_not_recorded_as_the_units(self):
        self.factory.add_serial(1, prefix="HONEST")
        self.factory.dps_goes_dark()
        try:
            self.outcome(self.visit("HONEST0001"), "BUILT", "E-DPS-001")
        finally:
            self.factory.dps_comes_back()
        self.copy("HONEST0001", "FALSE", "HONEST0001")
        (self.factory.tpms / "FALSE/key.pem").unlink()
        self.outcome(self.visit("FALSE"), "HOLD", "E-ID-002", "another key")
        self.assertEqual(self.ledger("SELECT verdict FROM job WHERE serial = 'HONEST0001'"), [("BUILT",)])
        self.passes("HONEST0001")
        self.still_one(self.serial, certificates=2)

    def test_serial_number_of_a_unit_of_the_other_kind_is_stopped(self):
        self.line.stop()
        self.factory.add_devices(1, prefix="BOTH")
        state = self.state
        self.start(TPM, "x509-individual")
        self.rename("BOTH0001", self.serial)
        self.outcome(self.visit("BOTH0001"), "HOLD", "E-ID-002", self.serial)
        self.assertEqual(self.state, state)
        self.still_one(self.serial)


if __name__ == "__main__":
    unittest.main(verbosity=2)
