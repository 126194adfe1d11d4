#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Units without a TPM, on serial lines as bad as they are: through the whole station, checked against the device's own files and
the service's record."""
import subprocess
import unittest

from case import SERIAL, Case


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout


class Serial(Case):
    devices, serial = 1, 8

    def setUp(self):
        super().setUp()
        self.start(SERIAL, "x509-individual")
        self.name = self.unit()

    def knobs(self, **knobs):
        for name, value in knobs.items():
            self.factory.knob(self.name, name, value)

    def is_enrolled_once(self):
        """One key, one certificate for it, one enrollment, and a device in its hub."""
        registration_id, _ = self.factory.leaf_of(self.name)
        leaf = openssl("x509", "-in", self.factory.device_file(self.name, "leaf.pem"), "-noout", "-pubkey")
        key = openssl("pkey", "-in", self.factory.device_file(self.name, "key.pem"), "-pubout")
        self.assertEqual(leaf, key)
        self.assertEqual(self.factory.stats(self.name)["keys_made"], 1)
        made = [r for r in self.factory.requests() if r["operation"] == "IndividualEnrollment_CreateOrUpdate"
                and r.get("registrationId") == registration_id and r["effect"]]
        self.assertEqual(len(made), 1)
        entry = made[0]["body"]
        self.assertEqual(entry["attestation"]["type"], "x509")
        return registration_id

    def test_unit_is_enrolled_once_and_recognised_when_it_comes_again(self):
        first = self.passes(self.name)
        self.assertEqual(first["serial"], self.name)
        self.assertTrue(self.factory.list()[self.name]["closed"])
        self.assertEqual(self.factory.hub_device(first["hub"], first["device_id"])["deviceId"], first["device_id"])
        self.assertTrue(self.passes(self.name)["recognised"])
        self.assertEqual(self.is_enrolled_once(), first["registration_id"])

    def test_noise_echo_loss_damage_and_a_slow_start_are_no_faults(self):
        self.knobs(noise=500, echo=1, loss=60, damage=60, boot_ms=100, baud=115200)
        self.passes(self.name)
        stats = self.factory.stats(self.name)
        self.assertGreater(stats["noise"], 5)
        self.assertGreater(stats["lost"] + stats["damaged"], 0)
        self.is_enrolled_once()

    def test_unit_that_says_a_hundred_lines_after_each_answer_passes(self):
        self.knobs(flood=1)
        self.passes(self.name)
        self.assertGreater(self.factory.stats(self.name)["noise"], 10000)
        self.is_enrolled_once()

    def test_tty_that_comes_late_is_waited_for(self):
        self.knobs(tty_late_ms=700)
        self.passes(self.name)
        self.is_enrolled_once()

    def test_unit_that_restarts_in_the_middle_is_begun_again(self):
        self.knobs(reset_before="put:2")
        self.passes(self.name)
        self.assertGreater(self.factory.stats(self.name)["bundle"], 1)
        self.is_enrolled_once()

    def test_unit_that_loses_its_power_in_the_commit_is_finished_by_one_replug(self):
        self.knobs(cut_commit="after-rename")
        self.factory.plug(self.name, 1)
        slot = self.line.wait_verdict("01")
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-USB-002"), slot)
        self.knobs(cut_commit="never")
        self.passes(self.name)
        self.assertEqual(self.factory.stats(self.name)["bundle"], 1)    # what was committed is not written again
        self.is_enrolled_once()

    def test_unit_whose_request_is_of_another_key_gets_no_certificate(self):
        self.knobs(lie="key")
        slot = self.visit(self.name)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-ATT-009"), slot)
        self.assertFalse(self.factory.device_file(self.name, "leaf.pem").exists())
        self.assertEqual(self.audit("sign.intent"), [])

    def test_unit_that_shows_another_bundle_than_was_installed_is_no_pass(self):
        self.knobs(lie="readback")
        slot = self.visit(self.name)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-ATT-008"), slot)


if __name__ == "__main__":
    unittest.main(verbosity=2)
