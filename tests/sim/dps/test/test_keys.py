# SPDX-License-Identifier: Apache-2.0
"""Symmetric keys, attestation mechanisms, and what becomes of a device that comes again."""
import base64
import hashlib
import hmac
import os
import time

from emulator import Case, client, ek, main, sas, signing

HUB_1, HUB_2 = "hub-1.azure-devices.net", "hub-2.azure-devices.net"
# A group's key, a registration id and the key derived for it, as published.
GROUP_KEY = "8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw=="
DERIVED_ID = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6"
DERIVED_KEY = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="


def keys(primary=None, secondary=None):
    given = {k: v for k, v in (("primaryKey", primary), ("secondaryKey", secondary)) if v}
    return {"type": "symmetricKey", **({"symmetricKey": given} if given else {})}


def random_key(size=32):
    return base64.b64encode(os.urandom(size)).decode()


def derived(group_key, name):
    return base64.b64encode(hmac.new(base64.b64decode(group_key), name.encode(), hashlib.sha256).digest()).decode()


class Keyed(Case):
    def put(self, kind, name, attestation, tag=None, **fields):
        path, field = {"enrollment": ("enrollments", "registrationId"),
                       "group": ("enrollmentGroups", "enrollmentGroupId")}[kind]
        answer = self.emulator.service("PUT", f"/{path}/{name}", {field: name, "attestation": attestation, **fields},
                                       if_match=tag)
        self.assertEqual(answer.status, 200, answer.raw)
        return answer.json

    def mechanism(self, path, **kw):
        return self.emulator.service("POST", path + "/attestationmechanism", **kw)

    def token(self, name, key, sr=None, skn="registration", ttl=600):
        resource = sr or f"{self.emulator.scope}%2fregistrations%2f{name}"
        return sas(f"HostName=none;SharedAccessKeyName={skn};SharedAccessKey={key}", resource, ttl)

    def ask(self, name, auth, method="PUT", path="/register", cert=None):
        body = {"registrationId": name} if method != "GET" else None
        return self.emulator.send(method, f"/{self.emulator.scope}/registrations/{name}{path}?api-version=2021-06-01", body,
                                  auth=auth, cert=cert)

    def register(self, name, key):
        auth = self.token(name, key)
        first = self.ask(name, auth)
        if first.status != 202:
            return first
        self.ask(name, auth, "GET", "/operations/" + first.json["operationId"])
        return self.ask(name, auth, "GET", "/operations/" + first.json["operationId"])

    def device(self, name, hub):
        return self.emulator.hub("GET", "/devices/" + name, [HUB_1, HUB_2].index(hub))


