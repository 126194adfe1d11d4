# SPDX-License-Identifier: Apache-2.0
"""The device's side: mutual TLS with chains that openssl made, then the hub's registry."""
import os
import ssl
import time

from emulator import Case, Emulator, LEAF, client, main, signing

HUB_1, HUB_2 = "hub-1.azure-devices.net", "hub-2.azure-devices.net"


class ByGroup(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.emulator.put_group("products", cls.root)

    def leaf(self, name, issuer=None, **kw):
        return self.pki.make(name, issuer or self.line, **kw)

    def test_a_device_with_its_full_chain_is_assigned_and_stands_in_its_hub(self):
        leaf = self.leaf("full-1")
        chain = leaf.chain(self.line, self.root)
        first = self.emulator.device("PUT", "full-1/register", leaf, chain, {"registrationId": "full-1"})
        self.assertEqual(first.status, 202)
        self.assertEqual(first.headers["Retry-After"], "1")
        self.assertEqual(first.json["status"], "assigning")
        self.assertRegex(first.json["operationId"], r"^4\.[0-9a-f]{16}\.[0-9a-f-]{36}$")
        self.assertIn(f"/full-1/operations/{first.json['operationId']}?api-version=", first.headers["Location"])
        poll = lambda: self.emulator.device("GET", f"full-1/operations/{first.json['operationId']}", leaf, chain)
        self.assertEqual(poll().status, 202)
        done = poll()
        self.assertEqual(done.status, 200)
        state = done.json["registrationState"]
        self.assertEqual((done.json["status"], state["status"], state["substatus"], state["deviceId"]),
                         ("assigned", "assigned", "initialAssignment", "full-1"))
        self.assertEqual(state["x509"]["enrollmentGroupId"], "products")
        self.assertEqual(state["x509"]["certificateInfo"]["sha1Thumbprint"], leaf.sha1)
        self.assertEqual(state["x509"]["signingCertificateInfo"]["sha1Thumbprint"], self.root.sha1)
        hub = [HUB_1, HUB_2].index(state["assignedHub"])
        device = self.emulator.hub("GET", "/devices/full-1", hub).json
        self.assertEqual(device["deviceId"], "full-1")
        self.assertEqual(device["authentication"]["type"], "selfSigned")
        self.assertEqual(device["authentication"]["x509Thumbprint"]["primaryThumbprint"], leaf.sha1)
        self.assertEqual(self.emulator.hub("GET", "/devices/full-1", 1 - hub).status, 404)
        record = self.emulator.service("GET", "/registrations/FULL-1").json
        self.assertEqual(record, {k: v for k, v in state.items() if k != "x509"})

    def test_a_device_may_speak_either_version_of_tls(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            leaf = self.leaf("tls-" + version.name[-1])
            chain = leaf.chain(self.line)
            context = self.emulator.context(leaf, chain)
            context.minimum_version = context.maximum_version = version
            self.assertEqual(self.emulator.register("tls-" + version.name[-1], leaf, chain).status, 200)

    def test_the_root_need_not_be_sent_when_it_is_the_verified_one(self):
        leaf = self.leaf("short-1")
        self.assertEqual(self.emulator.register("short-1", leaf, leaf.chain(self.line)).json["status"], "assigned")

    def test_a_leaf_without_its_intermediate_is_refused(self):
        self.refused(self.emulator.register("alone-1", self.leaf("alone-1")), 401002)

    def test_an_unverified_root_is_refused_even_when_the_group_holds_the_intermediate(self):
        root = self.pki.authority("Unverified Root")
        line = self.pki.authority("Unverified Line", root)
        self.assertEqual(self.emulator.put_group("unverified", line).status, 200)
        leaf = self.leaf("unv-1", line)
        self.refused(self.emulator.register("unv-1", leaf, leaf.chain(line, root)), 401002)

    def test_an_intermediate_of_the_same_name_but_another_key_is_refused(self):
        fake = self.pki.authority("Line CA", self.pki.authority("Product Root"))
        leaf = self.leaf("fake-1", fake)
        self.refused(self.emulator.register("fake-1", leaf, leaf.chain(fake)), 401002)
        self.refused(self.emulator.register("fake-1", leaf, leaf.chain(self.line, self.root)), 401002)

    def test_a_verified_intermediate_shortens_the_chain(self):
        line = self.pki.authority("Far Line", self.pki.authority("Far Root"))
        self.emulator.put_group("far", line)
        leaf = self.leaf("far-1", line)
        self.refused(self.emulator.register("far-1", leaf), 401002)
        self.assertEqual(self.emulator.arm("PUT", "/certificates/far-line", {"properties": {
            "certificate": line.text, "isVerified": True}}).status, 200)
        self.assertEqual(self.emulator.register("far-1", leaf).json["status"], "assigned")

    def test_a_leaf_cannot_sign_another_leaf(self):
        leaf = self.leaf("issuer-1")
        below = self.leaf("below-1", leaf)
        self.refused(self.emulator.register("below-1", below, below.chain(leaf, self.line)), 401002)

    def test_the_common_name_must_be_the_registration_id(self):
        leaf = self.leaf("mine-1")
        chain = leaf.chain(self.line)
        self.refused(self.emulator.register("yours-1", leaf, chain), 401002)
        self.assertEqual(self.emulator.service("GET", "/registrations/yours-1").status, 404)
        self.refused(self.emulator.device("PUT", "mine-1/register", leaf, chain, {"registrationId": "x"}), 400004)
        self.assertEqual(self.emulator.register("MINE-1", leaf, chain).status, 200)

    def test_without_certificate_or_scope_nothing_is_registered(self):
        self.refused(self.emulator.register("nobody", None), 401000)
        leaf = self.leaf("scope-1")
        answer = self.emulator.send("PUT", "/0neFFFFFFFF/registrations/scope-1/register?api-version=2021-06-01",
                                    {}, cert=leaf, chain=leaf.chain(self.line))
        self.refused(answer, 404000)
        self.refused(self.emulator.device("PUT", "a%20b/register", leaf, leaf.chain(self.line), {}), 400004)
        self.refused(self.emulator.device("PUT", "scope-1/register", leaf, leaf.chain(self.line)), 400000)

    def test_an_expired_leaf_is_refused(self):
        leaf = self.leaf("late-1", days="-1")
        self.refused(self.emulator.register("late-1", leaf, leaf.chain(self.line)), 401002)

    def test_a_leaf_that_is_no_tls_client_is_refused(self):
        leaf = self.leaf("server-1", extensions=LEAF.replace("clientAuth", "serverAuth"))
        self.refused(self.emulator.register("server-1", leaf, leaf.chain(self.line)), 401002)

    def test_a_chain_without_group_fails_after_the_202(self):
        other = self.pki.authority("Other Root")
        self.assertEqual(self.emulator.arm("PUT", "/certificates/other", {"properties": {
            "certificate": other.text, "isVerified": True}}).status, 200)
        leaf = self.leaf("lost-1", other)
        done = self.emulator.register("lost-1", leaf)
        self.assertEqual((done.status, done.json["status"]), (200, "failed"))
        self.assertEqual(done.json["registrationState"]["errorCode"], 404201)
        self.assertEqual(self.emulator.service("GET", "/registrations/lost-1").status, 404)

    def test_another_device_cannot_read_the_operation(self):
        leaf, other = self.leaf("op-1"), self.leaf("op-2")
        first = self.emulator.device("PUT", "op-1/register", leaf, leaf.chain(self.line), {})
        path = "op-1/operations/" + first.json["operationId"]
        self.refused(self.emulator.device("GET", path, other, other.chain(self.line)), 401002)
        self.refused(self.emulator.device("GET", path), 401002)
        self.refused(self.emulator.device("GET", "op-1/operations/4.0.0", leaf, leaf.chain(self.line)), 404000)

    def test_the_look_up_tells_what_became_of_it(self):
        leaf = self.leaf("look-1")
        chain = leaf.chain(self.line)
        self.refused(self.emulator.device("POST", "look-1", leaf, chain, {}), 404202)
        state = self.emulator.register("look-1", leaf, chain).json["registrationState"]
        self.assertEqual(self.emulator.device("POST", "look-1", leaf, chain, {}).json, state)
        self.refused(self.emulator.device("POST", "look-1", None, None, {}), 401000)

    def test_a_renewed_leaf_changes_the_thumbprint_and_keeps_the_rest(self):
        first, second = self.leaf("renew-1"), self.leaf("renew-1")
        before = self.emulator.register("renew-1", first, first.chain(self.line)).json["registrationState"]
        after = self.emulator.register("renew-1", second, second.chain(self.line)).json["registrationState"]
        self.assertEqual(after["createdDateTimeUtc"], before["createdDateTimeUtc"])
        self.assertEqual(after["assignedHub"], before["assignedHub"])
        hub = [HUB_1, HUB_2].index(after["assignedHub"])
        print_ = self.emulator.hub("GET", "/devices/renew-1", hub).json["authentication"]["x509Thumbprint"]
        self.assertEqual(print_["primaryThumbprint"], second.sha1)

    def test_a_registration_may_be_done_at_once(self):
        inner = os.path.join(self.folder, "at-once")
        os.mkdir(inner)
        fast = Emulator(inner, "--verified-ca", self.root.pem, "--polls", "-1")
        fast.put_group("fast", self.root)
        leaf = self.leaf("fast-1")
        done = fast.device("PUT", "fast-1/register", leaf, leaf.chain(self.line), {"registrationId": "fast-1"})
        self.assertEqual((done.status, done.json["status"]), (200, "assigned"))
        self.assertEqual(fast.device("GET", "fast-1/operations/" + done.json["operationId"], leaf).json, done.json)
        self.assertEqual(fast.stop()[0], 0)

    def test_the_records_of_a_group_come_in_pages_and_can_be_deleted(self):
        line = self.pki.authority("Paged Line", self.root)
        self.emulator.put_group("paged", line)
        for i in range(3):
            leaf = self.leaf(f"paged-{i}", line)
            self.emulator.register(f"paged-{i}", leaf, leaf.chain(line))
        query = lambda more=None: self.emulator.service("POST", "/registrations/paged/query", {"query": "x"},
                                                        max_items="2", more=more)
        first = query()
        second = query(first.headers["x-ms-continuation"])
        self.assertEqual([r["registrationId"] for r in first.json + second.json],
                         ["paged-0", "paged-1", "paged-2"])
        self.assertIsNone(second.headers["x-ms-continuation"])
        self.assertEqual(first.headers["x-ms-item-type"], "DeviceRegistration")
        etag = first.json[0]["etag"]
        self.refused(self.emulator.service("DELETE", "/registrations/paged-0", if_match='"x"'), 412000)
        self.assertEqual(self.emulator.service("DELETE", "/registrations/paged-0", if_match=etag).status, 204)
        self.assertEqual(len(query().json), 2)
        self.refused(self.emulator.service("POST", "/registrations/nobody/query"), 404201)

    def test_the_record_names_the_certificate_that_was_presented(self):
        leaf = self.leaf("named-1")
        self.emulator.register("named-1", leaf, leaf.chain(self.line))
        rows = [e for e in self.emulator.record() if e.get("registrationId") == "named-1"]
        self.assertEqual({e["client"] for e in rows}, {leaf.sha256})
        self.assertEqual([e["status"] for e in rows], [202, 202, 200])


class Precedence(Case):
    def test_the_nearest_group_decides_even_when_it_blocks(self):
        self.emulator.put_group("high", self.root)
        leaf = self.pki.make("near-1", self.line)
        chain = leaf.chain(self.line, self.root)
        group = lambda: self.emulator.register("near-1", leaf, chain).json["registrationState"]["x509"]
        self.assertEqual(group()["enrollmentGroupId"], "high")
        self.emulator.put_group("near", self.line)
        self.assertEqual(group()["enrollmentGroupId"], "near")
        body = {"enrollmentGroupId": "near", "attestation": signing(self.line.text),
                "provisioningStatus": "disabled"}
        self.assertEqual(self.emulator.service("PUT", "/enrollmentGroups/near", body, if_match="*").status, 200)
        self.refused(self.emulator.register("near-1", leaf, chain), 401002)
        self.assertEqual(self.emulator.service("DELETE", "/enrollmentGroups/near").status, 204)
        self.assertEqual(group()["enrollmentGroupId"], "high")

    def test_the_individual_enrollment_of_the_leaf_goes_before_any_group(self):
        line = self.pki.authority("Second Line", self.root)
        self.emulator.put_group("second", line)
        leaf = self.pki.make("one-1", line)
        body = {"registrationId": "one-1", "attestation": client(leaf.text), "deviceId": "Special",
                "provisioningStatus": "disabled"}
        self.assertEqual(self.emulator.service("PUT", "/enrollments/one-1", body).status, 200)
        self.refused(self.emulator.register("one-1", leaf, leaf.chain(line)), 401002)
        body["provisioningStatus"] = "enabled"
        self.assertEqual(self.emulator.service("PUT", "/enrollments/one-1", body, if_match="*").status, 200)
        state = self.emulator.register("one-1", leaf, leaf.chain(line)).json["registrationState"]
        self.assertEqual(state["deviceId"], "Special")
        self.assertNotIn("enrollmentGroupId", state["x509"])
        shown = self.emulator.service("GET", "/enrollments/one-1").json
        self.assertEqual(shown["registrationState"]["status"], "assigned")

    def test_a_self_signed_leaf_needs_only_its_individual_enrollment(self):
        leaf = self.pki.make("self-1")
        self.refused(self.emulator.register("self-1", leaf), 401002)
        body = {"registrationId": "self-1", "attestation": client(leaf.text, "secondary")}
        self.assertEqual(self.emulator.service("PUT", "/enrollments/self-1", body).status, 200)
        self.assertEqual(self.emulator.register("self-1", leaf).json["status"], "assigned")
        other = self.pki.make("self-1")
        self.refused(self.emulator.register("self-1", other), 401002)

    def test_an_individual_enrollment_of_the_id_shuts_out_other_leaves_of_a_group(self):
        line = self.pki.authority("Third Line", self.root)
        self.emulator.put_group("third", line)
        leaf, other = self.pki.make("shut-1", line), self.pki.make("shut-1", line)
        body = {"registrationId": "shut-1", "attestation": client(other.text)}
        self.assertEqual(self.emulator.service("PUT", "/enrollments/shut-1", body).status, 200)
        self.refused(self.emulator.register("shut-1", leaf, leaf.chain(line)), 401002)
        self.assertEqual(self.emulator.register("shut-1", other, other.chain(line)).status, 200)

    def test_an_expired_leaf_is_refused_though_it_is_enrolled(self):
        leaf = self.pki.make("past-1", days="-1")
        body = {"registrationId": "past-1", "attestation": client(leaf.text)}
        self.assertEqual(self.emulator.service("PUT", "/enrollments/past-1", body).status, 200)
        self.refused(self.emulator.register("past-1", leaf), 401002)

    def test_a_group_that_holds_the_leaf_itself_does_not_take_it(self):
        other = self.pki.authority("Bare Root")
        self.emulator.arm("PUT", "/certificates/bare", {"properties": {"certificate": other.text, "isVerified": True}})
        leaf = self.pki.make("bare-1", other)
        self.assertEqual(self.emulator.put_group("bare", leaf).status, 200)
        self.assertEqual(self.emulator.register("bare-1", leaf).json["status"], "failed")

    def test_ca_references_work_once_the_certificate_is_verified(self):
        root = self.pki.authority("Referred Root")
        put = lambda verified, tag=None: self.emulator.arm("PUT", "/certificates/Referred", {"properties": {
            "certificate": root.text, "isVerified": verified}}, if_match=tag)
        self.assertEqual(put(False).status, 200)
        body = {"enrollmentGroupId": "ref", "attestation": {"type": "x509", "x509": {
            "caReferences": {"primary": "Referred"}}}}
        self.assertEqual(self.emulator.service("PUT", "/enrollmentGroups/ref", body).status, 200)
        leaf = self.pki.make("ref-1", root)
        self.refused(self.emulator.register("ref-1", leaf), 401002)
        self.assertEqual(put(True, "*").status, 200)
        state = self.emulator.register("ref-1", leaf).json["registrationState"]
        self.assertEqual(state["x509"]["enrollmentGroupId"], "ref")


class Allocation(Case):
    def group(self, name, **fields):
        line = self.pki.authority("Line of " + name, self.root)
        self.change(name, line, None, **fields)
        return line

    def change(self, name, line, tag="*", **fields):
        body = {"enrollmentGroupId": name, "attestation": signing(line.text), **fields}
        self.assertEqual(self.emulator.service("PUT", "/enrollmentGroups/" + name, body, if_match=tag).status, 200)

    def go(self, line, name, leaf=None):
        leaf = leaf or self.pki.make(name, line)
        return self.emulator.register(name, leaf, leaf.chain(line)).json["registrationState"]

    def test_each_policy_chooses_its_hub(self):
        rows = [({"allocationPolicy": "static", "iotHubs": [HUB_2, HUB_1]}, HUB_2),
                ({"allocationPolicy": "geoLatency", "iotHubs": [HUB_2, HUB_1]}, HUB_1),
                ({"allocationPolicy": "hashed", "iotHubs": [HUB_2]}, HUB_2),
                ({"iotHubHostName": HUB_2}, HUB_2)]
        for i, (fields, hub) in enumerate(rows):
            line = self.group(f"policy-{i}", **fields)
            self.assertEqual(self.go(line, f"policy-{i}-1")["assignedHub"], hub)

    def test_hashing_spreads_devices_over_the_hubs_and_is_steady(self):
        line = self.group("hashed")
        leaf = self.pki.make("placeholder", line)
        hubs = {}
        for i in range(8):
            leaf = self.pki.make(f"spread-{i}", line, key=leaf.key)
            hubs[i] = self.go(line, f"spread-{i}", leaf)["assignedHub"]
        self.assertEqual(set(hubs.values()), {HUB_1, HUB_2})
        self.assertEqual(self.go(line, "spread-7", leaf)["assignedHub"], hubs[7])

    def test_a_device_moves_only_when_its_policy_lets_it(self):
        line = self.group("moves", allocationPolicy="static", iotHubs=[HUB_1])
        leaf = self.pki.make("moves-1", line)
        self.assertEqual(self.go(line, "moves-1", leaf)["substatus"], "initialAssignment")
        sticky = {"updateHubAssignment": False, "migrateDeviceData": False}
        self.change("moves", line, allocationPolicy="static", iotHubs=[HUB_2], reprovisionPolicy=sticky)
        self.assertEqual(self.go(line, "moves-1", leaf)["assignedHub"], HUB_1)
        self.change("moves", line, allocationPolicy="static", iotHubs=[HUB_2])
        generation = self.emulator.hub("GET", "/devices/moves-1", 0).json["generationId"]
        moved = self.go(line, "moves-1", leaf)
        self.assertEqual((moved["assignedHub"], moved["substatus"]), (HUB_2, "deviceDataMigrated"))
        self.assertEqual(self.emulator.hub("GET", "/devices/moves-1", 0).status, 404)
        self.assertEqual(self.emulator.hub("GET", "/devices/moves-1", 1).json["generationId"], generation)
        reset = {"updateHubAssignment": True, "migrateDeviceData": False}
        time.sleep(0.002)
        self.change("moves", line, allocationPolicy="static", iotHubs=[HUB_1], reprovisionPolicy=reset)
        back = self.go(line, "moves-1", leaf)
        self.assertEqual((back["assignedHub"], back["substatus"]), (HUB_1, "reprovisionedToInitialAssignment"))
        self.assertNotEqual(self.emulator.hub("GET", "/devices/moves-1", 0).json["generationId"], generation)


if __name__ == "__main__":
    main()
