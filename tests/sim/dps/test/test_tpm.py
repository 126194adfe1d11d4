# SPDX-License-Identifier: Apache-2.0
"""TPM attestation, with a software TPM that unwraps the service's keys and signs with them."""
import base64
import hashlib
import hmac
import json
import os
import time
import urllib.parse

from emulator import Case, main
from tpm import Tpm, split_blob

# A key and the registration id that SDKs derive from it, as published.
GOLDEN_ID = "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa"
GOLDEN_EK = (
    "AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAgAAAAAAAEAopqgkUBwtpr1sCgVJcEZ"
    "xsJtpmtOAt9K7SjGFe4hsp6DJ/dd2E5UFzBC+Jp8Fzqf5ukRBkqrAgIuAvHRsruIedk1uarJSLhbDpFLHxFd7iDNcYfrvdgVNT2T"
    "9zrvkh2y04WuRQg2D5qf0tZF82jeTjR/YJK7uWhaRwWOwZ3b1XD9l6wFOrwK/Ic0PEsjneFXQzL0n9uKyuHmHNz+wHppmOiMAabv"
    "nXXEin9ou7/iowY/+YhFm3j7atsVvxMI5HEM3Mq+W4imUuzPxVX7fZH+oWPKP5ofpWBTf+MdttGby1AjGnv8JE69JriOYoZG2/4q"
    "bsfv9M7a7NFrBlaW7Rt36w==")


def tpm_attestation(ek, **more):
    return {"type": "tpm", "tpm": {"endorsementKey": ek, **more}}


