#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way into the service: units with a TPM and units without, by an entry of their own or as a group's members.

What is proved is read where it counts: in the service's own record and in the hub's registry, on the devices and in the ledger. Each
test has devices, ledger and configuration of its own; the factory and its service are shared.
"""
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import re
import ssl
import time
import unittest
import urllib.parse

from case import EK, SERIAL, TPM, Case, UnitTpm, bundle_fields, for_each_kind
from sim import wait_until

TWIN = {"tags": {"site": "north"}, "properties": {"desired": {"period": 60}}}
ENTRY = "device_id = Acme@{serial}\ntwin = twin.json\nedge = yes\nreprovision = reset\nallocation = static\n"


class EntryOfItsOwn(Case):
    devices, serial = 9, 4
    kinds = [(TPM, "x509-individual"), (TPM, "tpm"), (SERIAL, "x509-individual")]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.factory.dir / "twin.json").write_text(json.dumps(TWIN))

    def attestation_is(self, serial, attestation, entry):
        if attestation == "tpm":
            self.assertEqual(entry["attestation"]["type"], "tpm")
            fields = [tag for tag, _ in bundle_fields(self.factory.device_file(serial, "bundle.bin").read_bytes())]
            self.assertEqual(fields, [3, 4, 5, 10])
        else:
            _, digest = self.factory.leaf_of(serial)
            info = entry["attestation"]["x509"]["clientCertificates"]["primary"]["info"]
            self.assertEqual(info["sha256Thumbprint"].lower(), digest)

    @for_each_kind
    def test_entry_and_device_are_what_the_profile_says_and_are_made_once(self, kind, attestation):
        self.start(kind, attestation, ENTRY + "hub = %s\n" % self.hubs[0])
        serial = self.unit()
        slot = self.passes(serial)
        name = slot["registration_id"]
        entry = self.entry(name)
        self.attestation_is(serial, attestation, entry)
        self.assertEqual(entry["deviceId"], "Acme@" + serial)
        self.assertEqual(entry["iotHubs"], [self.hubs[0]])
        self.assertEqual(entry["allocationPolicy"], "static")
        self.assertEqual(entry["reprovisionPolicy"], {"updateHubAssignment": True, "migrateDeviceData": False})
        self.assertEqual(entry["initialTwin"]["properties"]["desired"]["period"], 60)
        self.assertEqual((slot["hub"], slot["device_id"]), (self.hubs[0], "Acme@" + serial))
        device = self.hub_has(slot, "sas" if attestation == "tpm" else "selfSigned")
        self.assertTrue(device["capabilities"]["iotEdge"])
        self.assertEqual(self.counts(name), (1, 1))
        self.assertEqual([e["body"]["registration_id"] for e in self.audit("enroll.queued")], [name])
        self.assertTrue(self.factory.results_of(self.state)[name]["attestation"] == attestation)
        # The same unit again: recognised, and nothing is written anywhere.
        before = len(self.factory.requests())
        again = self.passes(serial, 2)
        self.assertTrue(again["recognised"])
        self.assertEqual(len(self.factory.requests()), before)
        self.assertEqual(self.counts(name), (1, 1))
        self.assertEqual(len(self.audit("permit.intent" if attestation == "tpm" else "sign.intent")), 1)

    @for_each_kind
    def test_another_entry_under_the_id_asks_a_person_and_shows_both(self, kind, attestation):
        self.start(kind, attestation, "device_id = Acme@{serial}\nid = template\nid_template = %s-{serial}\n" % attestation)
        serial = self.unit()
        name = "%s-%s" % (attestation, serial.lower())
        self.entry(name, "PUT", {"registrationId": name, "deviceId": "Other@1",
                                 "attestation": {"type": "symmetricKey", "symmetricKey": {}}})
        slot = self.visit(serial)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-DPS-011"), slot)
        self.assertIn("here", slot["what"])
        self.assertIn("there", slot["what"])
        aside, = self.audit("enroll.aside")
        self.assertIn("Other@1", aside["body"]["difference"])
        self.assertIn("Acme@" + serial, aside["body"]["difference"])
        self.assertEqual(self.entry(name)["deviceId"], "Other@1", "what is there was left alone")
        # A person decides that the old entry goes.
        self.entry(name, "DELETE")
        self.assertEqual(self.passes(serial)["device_id"], "Acme@" + serial)
        self.assertEqual(self.entry(name)["deviceId"], "Acme@" + serial)

    @for_each_kind
    def test_without_the_service_all_else_is_done_and_the_rest_when_it_is_back(self, kind, attestation):
        self.start(kind, attestation)
        serial = self.unit()
        self.factory.dps_goes_dark()
        try:
            slot = self.visit(serial)
        finally:
            self.factory.dps_comes_back()
        self.assertEqual((slot["verdict"], slot["code"]), ("BUILT", "E-DPS-001"), slot)
        name = slot["registration_id"]
        self.assertIn((5, name.encode()), bundle_fields(self.factory.device_file(serial, "bundle.bin").read_bytes()))
        self.assertFalse(self.factory.list()[serial]["closed"], "a unit that was not proved is not closed")
        self.assertEqual(self.passes(serial, 2)["registration_id"], name)
        self.assertTrue(self.factory.list()[serial]["closed"])
        self.assertEqual(self.counts(name), (1, 1))

    @for_each_kind
    def test_an_equal_entry_that_is_there_already_is_right(self, kind, attestation):
        self.start(kind, attestation, "edge = yes\n")
        serial = self.unit()
        self.factory.dps_goes_dark()
        slot = self.visit(serial)
        name = slot["registration_id"]
        self.line.stop()
        self.factory.dps_comes_back()
        self.entry(name, "PUT", self.body_of(slot))
        self.line = self.factory.start_line(config=self.config)
        self.passes(serial)
        done, = self.audit("enroll.done")
        self.assertTrue(done["body"]["found"])
        self.assertEqual(self.counts(name), (1, 1))


    def test_unit_whose_entry_is_gone_does_not_pass_by_a_group_of_the_same_ca(self):
        self.start(TPM, "x509-individual")
        serial = self.unit()
        self.factory.dps_goes_dark()
        try:
            name = self.visit(serial)["registration_id"]
        finally:
            self.factory.dps_comes_back()
        wait_until(lambda: self.entry(name), 60, "the entry that waited")
        wait_until(lambda: self.audit("enroll.done"), 20, "its record")
        self.entry(name, "DELETE")
        slot = self.visit(serial)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-DPS-009"), slot)
        self.assertIn("a member of group demo-group", slot["what"])


class MemberOfAGroup(Case):
    devices, serial = 1, 1
    kinds = [(TPM, "x509-group"), (SERIAL, "x509-group")]

    @for_each_kind
    def test_no_entry_is_made_and_the_unit_comes_by_its_chain(self, kind, attestation):
        self.start(kind, attestation)
        serial = self.unit()
        slot = self.passes(serial)
        name = slot["registration_id"]
        self.assertIsNone(self.entry(name))
        self.assertEqual((slot["device_id"], self.counts(name)), (name, (0, 1)))
        self.hub_has(slot, "selfSigned")
        tags = [1, 2, 3, 4, 5] + ([6, 7, 8, 9] if kind == TPM else [])
        self.assertEqual([tag for tag, _ in bundle_fields(self.factory.device_file(serial, "bundle.bin").read_bytes())], tags)
        self.assertTrue(self.passes(serial, 2)["recognised"])
        self.assertEqual(self.counts(name), (0, 1))


class ByTpm(Case):
    devices = 6
    kind = TPM

    def test_endorsement_key_of_another_kind_is_refused_before_anything_is_counted(self):
        self.factory.add_devices(1, prefix="ECC", no_cert=True)
        self.tools("ECC0001", ["tpm2_evictcontrol", "-C", "o", "-c", EK], ["tpm2_createek", "-G", "ecc", "-c", EK, "-u", "/dev/null"])
        self.start(TPM, "tpm", "ek_certificate = optional\n")
        slot = self.visit("ECC0001")
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-TPM-006"), slot)
        self.assertEqual(self.audit("permit.intent"), [])
        self.assertEqual(self.audit("enroll.queued"), [])
        self.line.stop()
        self.setUp()
        self.start(TPM, "x509-individual", "ek_certificate = optional\n")
        self.passes("ECC0001")

    def test_unit_registers_by_its_tpm_without_the_station(self):
        self.start(TPM, "tpm")
        serial = self.unit()
        slot = self.passes(serial)
        self.line.stop()
        fields = dict(bundle_fields(self.factory.device_file(serial, "bundle.bin").read_bytes()))
        scope, endpoint, name = (fields[tag].decode() for tag in (3, 4, 5))
        host, port = re.match(r"https://([^:/]+):(\d+)$", endpoint).groups()
        path = "/%s/registrations/%s" % (scope, name)
        with self.factory.swtpm(serial) as socket:
            tpm = UnitTpm(self.factory.dir, socket)
            body = json.dumps({"registrationId": name, "tpm": {"endorsementKey": tpm.ek, "storageRootKey": tpm.srk}})

            def ask(method, rest, token=None):
                link = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(
                    cafile=self.factory.endpoint["ca"]), timeout=20)
                with contextlib.closing(link):
                    link.request(method, path + rest + "?api-version=2021-06-01", body if method == "PUT" else None,
                                 {"Content-Type": "application/json", **({"Authorization": token} if token else {})})
                    answer = link.getresponse()
                    return answer.status, json.loads(answer.read())

            status, challenge = ask("PUT", "/register")
            self.assertEqual((status, challenge["keyName"]), (401, "registration"))
            tpm.take_key(challenge["authenticationKey"])
            resource = urllib.parse.quote("%s/registrations/%s" % (scope, name), safe="")
            end = int(time.time()) + 600
            signature = urllib.parse.quote(base64.b64encode(tpm.sign("%s\n%d" % (resource, end))).decode(), safe="")
            token = "SharedAccessSignature sr=%s&sig=%s&se=%d&skn=registration" % (resource, signature, end)
            status, state = ask("PUT", "/register", token)
            for _ in range(20):
                if status != 202:
                    break
                time.sleep(0.2)
                status, state = ask("GET", "/operations/" + state["operationId"], token)
            self.assertEqual((status, state["status"]), (200, "assigned"), state)
            self.assertEqual(state["registrationState"]["assignedHub"], slot["hub"])
            self.assertEqual(state["registrationState"]["deviceId"], slot["device_id"])
            tpm.take_key(state["registrationState"]["tpm"]["authenticationKey"])
            hub_key = self.hub_has(slot, "sas")["authentication"]["symmetricKey"]["primaryKey"]
            # The TPM holds the very key that the hub knows the device by.
            self.assertEqual(tpm.sign("anything").hex(), self.mac(hub_key, "anything"))

    @staticmethod
    def mac(key, text):
        return hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).hexdigest()

    def test_profile_that_changes_its_attestation_holds_the_units_that_it_began(self):
        for first, second in (("tpm", "x509-individual"), ("x509-individual", "tpm")):
            with self.subTest(first=first):
                state = self.state
                self.start(TPM, first, "finish = no\n")
                serial = self.unit()
                name = self.passes(serial)["registration_id"]
                self.line.stop()
                self.start(TPM, second, "finish = no\nexisting_key = replace\n")
                slot = self.visit(serial)
                self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-ID-005"), slot)
                self.assertEqual(self.counts(name), (1, 1))
                self.line.stop()
                self.setUp()
                self.assertNotEqual(self.state, state)

    def test_device_id_that_no_hub_takes_fails_the_unit_before_it_is_counted(self):
        self.factory.add_devices(1, prefix="LONG", model="m" * 60)
        self.start(TPM, "tpm", "device_id = {serial}-{model}-{model}-{model}\n")
        slot = self.visit("LONG0001")
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-ID-004"), slot)
        self.assertEqual(self.audit("permit.intent"), [])

    def test_unit_that_lands_elsewhere_is_not_passed(self):
        lines = "reprovision = never\nfinish = no\nexisting_key = replace\nid = template\nid_template = stay-{serial}\n"
        self.start(TPM, "x509-individual", lines + "hub = %s\n" % self.hubs[0])
        serial = self.unit()
        name = self.passes(serial)["registration_id"]
        self.line.stop()
        self.entry(name, "DELETE")
        # Another line wants it in another hub, but the service keeps what it was told: never to move it.
        self.setUp()
        self.start(TPM, "x509-individual", lines + "hub = %s\n" % self.hubs[1])
        slot = self.visit(serial)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-DPS-009"), slot)
        self.assertIn(self.hubs[0], slot["what"])
        self.assertFalse(self.factory.list()[serial]["closed"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