class SymmetricKeys(Keyed):
    def test_keys_are_made_when_left_out_and_shown_in_one_place_only(self):
        put = self.put("enrollment", "made", keys())
        path = "/enrollments/made"
        self.assertEqual(put["attestation"], {"type": "symmetricKey", "symmetricKey": {}})
        self.assertEqual(self.emulator.service("GET", path).json, put)
        query = self.emulator.service("POST", "/enrollments/query", {"query": "SELECT * FROM enrollments"})
        shown = self.mechanism(path).json
        self.assertEqual(shown["type"], "symmetricKey")
        pair = shown["symmetricKey"]
        self.assertEqual([len(base64.b64decode(pair[k])) for k in ("primaryKey", "secondaryKey")], [64, 64])
        self.assertNotEqual(pair["primaryKey"], pair["secondaryKey"])
        self.assertNotIn(pair["primaryKey"].encode(), query.raw)
        self.refused(self.mechanism(path, auth=sas(self.emulator.policy("reader"))), 401000)
        self.refused(self.mechanism(path, auth="Bearer " + self.emulator.endpoint["bearer"]["reader"]), 401000)
        self.refused(self.mechanism("/enrollments/nobody"), 404201)

    def test_keys_of_16_to_64_bytes_are_taken_and_no_others(self):
        for size, status in ((15, 400), (16, 200), (64, 200), (65, 400)):
            name = f"size-{size}"
            answer = self.emulator.service("PUT", "/enrollments/" + name,
                                           {"registrationId": name, "attestation": keys(random_key(size))})
            self.assertEqual(answer.status, status)
        answer = self.emulator.service("PUT", "/enrollments/size", {"registrationId": "size", "attestation": keys("no base64")})
        self.refused(answer, 400000)

    def test_both_keys_of_an_enrollment_register_the_device(self):
        first, second = random_key(), random_key(64)
        self.put("enrollment", "both", keys(first, second), deviceId="Both")
        for key in (first, second):
            done = self.register("both", key)
            self.assertEqual(done.json["status"], "assigned", done.raw)
        state = done.json["registrationState"]
        self.assertEqual((state["deviceId"], state["symmetricKey"]), ("Both", {}))
        authentication = self.device("Both", state["assignedHub"]).json["authentication"]
        self.assertEqual((authentication["type"], authentication["symmetricKey"]),
                         ("sas", {"primaryKey": first, "secondaryKey": second}))

    def test_a_groups_key_is_derived_as_published(self):
        self.put("group", "derived", keys(GROUP_KEY))
        self.assertEqual(derived(GROUP_KEY, DERIVED_ID), DERIVED_KEY)
        state = self.register(DERIVED_ID, DERIVED_KEY).json["registrationState"]
        self.assertEqual(state["symmetricKey"], {"enrollmentGroupId": "derived"})
        pair = self.device(DERIVED_ID, state["assignedHub"]).json["authentication"]["symmetricKey"]
        self.assertEqual(pair["primaryKey"], DERIVED_KEY)
        secondary = self.mechanism("/enrollmentgroups/DERIVED").json["symmetricKey"]["secondaryKey"]
        self.assertEqual(self.register("sn-2", derived(secondary, "sn-2")).json["status"], "assigned")
        listed = self.emulator.service("POST", "/registrations/derived/query").json
        self.assertEqual({r["registrationId"] for r in listed}, {DERIVED_ID, "sn-2"})

    def test_the_case_of_an_id_matters_to_the_derived_key_alone(self):
        key = random_key()
        self.put("group", "cased", keys(key))
        self.assertEqual(self.register("Case-1", derived(key, "Case-1")).status, 200)
        self.refused(self.register("case-1", derived(key, "Case-1")), 401002)

    def test_a_token_of_another_key_id_name_or_time_is_refused(self):
        key = random_key()
        self.put("enrollment", "strict", keys(key))
        good = self.token("strict", key)
        for auth in (self.token("strict", random_key()), self.token("strict", key, ttl=-5), self.token("other", key),
                     self.token("strict", key, skn="line"), self.token("strict", key, sr=self.emulator.scope),
                     good.replace("sig=", "sig=A"), good.replace("&se=", "&se=9"), "SharedAccessSignature "):
            self.refused(self.ask("strict", auth), 401002)
        self.refused(self.ask("strict", None), 401000)
        self.refused(self.ask("strict", None, cert=self.pki.make("strict")), 401000)
        self.refused(self.ask("unknown", self.token("unknown", key)), 401002)
        for sr in (f"{self.emulator.scope}/registrations/strict", f"{self.emulator.scope}%2Fregistrations%2FSTRICT"):
            self.assertEqual(self.ask("strict", self.token("strict", key, sr=sr)).status, 202)

    def test_an_operation_is_shown_to_a_fitting_token_only(self):
        key = random_key()
        self.put("enrollment", "shown", keys(key))
        operation = "/operations/" + self.ask("shown", self.token("shown", key)).json["operationId"]
        self.refused(self.ask("shown", None, "GET", operation), 401002)
        self.refused(self.ask("shown", self.token("shown", random_key()), "GET", operation), 401002)
        self.assertEqual(self.ask("shown", self.token("shown", key), "GET", operation).status, 202)
        looked = self.ask("shown", self.token("shown", key), "POST", "")
        self.assertEqual((looked.status, looked.json["status"]), (200, "assigned"))

    def test_a_disabled_individual_blocks_a_device_of_a_group(self):
        key = random_key()
        self.put("group", "blocked", keys(key))
        own = derived(key, "blocked-1")
        self.assertEqual(self.register("blocked-1", own).status, 200)
        self.put("enrollment", "blocked-1", keys(own), provisioningStatus="disabled")
        self.refused(self.register("blocked-1", own), 401002)
        self.put("group", "blocked", keys(key), "*", provisioningStatus="disabled")
        self.refused(self.register("blocked-2", derived(key, "blocked-2")), 401002)


class Mechanisms(Keyed):
    def test_a_tpms_mechanism_is_its_endorsement_key(self):
        attestation = {"type": "tpm", "tpm": {"endorsementKey": ek(), "storageRootKey": ek(attributes=0x30472)}}
        self.put("enrollment", "m-tpm", attestation)
        self.assertEqual(self.mechanism("/Enrollments/M-TPM").json, attestation)

    def test_a_certificates_mechanism_is_info(self):
        leaf = self.pki.make("m-x509")
        self.put("enrollment", "m-x509", client(leaf.text))
        slot = self.mechanism("/enrollments/m-x509").json["x509"]["clientCertificates"]["primary"]
        self.assertEqual((list(slot), slot["info"]["sha256Thumbprint"]), (["info"], leaf.sha256))

    def test_a_certificate_stands_in_one_entry_of_whatever_kind(self):
        self.put("group", "kinds", signing(self.line.text))
        body = {"registrationId": "kinds", "attestation": client(self.line.text)}
        self.refused(self.emulator.service("PUT", "/enrollments/kinds", body), 409000)
        leaf = self.pki.make("two-slots")
        pair = {"type": "x509", "x509": {"clientCertificates": {s: {"certificate": leaf.text} for s in ("primary", "secondary")}}}
        self.put("enrollment", "two-slots", pair)
        self.put("enrollment", "two-slots", client(self.pki.make("two-slots").text), "*")
        self.put("enrollment", "freed", client(leaf.text))
        self.emulator.stop()
        self.emulator.start()
        self.refused(self.emulator.service("PUT", "/enrollments/kinds", body), 409000)


