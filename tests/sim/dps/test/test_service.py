# SPDX-License-Identifier: Apache-2.0
"""The service's data plane, by an independent client."""
import base64
import json
import os
import socket
import urllib.parse

from emulator import Case, client, ek, main, openssl, parse_connection_string, sas, signing


class Groups(Case):
    def test_a_certificate_is_accepted_in_all_three_encodings_and_answered_as_info_only(self):
        signer = self.pki.authority("Encodings", self.root)
        pem_in_base64 = base64.b64encode(signer.text.encode()).decode()
        for i, text in enumerate((signer.text, base64.b64encode(signer.der).decode(), pem_in_base64)):
            answer = self.emulator.service("PUT", "/enrollmentGroups/enc", {
                "enrollmentGroupId": "enc", "attestation": signing(text)}, if_match="*" if i else None)
            self.assertEqual(answer.status, 200, answer.raw)
            slot = answer.json["attestation"]["x509"]["signingCertificates"]["primary"]
            self.assertEqual(list(slot), ["info"])
            self.assertEqual(slot["info"]["sha256Thumbprint"], signer.sha256)
            self.assertEqual(slot["info"]["sha1Thumbprint"], signer.sha1)
        self.assertEqual(self.emulator.service("GET", "/enrollmentGroups/enc").json, answer.json)

    def test_info_says_what_openssl_says(self):
        self.emulator.put_group("info", self.line)
        answer = self.emulator.service("GET", "/enrollmentGroups/info")
        info = answer.json["attestation"]["x509"]["signingCertificates"]["primary"]["info"]
        said = openssl("x509", "-in", self.line.pem, "-noout", "-serial", "-subject", "-issuer", "-enddate",
                       "-dateopt", "iso_8601", "-nameopt", "RFC2253")
        fact = dict(row.split("=", 1) for row in said.split("\n") if row)
        self.assertEqual(int(info["serialNumber"], 16), int(fact["serial"], 16))
        self.assertEqual(info["subjectName"], fact["subject"])
        self.assertEqual(info["issuerName"], fact["issuer"])
        self.assertEqual(info["notAfterUtc"][:19], fact["notAfter"].replace(" ", "T")[:19])
        self.assertEqual(info["version"], 3)

    def test_if_match_decides_what_a_put_does(self):
        signer = self.pki.authority("If-Match", self.root)
        put = lambda name, tag: self.emulator.service("PUT", "/enrollmentGroups/" + name, {
            "enrollmentGroupId": name, "attestation": signing(signer.text)}, if_match=tag)
        self.refused(put("match", "*"), 412000)
        first = put("match", None)
        self.assertEqual(first.status, 200)
        self.assertRegex(first.json["etag"], r'^"[0-9a-f]{8}-0000-0000-0000-[0-9a-f]{12}"$')
        self.refused(put("match", None), 409000)
        self.refused(put("match", '"00000000-0000-0000-0000-000000000000"'), 412000)
        second = put("match", first.json["etag"])
        self.assertEqual(second.status, 200)
        self.assertNotEqual(second.json["etag"], first.json["etag"])
        self.assertEqual(second.json["createdDateTimeUtc"], first.json["createdDateTimeUtc"])
        self.refused(put("match", first.json["etag"]), 412000)
        self.assertEqual(put("match", second.json["etag"].strip('"')).status, 200)
        self.assertEqual(put("match", "*").status, 200)

    def test_a_delete_needs_no_if_match_but_obeys_one(self):
        made = self.emulator.put_group("gone", self.pki.authority("Gone", self.root))
        path = "/enrollmentGroups/gone"
        self.refused(self.emulator.service("DELETE", path, if_match='"x"'), 412000)
        self.assertEqual(self.emulator.service("DELETE", path, if_match=made.json["etag"]).status, 204)
        self.refused(self.emulator.service("GET", path), 404201)
        self.refused(self.emulator.service("DELETE", path), 404201)

    def test_put_is_replace_and_fills_in_defaults_and_ignores_what_is_read_only(self):
        signer = self.pki.authority("Replace", self.root)
        first = self.emulator.put_group("replace", signer, provisioningStatus="disabled",
                                        initialTwin={"tags": {"lot": {"n": 1}}}, iotHubs=["hub-2.azure-devices.net"],
                                        createdDateTimeUtc="2001-01-01T00:00:00Z", unheard_of=1)
        self.assertEqual(first.json["provisioningStatus"], "disabled")
        self.assertEqual(first.json["initialTwin"], {"tags": {"lot": {"n": 1}}})
        self.assertFalse(first.json["createdDateTimeUtc"].startswith("2001"))
        self.assertNotIn("unheard_of", first.json)
        second = self.emulator.service("PUT", "/enrollmentGroups/replace", {
            "enrollmentGroupId": "replace", "attestation": signing(signer.text)}, if_match="*").json
        self.assertEqual(second["provisioningStatus"], "enabled")
        self.assertEqual(second["capabilities"], {"iotEdge": False})
        self.assertEqual(second["reprovisionPolicy"], {"updateHubAssignment": True, "migrateDeviceData": True})
        self.assertNotIn("initialTwin", second)
        self.assertNotIn("iotHubs", second)

    def test_an_old_client_gets_no_reprovision_policy(self):
        answer = self.emulator.service("PUT", "/enrollmentGroups/old", {
            "enrollmentGroupId": "old", "attestation": signing(self.pki.authority("Old", self.root).text)},
            version="2018-04-01")
        self.assertEqual(answer.status, 200)
        self.assertNotIn("reprovisionPolicy", answer.json)

    def test_an_id_outside_the_charset_is_refused(self):
        for name in ("a b", "-a", "a.", "a_", "a/b", "ü", "a" * 129):
            path = "/enrollmentGroups/" + urllib.parse.quote(name, safe="")
            self.refused(self.emulator.service("PUT", path, {"enrollmentGroupId": name}), 400004)
        good = self.emulator.put_group("A-1.b_c:9-", self.pki.authority("Good", self.root))
        self.assertEqual(good.status, 200)
        self.assertEqual(self.emulator.service("GET", "/ENROLLMENTGROUPS/a-1.B_c:9-/").json, good.json)
        self.assertEqual(self.emulator.service("GET", "/enrollmentgroups/%61-1%2eb_c%3A9-").json, good.json)

    def test_a_wrong_body_is_refused_and_nothing_is_kept(self):
        good = signing(self.line.text)
        wrong = [
            {}, {"attestation": good}, {"enrollmentGroupId": "other", "attestation": good},
            {"enrollmentGroupId": "w"}, {"enrollmentGroupId": "w", "attestation": {}},
            {"enrollmentGroupId": "w", "attestation": {"type": "none"}},
            {"enrollmentGroupId": "w", "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "AAAA"}}},
            {"enrollmentGroupId": "w", "attestation": {"type": "tpm", "tpm": {"endorsementKey": ek()}}},
            {"enrollmentGroupId": "w", "attestation": client(self.line.text)},
            {"enrollmentGroupId": "w", "attestation": signing("not a certificate")},
            {"enrollmentGroupId": "w", "attestation": signing(base64.b64encode(self.line.der + b"x").decode())},
            {"enrollmentGroupId": "w", "attestation": {"type": "x509", "x509": {
                "signingCertificates": {"primary": {"certificate": self.line.text}},
                "caReferences": {"primary": "ca-" + self.root.sha1[:8]}}}},
            {"enrollmentGroupId": "w", "attestation": {"type": "x509", "x509": {
                "signingCertificates": {"primary": {"info": {"subjectName": "CN=x"}}}}}},
            {"enrollmentGroupId": "w", "attestation": {"type": "x509", "x509": {
                "caReferences": {"primary": "nobody"}}}},
        ]
        fields = {"provisioningStatus": "on", "allocationPolicy": "custom", "iotHubs": ["far.azure-devices.net"],
                  "iotHubHostName": "far.azure-devices.net", "reprovisionPolicy": {"migrateDeviceData": True},
                  "capabilities": {}, "initialTwin": {"tags": {"version": "1"}}, "deviceId": "d"}
        wrong += [{"enrollmentGroupId": "w", "attestation": good, k: v} for k, v in fields.items()]
        for body in wrong:
            with self.subTest(body=body):
                answer = self.emulator.service("PUT", "/enrollmentGroups/w", body)
                self.assertEqual((answer.status, answer.code // 1000), (400, 400), answer.raw)
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/w", "{not json"), 400000)
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/w", "{}", content_type="text/plain"), 415000)
        self.refused(self.emulator.service("GET", "/enrollmentGroups/w"), 404201)

    def test_a_certificate_stands_in_one_group_only(self):
        signer = self.pki.authority("Twice", self.root)
        self.assertEqual(self.emulator.put_group("once", signer).status, 200)
        self.refused(self.emulator.put_group("twice", signer), 409000)

    def test_a_query_comes_in_pages_and_a_condition_is_refused_rather_than_ignored(self):
        names = [f"page-{i}" for i in range(5)]
        for name in names:
            self.emulator.put_group(name, self.pki.authority(name, self.root))
        query = lambda text, **h: self.emulator.service("POST", "/enrollmentGroups/query", {"query": text}, **h)
        seen, more = [], None
        for _ in range(20):
            page = query("SELECT * FROM enrollmentGroups", max_items="2", more=more)
            self.assertEqual(page.headers["x-ms-item-type"], "EnrollmentGroup")
            self.assertLessEqual(len(page.json), 2)
            seen += [g["enrollmentGroupId"] for g in page.json]
            more = page.headers["x-ms-continuation"]
            if not more:
                break
        self.assertEqual(sorted(set(seen)), sorted(seen))
        self.assertLessEqual(set(names), set(seen))
        self.refused(query("SELECT * FROM enrollments WHERE x = 1"), 400000)
        self.refused(query("everything"), 400000)
        self.refused(query("SELECT * FROM enrollments", max_items="0"), 400000)


class Individuals(Case):
    def put(self, name, attestation, **fields):
        return self.emulator.service("PUT", "/enrollments/" + name, {
            "registrationId": name, "attestation": attestation, **fields})

    def test_a_tpm_enrollment_is_kept_with_its_endorsement_key(self):
        key = ek()
        answer = self.put("tpm-1", {"type": "tpm", "tpm": {"endorsementKey": key}}, deviceId="Device#1")
        self.assertEqual(answer.status, 200, answer.raw)
        self.assertEqual(answer.json["attestation"], {"type": "tpm", "tpm": {"endorsementKey": key}})
        self.assertEqual(answer.json["deviceId"], "Device#1")
        self.assertEqual(self.emulator.service("GET", "/enrollments/TPM-1").json, answer.json)

    def test_an_endorsement_key_of_another_form_is_refused(self):
        little_endian = base64.b64encode(b"\x3a\x01\x00\x00\x01\x00\x0b\x00" + os.urandom(308)).decode()
        longer = base64.b64encode(base64.b64decode(ek()) + b"\0").decode()
        for key in (little_endian, longer, ek(modulus=b""), ek(kind=8), ek(algorithm=4), ek(bits=1024),
                    ek(attributes=0x40072), "AToA", "no base64", ""):
            self.refused(self.put("tpm-2", {"type": "tpm", "tpm": {"endorsementKey": key}}), 400004)

    def test_an_x509_enrollment_takes_client_certificates_only(self):
        leaf = self.pki.make("leaf-1", self.line)
        self.assertEqual(self.put("leaf-1", signing(leaf.text)).status, 400)
        answer = self.put("leaf-1", client(leaf.text))
        self.assertEqual(answer.status, 200)
        slot = answer.json["attestation"]["x509"]["clientCertificates"]["primary"]
        self.assertEqual(slot["info"]["sha1Thumbprint"], leaf.sha1)
        self.assertNotIn("certificate", slot)

    def test_query_and_delete(self):
        self.put("q-1", {"type": "tpm", "tpm": {"endorsementKey": ek()}})
        rows = self.emulator.service("POST", "/enrollments/query", {"query": "select * from enrollments"})
        self.assertIn("q-1", [r["registrationId"] for r in rows.json])
        self.assertEqual(rows.headers["x-ms-item-type"], "Enrollment")
        self.assertEqual(self.emulator.service("DELETE", "/enrollments/q-1").status, 204)
        self.refused(self.emulator.service("GET", "/enrollments/q-1"), 404201)


class Rights(Case):
    def ask(self, auth, method="GET", path="/enrollmentGroups/none", **kw):
        return self.emulator.send(method, f"{path}?api-version={'2021-10-01'}", auth=auth, **kw)

    def test_the_signature_is_verified_over_the_raw_resource_text(self):
        host = self.emulator.endpoint["serviceHostName"]
        local = parse_connection_string(self.emulator.owner)["HostName"]
        for sr in (host, host.upper(), local, host + "%2FenrollmentGroups", host + "%2fenrollmentGroups",
                   host + "/enrollmentgroups", urllib.parse.quote(local, safe=""), host + "/"):
            self.refused(self.ask(sas(self.emulator.owner, sr)), 404201)

    def test_a_resource_that_is_not_ours_is_refused(self):
        host = self.emulator.endpoint["serviceHostName"]
        for sr in ("other.azure-devices-provisioning.net", host + "/enrollments", host + "/enrollmentGroup",
                   host + ".evil", "hub-1.azure-devices.net", ""):
            self.refused(self.ask(sas(self.emulator.owner, sr)), 401000)

    def test_the_order_of_the_parts_is_free(self):
        for order in (("sr", "sig", "skn", "se"), ("sig", "se", "skn", "sr")):
            self.refused(self.ask(sas(self.emulator.owner, order=order)), 404201)

    def test_what_is_expired_forged_twisted_or_missing_is_refused(self):
        token = sas(self.emulator.owner)
        wrong_key = base64.b64encode(os.urandom(64)).decode()
        for auth in (None, "", "Bearer x", "SharedAccessSignature ", sas(self.emulator.owner, ttl=-1),
                     sas(self.emulator.owner, key=wrong_key), token.replace("&skn=prov", "&skn=x"),
                     token + "&sr=again", token + "&" + token.split(" ")[1].split("&")[0], token.replace("&se=", "&se=9")):
            self.refused(self.ask(auth), 401000)

    def test_the_secondary_key_is_as_good(self):
        with open(os.path.join(self.emulator.state, "instance.json")) as f:
            policy = json.load(f)["policies"][0]
        self.refused(self.ask(sas(self.emulator.owner, key=policy["secondaryKey"])), 404201)

    def test_a_policy_may_only_what_its_rights_say(self):
        body = {"enrollmentGroupId": "r", "attestation": signing(self.line.text)}
        reader, line = self.emulator.policy("reader"), self.emulator.policy("line")
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/r", body, sas(reader)), 401000)
        self.assertEqual(self.emulator.service("PUT", "/enrollmentGroups/r", body, sas(line)).status, 200)
        self.assertEqual(self.emulator.service("GET", "/enrollmentGroups/r", None, sas(reader)).status, 200)
        self.refused(self.emulator.service("DELETE", "/enrollmentGroups/r", None, sas(reader)), 401000)
        self.refused(self.emulator.service("GET", "/registrations/x", None, sas(line)), 404202)
        self.refused(self.emulator.service("DELETE", "/registrations/x", None, sas(line)), 401000)

    def test_bearer_tokens_follow_their_role(self):
        tokens = {k: "Bearer " + v for k, v in self.emulator.endpoint["bearer"].items()}
        body = {"enrollmentGroupId": "b", "attestation": signing(self.pki.authority("B", self.root).text)}
        put = lambda auth: self.emulator.service("PUT", "/enrollmentGroups/b", body, auth)
        self.refused(put(tokens["reader"]), 401000)
        self.assertEqual(put(tokens["contributor"]).status, 200)
        self.assertEqual(self.emulator.service("GET", "/enrollmentGroups/b", None, tokens["reader"]).status, 200)
        self.refused(put("Bearer " + self.emulator.endpoint["arm"]["contributor"]), 401000)

    def test_nothing_is_remembered_between_requests_of_a_connection(self):
        link = self.emulator.connect()
        path = "/enrollmentGroups/none?api-version=2021-10-01"
        for auth, status in ((sas(self.emulator.owner, ttl=-9), 401), (sas(self.emulator.owner), 404), (None, 401)):
            self.assertEqual(self.emulator.send("GET", path, auth=auth, connection=link).status, status)
        link.close()


class Form(Case):
    def test_an_error_has_the_services_form(self):
        answer = self.emulator.service("GET", "/enrollmentGroups/none")
        self.assertEqual(set(answer.json), {"errorCode", "trackingId", "message", "info", "timestampUtc"})
        self.assertEqual(answer.headers["x-ms-error-code"], "404201")
        self.assertEqual(answer.headers["x-ms-request-id"], answer.json["trackingId"])
        self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")
        self.assertRegex(answer.json["timestampUtc"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_the_api_version_is_required_and_known(self):
        for version in ("2018-04-01", "2019-03-31", "2021-06-01", "2021-10-01"):
            self.refused(self.emulator.service("GET", "/enrollmentGroups/none", version=version), 404201)
        for version in (None, "", "2020-02-30", "x"):
            self.refused(self.emulator.service("GET", "/enrollmentGroups/none", version=version), 400000)

    def test_what_is_not_offered_is_never_a_success(self):
        ask = self.emulator.service
        self.refused(ask("GET", "/nothing"), 404000)
        self.refused(ask("GET", "/"), 404000)
        self.refused(ask("GET", "/enrollmentGroups/a%zz"), 400000)
        self.refused(ask("PATCH", "/enrollmentGroups/a"), 405000)
        self.refused(ask("PUT", "/enrollmentGroups/"), 405000)
        self.refused(ask("PUT", "/enrollmentGroups"), 405000)
        self.refused(ask("GET", "/registrations"), 405000)
        self.refused(ask("PUT", "/enrollments/x/attestationmechanism"), 405000)

    def test_a_body_that_is_too_long_is_refused(self):
        body = json.dumps({"enrollmentGroupId": "big", "x": "y" * (1 << 20)})
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/big", body), 413000)

    def test_bytes_that_are_no_text_are_refused_and_do_not_stop_it(self):
        self.refused(self.emulator.service("GET", "/enrollmentGroups/%ff"), 400000)
        self.refused(self.emulator.service("GET", "/enrollmentGroups/none", version="%ff"), 400000)
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/x", b"\xff{\x80"), 400000)
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/x", '{"enrollmentGroupId":"\\u0000"}'), 400000)
        self.refused(self.emulator.service("PUT", "/enrollmentGroups/x", "[" * 5000), 400000)
        raw = b"GET /a\xfe/b HTTP/1.1\r\nHost: \xff.azure-devices.net\r\nIf-Match: \xff\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.emulator.port), timeout=10) as plain:
            with self.emulator.context().wrap_socket(plain, server_hostname="localhost") as link:
                link.sendall(raw)
                self.assertIn(b" 400 ", link.recv(4096))
        self.assertEqual(self.emulator.record()[-1]["path"], "/a?/b")

    def test_curl_and_the_real_host_names_are_served(self):
        for name in (self.emulator.endpoint["serviceHostName"], "global.azure-devices-provisioning.net",
                     "hub-1.azure-devices.net", "management.azure.com"):
            code, out = self.emulator.curl(f"https://{name}/nothing", "--connect-to",
                                           f"{name}:443:127.0.0.1:{self.emulator.port}", "-w", "%{http_code}")
            self.assertEqual((code, out[-3:]), (0, "404"), out)

    def test_the_record_tells_operation_effect_and_subject(self):
        self.emulator.put_group("seen", self.pki.authority("Seen", self.root))
        self.emulator.put_group("seen", self.pki.authority("Seen2", self.root))
        last = self.emulator.record()[-2:]
        self.assertEqual([(e["operation"], e["status"], e["errorCode"], e["effect"], e["enrollmentGroupId"])
                          for e in last],
                         [("EnrollmentGroup_CreateOrUpdate", 200, 0, True, "seen"),
                          ("EnrollmentGroup_CreateOrUpdate", 409, 409000, False, "seen")])
        self.assertEqual(last[0]["body"]["enrollmentGroupId"], "seen")
        self.assertEqual(last[1]["seq"], last[0]["seq"] + 1)


class StrictEtags(Case):
    args = ("--strict-etags",)

    def test_an_etag_without_quotes_is_refused(self):
        etag = self.emulator.put_group("strict", self.line).json["etag"]
        delete = lambda tag: self.emulator.service("DELETE", "/enrollmentGroups/strict", if_match=tag)
        self.refused(delete(etag.strip('"')), 400000)
        self.assertEqual(delete(etag).status, 204)


if __name__ == "__main__":
    main()