class ByTpm(Case):
    @classmethod
    def prepare(cls):
        cls.rules = os.path.join(cls.folder, "rules.json")
        cls.set_rules([])
        cls.args = ("--rules", cls.rules)

    @classmethod
    def set_rules(cls, rules):
        with open(cls.rules + ".new", "w") as f:
            json.dump(rules, f)
        os.rename(cls.rules + ".new", cls.rules)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tpm, cls.other = Tpm(cls.folder), Tpm(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.tpm.close()
        cls.other.close()
        super().tearDownClass()

    def enroll(self, name, tag=None, tpm=None, **fields):
        body = {"registrationId": name, "attestation": tpm_attestation((tpm or self.tpm).ek), **fields}
        answer = self.emulator.service("PUT", "/enrollments/" + name, body, if_match=tag)
        self.assertEqual(answer.status, 200, answer.raw)

    def ask(self, name, tpm=None, auth=None, method="PUT", path="/register", **tpm_fields):
        tpm = tpm or self.tpm
        body = {"registrationId": name, "tpm": {"endorsementKey": tpm.ek, "storageRootKey": tpm.srk, **tpm_fields}}
        return self.emulator.send(method, f"/{self.emulator.scope}/registrations/{name}{path}?api-version=2021-06-01",
                                  body if method != "GET" else None, auth=auth)

    def token(self, name, tpm=None, sr=None, skn="registration", ttl=600):
        sr = sr or urllib.parse.quote(f"{self.emulator.scope}/registrations/{name}", safe="")
        se = int(time.time()) + ttl
        sig = base64.b64encode((tpm or self.tpm).sign(f"{sr}\n{se}")).decode()
        return f"SharedAccessSignature sr={sr}&sig={urllib.parse.quote(sig, safe='')}&se={se}&skn={skn}"

    def challenged(self, name, tpm=None):
        answer = self.ask(name, tpm)
        self.assertEqual((answer.status, answer.json.get("keyName")), (401, "registration"), answer.raw)
        return answer.json["authenticationKey"]

    def register(self, name, tpm=None):
        """The whole exchange as a device does it; the final answer."""
        tpm = tpm or self.tpm
        tpm.take_key(self.challenged(name, tpm))
        token = self.token(name, tpm)
        first = self.ask(name, tpm, token)
        self.assertEqual(first.status, 202, first.raw)
        for _ in range(5):
            last = self.ask(name, tpm, token, "GET", "/operations/" + first.json["operationId"])
            if last.status != 202:
                return last
        raise AssertionError("never done")

    def device(self, name, hub):
        hubs = [h["hostName"] for h in self.emulator.endpoint["hubs"]]
        return self.emulator.hub("GET", "/devices/" + name, hubs.index(hub)).json

    def test_a_tpm_unwraps_both_keys_and_the_hub_knows_the_second(self):
        self.enroll("tpm-1", deviceId="Device-1")
        done = self.register("tpm-1")
        state = done.json["registrationState"]
        self.assertEqual((done.status, done.json["status"], state["deviceId"]), (200, "assigned", "Device-1"))
        self.tpm.take_key(state["tpm"]["authenticationKey"])
        device = self.device("Device-1", state["assignedHub"])
        self.assertEqual(device["authentication"]["type"], "sas")
        key = base64.b64decode(device["authentication"]["symmetricKey"]["primaryKey"])
        self.assertEqual(self.tpm.sign("to the hub"), hmac.new(key, b"to the hub", hashlib.sha256).digest())
        kept = self.emulator.service("GET", "/registrations/tpm-1").json
        self.assertEqual((kept["status"], kept["assignedHub"]), ("assigned", state["assignedHub"]))
        self.assertNotIn("tpm", kept)

    def test_the_challenge_says_no_status_and_has_the_published_layout(self):
        self.enroll("layout")
        answer = self.ask("layout")
        self.assertEqual(set(answer.json), {"message", "authenticationKey", "keyName"})
        parts = split_blob(base64.b64decode(answer.json["authenticationKey"]))
        self.assertEqual([len(p) for p in parts[:5]], [54, 258, 144, 258, 50])
        self.assertEqual(len(parts), 6)
        self.assertGreater(len(parts[5]), 2)

    def test_each_challenge_has_a_key_of_its_own_and_voids_the_one_before(self):
        self.enroll("voids")
        first = self.challenged("voids")
        self.tpm.take_key(first)
        token = self.token("voids")
        self.assertNotEqual(self.challenged("voids"), first)
        self.refused(self.ask("voids", auth=token), 401002)

    def test_a_challenge_lives_for_an_hour(self):
        self.enroll("hour")
        self.tpm.take_key(self.challenged("hour"))
        token = self.token("hour", ttl=9000)
        self.addCleanup(self.set_rules, [])
        for seconds, status in ((3700, 401), (3500, 202)):
            self.set_rules([{"match": {"path": "/hour/"}, "do": {"clock_skew_s": seconds}}])
            self.assertEqual(self.ask("hour", auth=token).status, status)

    def test_a_tpm_that_proved_itself_may_be_told_late_that_it_is_disabled(self):
        self.enroll("late")
        self.tpm.take_key(self.challenged("late"))
        token = self.token("late")
        self.enroll("late", "*", provisioningStatus="disabled")
        self.refused(self.ask("late", auth=token), 401002)
        self.addCleanup(self.set_rules, [])
        self.set_rules([{"match": {"path": "/late/"}, "do": {"async_failure": True, "polls": 0}}])
        self.refused(self.ask("late"), 401002)
        begun = self.ask("late", auth=token)
        self.assertEqual(begun.status, 202)
        done = self.ask("late", auth=token, method="GET", path="/operations/" + begun.json["operationId"])
        self.assertEqual((done.status, done.json["status"]), (200, "disabled"))

    def test_another_tpm_cannot_use_the_challenge(self):
        self.enroll("mine")
        blob = self.challenged("mine")
        with self.assertRaises(AssertionError):
            self.other.take_key(blob)
        self.refused(self.ask("mine", self.other), 400004)

    def test_a_token_must_be_for_this_id_with_this_key_and_in_force(self):
        self.enroll("strict")
        self.tpm.take_key(self.challenged("strict"))
        wrong = self.token("strict")[:-len("registration")] + "line"
        for token in (wrong, self.token("strict", ttl=-5), self.token("strict", sr=self.emulator.scope),
                      self.token("strict", sr=self.emulator.scope + "%2fregistrations%2fother"),
                      self.token("strict").replace("sig=", "sig=A"), "SharedAccessSignature sr=x"):
            self.refused(self.ask("strict", auth=token), 401002)
        for sr in (f"{self.emulator.scope}%2fregistrations%2fstrict", f"{self.emulator.scope}/registrations/STRICT"):
            self.assertEqual(self.ask("strict", auth=self.token("strict", sr=sr)).status, 202)

    def test_the_operation_is_shown_to_the_same_tpm_only(self):
        self.enroll("polled")
        self.tpm.take_key(self.challenged("polled"))
        operation = "/operations/" + self.ask("polled", auth=self.token("polled")).json["operationId"]
        self.refused(self.ask("polled", method="GET", path=operation), 401002)
        self.assertEqual(self.ask("polled", auth=self.token("polled"), method="GET", path=operation).status, 202)
        self.assertEqual(self.ask("polled", auth=self.token("polled"), method="POST", path="").json["status"], "assigned")
        self.refused(self.ask("polled", method="POST", path=""), 401000)

    def test_an_unknown_or_wrong_endorsement_key_is_refused_at_once(self):
        self.refused(self.ask("nobody"), 404201)
        self.enroll("wrong")
        self.refused(self.ask("wrong", self.other), 400004)
        self.refused(self.ask("wrong", endorsementKey=self.tpm.ek[:-8]), 400004)
        self.refused(self.ask("wrong", storageRootKey="AToA"), 400004)

    def test_a_disabled_enrollment_gets_no_challenge(self):
        self.enroll("off", provisioningStatus="disabled")
        self.refused(self.ask("off"), 401002)

    def test_a_second_registration_gets_a_new_key_for_the_same_hub(self):
        self.enroll("again")
        first = self.register("again").json["registrationState"]
        key = self.device("again", first["assignedHub"])["authentication"]["symmetricKey"]["primaryKey"]
        second = self.register("again").json["registrationState"]
        self.assertEqual((second["assignedHub"], second["substatus"]), (first["assignedHub"], "initialAssignment"))
        self.assertNotEqual(self.device("again", first["assignedHub"])["authentication"]["symmetricKey"]["primaryKey"], key)

    def test_the_published_endorsement_key_is_taken(self):
        digest = hashlib.sha256(base64.b64decode(GOLDEN_EK)).digest()
        self.assertEqual(base64.b32encode(digest).decode().lower().rstrip("="), GOLDEN_ID)
        body = {"registrationId": GOLDEN_ID, "attestation": tpm_attestation(GOLDEN_EK)}
        self.assertEqual(self.emulator.service("PUT", "/enrollments/" + GOLDEN_ID, body).status, 200)


if __name__ == "__main__":
    main()
