#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Revocation: what a unit holds is good for nothing any more, in the provisioning service, in its hub and at the line, and its
neighbour's is; cut off anywhere it is gone on with. Compared with the emulated service's own record, the ledger and a device's own
first registration by OpenSSL."""
import json
import subprocess
import sys
import time
import unittest

import test_lots
from factory import plain_host, wait_until


class Revoke(test_lots.People):
    devices = 3
    profiles = {"group": "finish = no\n", "alone": "attestation = x509-individual\nfinish = no\n", "tpm": "attestation = tpm\nfinish = no\n"}
    STEPS = ("IndividualEnrollment_CreateOrUpdate", "DeviceRegistrationState_Get", "DeviceRegistrationState_Delete",
             "Devices_GetIdentity", "Devices_CreateOrUpdateIdentity")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        factory = cls.factory
        keys = factory.dir / "hub-keys"
        keys.mkdir(mode=0o700)
        for hub in factory.endpoint["hubs"]:
            path = keys / hub["hostName"]
            path.touch(mode=0o600)
            path.write_text(hub["connectionString"] + "\n")
        gateway = plain_host(factory.endpoint["url"]).rstrip("/")
        text = cls.engineer.read_text()
        (factory.dir / "no-hub.conf").write_text(text)
        cls.engineer.write_text(text + "\n[hub]\nkeys = %s\ngateway = %s\n" % (keys, gateway))

    # --- doing

    def command(self, *words, config=None, **two):
        return ["revoke", "--config", config or self.engineer, "--badge", self.two(**two), *words]

    def revoke(self, *words, status=0, **more):
        return self.factory.verb(*self.command(*words, **more), status=status)

    # --- looking

    def row(self, serial):
        names = "kind, reason, service_ms > 0, hub_ms > 0, entry_ms > 0, aside, revoked.error, hex(revoked.cert_serial), next_order, next_intent"
        rows = self.ledger("SELECT %s FROM revoked JOIN job ON job.id = revoked.job WHERE serial = ? ORDER BY revoked.number" % names, serial)
        return dict(zip(("kind", "reason", "told", "hub", "entry", "aside", "error", "serial", "next_order", "next_intent"), rows[-1])) if rows else {}

    def assert_kept_out(self, slot):
        """By the service's record, the hub's, and for a certificate the device's own try."""
        name = slot["registration_id"]
        self.assertEqual(self.factory.ask_service("GET", "/enrollments/" + name)["provisioningStatus"], "disabled")
        self.assertIsNone(self.factory.ask_service("GET", "/registrations/" + name))
        device = self.factory.hub_device(slot["hub"], slot["device_id"])
        self.assertEqual((device["status"], device["statusReason"]), ("disabled", "revoked: keyCompromise"))

    def assert_let_in(self, slot, serial, profile):
        name = slot["registration_id"]
        entry = self.factory.ask_service("GET", "/enrollments/" + name)
        self.assertEqual(entry and entry["provisioningStatus"], None if profile == "group" else "enabled")
        self.assertEqual(self.factory.hub_device(slot["hub"], slot["device_id"])["status"], "enabled")
        if profile != "tpm":
            self.assertRegex(self.register(serial), r"HTTP/1\.1 20[02]")

    # --- tests

    def test_a_unit_of_each_attestation_is_kept_out_and_its_neighbour_is_not(self):
        for profile in ("group", "alone", "tpm"):
            with self.subTest(profile=profile):
                self.tearDown()
                self.setUp()
                slots = self.made(profile)
                one, two = slots["SIM0001"], slots["SIM0002"]
                said = self.revoke("SIM0001", "--reason", "keyCompromise")
                self.assertIn("revoked (keyCompromise)  service told, hub told", said)
                self.assert_kept_out(one)
                if profile != "tpm":
                    answer = self.register("SIM0001")
                    record = self.factory.ask_service("GET", "/registrations/" + one["registration_id"])
                    self.assertTrue("HTTP/1.1 401" in answer or record["status"] == "disabled", (answer, record))
                self.assert_let_in(two, "SIM0002", profile)
                # Once each, and again nothing.
                before = self.factory.counts()
                self.revoke(one["registration_id"], "--reason", "keyCompromise")
                after = self.factory.counts()
                self.assertEqual({k: v for k, v in after["ids"].items() if k.startswith("enrollments/")},
                                 {k: v for k, v in before["ids"].items() if k.startswith("enrollments/")})
                self.assertEqual(self.row("SIM0001") | {"serial": ""},
                                 {"kind": "revoked", "reason": 1, "told": 1, "hub": 1, "entry": 1, "aside": 0, "error": "", "serial": "", "next_order": "",
                                  "next_intent": -1})
                entry, = self.entries("unit.revoked")
                self.assertEqual({entry["body"][w] for w in ("first", "second")}, {self.badges["Ana"][2], self.badges["Ben"][2]})
                self.assertEqual([len(self.entries(t)) for t in ("revoked.service", "revoked.hub")], [1, 1])
                # At the line.
                self.start()
                slots = self.run_units(["SIM0001", "SIM0002"])
                self.assertEqual([(s["verdict"], s["code"]) for s in slots.values()], [("HOLD", "E-REV-001"), ("PASS", "")])
                self.assertTrue(slots["SIM0002"]["recognised"])
                unit, = [u for u in self.factory.report()["units"] if u["serial"] == "SIM0001"]
                self.assertEqual((unit["verdict"], unit["code"]), ("FAIL", "E-REV-001"))
                self.line.stop()
                self.line = None
                self.factory.audit_verify()

    def test_cut_off_at_any_step_it_is_gone_on_with_and_nothing_is_done_twice(self):
        slots = self.made("group")
        for serial, cut in (("SIM0001", "kill"), ("SIM0002", "answer lost")):
            for step in self.STEPS:
                first = self.row(serial) == {}
                if not first and step == self.STEPS[0]:
                    continue
                if cut == "kill":
                    self.rules([{"match": {"operation": step}, "do": {"latency_ms": 2500}}])
                    words = self.command(serial, "--reason", "keyCompromise") if first else self.command("--resume")
                    verb = subprocess.Popen([self.factory.station, *map(str, words)], stdout=subprocess.DEVNULL)
                    time.sleep(1.0 if first else 0.6)
                    verb.kill()
                    verb.wait()
                else:
                    self.rules([{"match": {"operation": step, "times": 1}, "do": {"cut_after": "reset"}}])
                    words = self.command(serial, "--reason", "keyCompromise") if first else self.command("--resume")
                    subprocess.run([self.factory.station, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.rules([])
            time.sleep(2.5)     # what the service was asked by one who was killed takes effect, late as it is
            self.revoke("--resume")
            self.assert_kept_out(slots[serial])
            self.assertEqual({k: self.row(serial)[k] for k in ("told", "hub", "aside", "error")},
                             {"told": 1, "hub": 1, "aside": 0, "error": ""})
            name = slots[serial]["registration_id"]
            self.assertEqual(self.effect("enrollments", name, "created"), 1)
            self.assertEqual(self.removals(name), 1)
        self.assertEqual([len(self.entries(t)) for t in ("unit.revoked", "revoked.service", "revoked.hub")], [2, 2, 2])
        self.factory.audit_verify()

    def test_beside_a_running_line_and_in_an_outage_the_uplink_carries_it(self):
        self.begin("WO-1", 3, profile="group")
        slots = self.run_good(["SIM0001", "SIM0002"])
        self.factory.dps_goes_dark()
        try:
            self.assertIn("not told", self.revoke("SIM0001", "--reason", "keyCompromise", status=1))
            # At the line it holds at once.
            self.assertEqual(self.run_units(["SIM0001"])["SIM0001"]["code"], "E-REV-001")
            self.assertEqual(self.ask_line({"do": "status"})["outbox"]["revocations"], 1)
        finally:
            self.factory.dps_comes_back()
        self.ask_line({"do": "upload"})
        wait_until(lambda: self.row("SIM0001")["entry"], 60, "the uplink to tell the service")
        self.assertEqual(self.factory.ask_service("GET", "/enrollments/" + slots["SIM0001"]["registration_id"])["provisioningStatus"],
                         "disabled")
        # The line may not remove registration records, and has no key of the hub; whoever has both goes on, beside the line.
        wait_until(lambda: self.row("SIM0001")["error"] == "E-DPS-003", 20, "the line to find out what it may not")
        self.assertEqual([self.row("SIM0001")[k] for k in ("told", "hub", "aside")], [0, 0, 1])
        self.assertIn("E-REV-003", self.factory.verb("revoke", "--config", self.factory.dir / "no-hub.conf", "--resume", status=1))
        self.assertIn("hub told", self.revoke("--resume"))
        self.assert_kept_out(slots["SIM0001"])
        self.assert_let_in(slots["SIM0002"], "SIM0002", "group")
        self.assertEqual(self.ask_line({"do": "status"})["outbox"]["revocations"], 0)
        # A unit in work is let finish first.
        self.factory.knob("SIM0002", "delay_ms", 200)
        plugged = self.plug("SIM0002", 2)
        self.line.wait(lambda: any(s["stage"] for s in self.line.slots("02")), 20, "work in slot 02")
        self.assertIn("E-LOT-005", self.revoke("SIM0002", "--reason", "keyCompromise", status=1))
        self.factory.knob("SIM0002", "delay_ms", 0)
        self.assertEqual(self.verdict(plugged)["verdict"], "PASS")
        # Not by one person, nor with a wrong PIN, nor somebody who may not: by the line's own judgement.
        for request, code in ((dict(second="Ana"), "E-LOT-009"), (dict(pin="0000"), "E-LIN-005"), (dict(second="Cleo"), "E-LIN-003")):
            self.assertIn(code, self.revoke("SIM0002", "--reason", "keyCompromise", status=1, **request))
        job, = self.ledger("SELECT id FROM job WHERE serial = 'SIM0002'")[0]
        badge, pin = self.badges["Ana"][:2]
        answer = self.ask_line({"do": "revoke", "job": job, "reason": "keyCompromise", "badge_1": badge, "pin_1": pin, "badge_2": badge,
                                "pin_2": pin})
        self.assertEqual(answer["code"], "E-LOT-009", answer)
        self.assertEqual(self.row("SIM0002"), {})
        self.line.stop()
        self.line = None
        self.factory.audit_verify()

    def test_one_who_waited_to_be_enrolled_is_never_let_in(self):
        self.begin("WO-1", 3, profile="alone")
        self.factory.dps_goes_dark()
        try:
            slot = self.run_units(["SIM0001"])["SIM0001"]
            self.assertEqual(slot["verdict"], "BUILT", slot)
            self.revoke("SIM0001", "--reason", "privilegeWithdrawn", status=1)
        finally:
            self.factory.dps_comes_back()
        self.ask_line({"do": "upload"})     # the back-off of an outage is up to a minute
        wait_until(lambda: self.row("SIM0001")["entry"], 60, "the uplink to tell the service")
        self.assertEqual(self.factory.ask_service("GET", "/enrollments/" + slot["registration_id"])["provisioningStatus"], "disabled")
        self.assertEqual(self.ask_line({"do": "status"})["outbox"]["waiting"], 0)
        self.assertIn("hub never reached", self.revoke("--resume"))

    def test_what_cannot_be_revoked(self):
        slots = self.made("group", name="WO-1")
        name = slots["SIM0001"]["registration_id"]
        self.assertIn("E-REV-002", self.revoke("NOBODY", "--reason", "superseded", status=1))
        self.assertIn("E-REV-002", self.revoke("SIM0001", "--replace", "--reason", "keyCompromise", status=1))
        self.assertIn("E-CFG-003", self.revoke("SIM0001", "--reason", "certificateHold", status=2))
        self.assertIn("E-CFG-003", self.revoke("SIM0001", "--lot", "WO-1", "--reason", "superseded", status=2))
        # What stands under its id is somebody else's: a person decides, and calls again.
        leaf = (self.factory.dir / "ca/line.pem").read_text()
        other = {"registrationId": name, "attestation": {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": leaf}}}}}
        self.factory.ask_service("PUT", "/enrollments/" + name, other)
        self.assertIn("E-DPS-011", self.revoke("SIM0001", "--reason", "superseded", status=1))
        self.assertEqual((self.row("SIM0001")["aside"], self.row("SIM0001")["told"]), (1, 0))
        self.factory.ask_service("DELETE", "/enrollments/" + name)
        self.revoke("SIM0001", "--reason", "superseded")
        self.assertEqual((self.row("SIM0001")["aside"], self.row("SIM0001")["told"]), (0, 1))
        # Revoked for good is not replaced.
        self.assertIn("E-REV-002", self.revoke("SIM0001", "--replace", status=1))
        # A whole lot, and what is revoked stays so when its lot is taken back.
        self.revoke("--lot", "WO-1", "--reason", "cessationOfOperation")
        self.assertEqual([r["reason"] for r in map(self.row, self.UNITS)], [4, 5, 5])
        self.factory.verb("lot", "revert", "--config", self.engineer, "--badge", self.two(), "WO-1")
        for serial in self.UNITS:
            self.assertEqual(self.factory.ask_service("GET", "/enrollments/" + slots[serial]["registration_id"])["provisioningStatus"],
                             "disabled")
        listed = [json.loads(line) for line in self.factory.verb("revoke", "--config", self.engineer, "--list", "--json").splitlines()]
        self.assertEqual([(r["kind"], r["reason"]) for r in listed],
                         [("revoked", "superseded"), ("revoked", "cessationOfOperation"), ("revoked", "cessationOfOperation")])

    def test_a_unit_that_is_replaced_begins_again_takes_no_place_and_names_what_it_had(self):
        for profile, other in (("alone", "group"), ("tpm", "tpm")):
            with self.subTest(profile=profile):
                self.tearDown()
                self.setUp()
                self.made(profile, name="OLD")
                before = self.factory.leaf_of("SIM0001") if profile != "tpm" else None
                self.assertIn("replaced (superseded)", self.revoke("SIM0001", "--replace"))
                old = self.row("SIM0001")["serial"].lower()
                # The new lot is full.
                self.begin("NEW", 1, ["SIM0001", "SIM0002"], profile=other)
                slot = self.run_good(["SIM0001"])["SIM0001"]
                self.assertFalse(slot["recognised"])
                intent, = [i for kind in ("sign.intent", "permit.intent") for i in self.entries(kind) if i["body"].get("replaces")]
                self.assertEqual((intent["body"]["replaces"], intent["body"]["order"]), (old, "NEW"))
                self.assertEqual(self.row("SIM0001")["next_order"], "NEW")
                self.assertEqual(self.ledger("SELECT lot FROM place"), [("OLD",)] * 3)
                entry = self.factory.ask_service("GET", "/enrollments/" + slot["registration_id"])
                self.assertEqual(entry and entry["provisioningStatus"], None if other == "group" else "enabled")
                if before:
                    name, leaf = self.factory.leaf_of("SIM0001")
                    self.assertEqual(name, before[0])
                    self.assertNotEqual(leaf, before[1])
                # It comes back as itself, under its new identity.
                self.assertTrue(self.run_good(["SIM0001"])["SIM0001"]["recognised"])
                self.lot("close")
                whole = json.loads((self.factory.dir / "handover/NEW.json").read_text())
                self.assertEqual([(r["certificate_serial"], r["order"], r["next_order"]) for r in whole["replacements"]], [(old, "OLD", "NEW")])
                self.line.stop()
                self.line = None
                self.factory.audit_verify()

    def test_a_line_ca_that_is_revoked_signs_no_more_and_keeps_its_devices_out(self):
        slots = self.made("group")
        name = slots["SIM0001"]["registration_id"]
        words = ["ca", "revoke", "--config", self.engineer, "--reason", "keyCompromise", "--badge", self.two()]
        self.assertIn("E-CFG-002", self.factory.verb("ca", "revoke", "--config", self.factory.config, *words[4:], status=1))
        self.assertRegex(self.register("SIM0001"), r"HTTP/1\.1 20[02]")
        # Cut off behind the decision, and behind the answer.
        self.rules([{"match": {"operation": "EnrollmentGroup_CreateOrUpdate", "times": 1}, "do": {"cut_after": "reset"}}])
        try:
            said = self.factory.verb(*words)
            group, = [w.rstrip(",") for w in said.split() if w.startswith("revoked-")]
            self.assertEqual(self.factory.ask_service("GET", "/enrollmentGroups/" + group)["provisioningStatus"], "disabled")
            self.factory.verb(*words)
            self.assertEqual([len(self.entries(t)) for t in ("ca.revoking", "ca.revoked")], [1, 2])
            answer = self.register("SIM0001")
            record = self.factory.ask_service("GET", "/registrations/" + name)
            self.assertTrue("HTTP/1.1 401" in answer or record["status"] == "disabled", (answer, record))
            self.assertIn("E-REV-004", self.factory.verb("run", "--config", self.factory.config, status=3))
        finally:
            self.factory.ask_service("DELETE", "/enrollmentGroups/" + group)


if __name__ == "__main__":
    sys.exit(unittest.main())