class Again(Keyed):
    """Every reprovisioning policy, with a device that its entry moves from one hub to the other."""
    MIGRATE, RESET, NEVER = ({"updateHubAssignment": u, "migrateDeviceData": m} for u, m in ((True, True), (True, False),
                                                                                            (False, False)))

    def setUp(self):
        self.key = random_key()
        self.name = f"again-{time.monotonic_ns()}"

    def enroll(self, hub, policy, tag=None, colour="red"):
        self.put("enrollment", self.name, keys(self.key), tag, iotHubs=[hub], allocationPolicy="static",
                 reprovisionPolicy=policy, capabilities={"iotEdge": True},
                 initialTwin={"tags": {"colour": colour}, "properties": {"desired": {"speed": 5}}})

    def go(self):
        state = self.register(self.name, self.key).json["registrationState"]
        return state["assignedHub"], state["substatus"]

    def twin(self, hub):
        return self.emulator.hub("GET", "/twins/" + self.name, [HUB_1, HUB_2].index(hub))

    def test_a_new_device_begins_with_what_its_entry_says(self):
        self.enroll(HUB_1, self.MIGRATE)
        self.assertEqual(self.go(), (HUB_1, "initialAssignment"))
        self.assertEqual(self.device(self.name, HUB_1).json["capabilities"], {"iotEdge": True})
        twin = self.twin(HUB_1).json
        self.assertEqual((twin["tags"], twin["properties"]["desired"]["speed"]), ({"colour": "red"}, 5))

    def test_data_moves_with_the_device(self):
        self.enroll(HUB_1, self.MIGRATE)
        self.go()
        before = self.device(self.name, HUB_1).json["generationId"]
        self.enroll(HUB_2, self.MIGRATE, "*", "blue")
        self.assertEqual(self.go(), (HUB_2, "deviceDataMigrated"))
        self.assertEqual((self.device(self.name, HUB_1).status, self.twin(HUB_1).status), (404, 404))
        self.assertEqual(self.device(self.name, HUB_2).json["generationId"], before)
        self.assertEqual(self.twin(HUB_2).json["tags"], {"colour": "red"})

    def test_data_begins_again_from_the_entry(self):
        self.enroll(HUB_1, self.RESET)
        self.go()
        self.enroll(HUB_2, self.RESET, "*", "blue")
        self.assertEqual(self.go(), (HUB_2, "deviceDataReset"))
        self.assertEqual(self.device(self.name, HUB_1).status, 404)
        self.assertEqual(self.twin(HUB_2).json["tags"], {"colour": "blue"})
        self.enroll(HUB_1, self.RESET, "*")
        self.assertEqual(self.go(), (HUB_1, "reprovisionedToInitialAssignment"))

    def test_a_device_that_must_stay_stays(self):
        self.enroll(HUB_1, self.NEVER)
        self.go()
        self.enroll(HUB_2, self.NEVER, "*", "blue")
        self.assertEqual(self.go(), (HUB_1, "initialAssignment"))
        self.assertEqual((self.twin(HUB_1).json["tags"], self.device(self.name, HUB_2).status), ({"colour": "red"}, 404))

    def test_a_device_deleted_at_its_hub_is_put_there_again(self):
        for policy in (self.MIGRATE, self.RESET, self.NEVER):
            self.setUp()
            self.enroll(HUB_1, policy)
            self.go()
            self.assertEqual(self.emulator.hub("DELETE", "/devices/" + self.name, if_match="*").status, 204)
            self.assertEqual(self.twin(HUB_1).status, 404)
            self.assertEqual(self.go(), (HUB_1, "initialAssignment"))
            self.assertEqual(self.twin(HUB_1).json["tags"], {"colour": "red"})

    def test_a_deleted_record_begins_anew(self):
        self.enroll(HUB_1, self.MIGRATE)
        self.go()
        self.enroll(HUB_2, self.MIGRATE, "*")
        self.assertEqual(self.emulator.service("DELETE", "/registrations/" + self.name).status, 204)
        self.assertEqual(self.go(), (HUB_2, "initialAssignment"))


if __name__ == "__main__":
    main()
