# SPDX-License-Identifier: Apache-2.0
"""The registry of the linked IoT Hubs, and the resource as ARM shows it."""
import os

from emulator import Case, main, openssl, sas


class Hub(Case):
    def put(self, name, authentication=None, hub=0, if_match=None):
        body = {"deviceId": name}
        if authentication:
            body["authentication"] = authentication
        head = {"if_match": if_match} if if_match else {}
        return self.emulator.hub("PUT", "/devices/" + name, hub, body, **head)

    def said(self, answer, status, word):
        self.assertEqual(answer.status, status, answer.raw)
        self.assertTrue(answer.json["Message"].startswith(f"ErrorCode:{word};"), answer.raw)
        self.assertTrue(answer.json["ExceptionMessage"].startswith("Tracking ID:"))

    def test_a_device_is_made_changed_listed_and_removed(self):
        made = self.put("Hub-1")
        self.assertEqual(made.status, 200, made.raw)
        self.assertEqual(made.json["authentication"]["type"], "sas")
        self.assertEqual(made.headers["ETag"], '"%s"' % made.json["etag"])
        self.said(self.put("Hub-1"), 409, "DeviceAlreadyExists")
        self.said(self.put("Hub-1", if_match='"x"'), 412, "PreconditionFailed")
        prints = {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "A" * 40}}
        changed = self.put("Hub-1", prints, if_match='"*"').json
        self.assertEqual(changed["authentication"]["x509Thumbprint"]["primaryThumbprint"], "A" * 40)
        self.assertEqual(changed["generationId"], made.json["generationId"])
        self.assertIn("Hub-1", [d["deviceId"] for d in self.emulator.hub("GET", "/devices").json])
        self.assertEqual(self.emulator.hub("GET", "/devices", 1).json, [])
        self.assertEqual(self.emulator.hub("DELETE", "/devices/Hub-1").status, 400)
        self.assertEqual(self.emulator.hub("DELETE", "/devices/Hub-1", if_match='"*"').status, 204)
        self.said(self.emulator.hub("GET", "/devices/Hub-1"), 404, "DeviceNotFound")

    def test_a_device_id_keeps_its_case(self):
        self.put("Case")
        self.said(self.emulator.hub("GET", "/devices/case"), 404, "DeviceNotFound")

    def test_wrong_devices_are_refused(self):
        self.said(self.put("a%20b"), 400, "InvalidDeviceId")
        for wrong in ({"type": "selfSigned"}, {"type": "other"},
                      {"type": "sas", "symmetricKey": {"primaryKey": "c2hvcnQ="}}):
            self.said(self.put("wrong", wrong), 400, "ArgumentInvalid")

    def test_only_the_hubs_own_policy_opens_it(self):
        hubs = self.emulator.endpoint["hubs"]
        for auth in (sas(self.emulator.owner), sas(hubs[1]["connectionString"]),
                     sas(hubs[0]["connectionString"], ttl=-1), "Bearer " + self.emulator.endpoint["bearer"]["reader"]):
            self.said(self.emulator.hub("GET", "/devices", 0, auth=auth), 401, "IotHubUnauthorizedAccess")

    def test_the_host_header_names_the_hub_too(self):
        hub = self.emulator.endpoint["hubs"][1]
        answer = self.emulator.send("GET", "/devices?api-version=2021-04-12", auth=sas(hub["connectionString"]),
                                    headers={"Host": hub["hostName"]})
        self.assertEqual(answer.status, 200, answer.raw)
        self.assertEqual(self.emulator.record()[-1]["hub"], hub["hostName"])

    def test_keys_of_a_device_are_masked_in_the_record(self):
        key = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
        self.put("masked", {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}})
        entry = self.emulator.record()[-1]
        self.assertEqual(entry["body"]["authentication"]["symmetricKey"]["primaryKey"], "****")
        self.assertNotIn(key, str(entry))


class Arm(Case):
    def upload(self, name, cert, **kw):
        return self.emulator.arm("PUT", "/certificates/" + name, {"properties": {"certificate": cert.text}}, **kw)

    def test_the_instance_shows_scope_and_hubs_but_no_key(self):
        answer = self.emulator.arm("GET", role="reader")
        shown = answer.json["properties"]
        self.assertEqual(shown["idScope"], self.emulator.scope)
        self.assertEqual([h["name"] for h in shown["iotHubs"]], [h["hostName"] for h in self.emulator.endpoint["hubs"]])
        self.assertEqual(shown["allocationPolicy"], "Hashed")
        self.assertFalse([s for s in self.emulator.secrets() if s in answer.raw.decode()])
        keys = self.emulator.arm("POST", "/listkeys").json["value"]
        self.assertEqual(keys[0]["keyName"], "provisioningserviceowner")
        self.assertEqual(self.emulator.arm("POST", "/keys/line/listkeys").json, keys[1])

    def test_a_ca_is_proved_by_a_certificate_over_the_code(self):
        ca = self.pki.authority("To Prove")
        made = self.upload("proof", ca).json
        self.assertFalse(made["properties"]["isVerified"])
        self.assertEqual(made["properties"]["thumbprint"], ca.sha1)
        end = openssl("x509", "-in", ca.pem, "-noout", "-enddate").split("=")[1].split()
        self.assertEqual(made["properties"]["expiry"].split()[1:5], [end[1].zfill(2), end[0], end[3], end[2]])
        path = "/certificates/proof"
        self.refused_as(self.emulator.arm("POST", path + "/generateVerificationCode"), 400)
        self.refused_as(self.emulator.arm("POST", path + "/generateVerificationCode", if_match="AAAA"), 412)
        coded = self.emulator.arm("POST", path + "/generateVerificationCode", if_match=made["etag"]).json
        self.assertNotEqual(coded["etag"], made["etag"])
        code = coded["properties"]["verificationCode"]
        verify = lambda cert, etag=coded["etag"]: self.emulator.arm(
            "POST", path + "/verify", {"certificate": cert.text}, if_match=etag)
        self.refused_as(verify(self.pki.make("wrong code", ca)), 400)
        self.refused_as(verify(self.pki.make(code, self.root)), 400)
        self.refused_as(verify(self.pki.make(code, self.pki.authority("To Prove"))), 400)
        good = self.pki.make(code, ca)
        self.refused_as(verify(good, made["etag"]), 412)
        self.emulator.put_group("proved", ca)
        leaf = self.pki.make("proved-1", ca)
        self.refused(self.emulator.register("proved-1", leaf), 401002)
        self.assertTrue(verify(good).json["properties"]["isVerified"])
        self.assertTrue(self.emulator.arm("GET", path, role="reader").json["properties"]["isVerified"])
        self.assertEqual(self.emulator.register("proved-1", leaf).json["status"], "assigned")

    def refused_as(self, answer, status):
        self.assertEqual(answer.status, status, answer.raw)
        self.assertEqual((answer.json["httpStatusCode"], answer.json["code"] // 1000), (str(status), status))

    def test_etags_guard_a_certificate(self):
        made = self.upload("guard", self.root).json
        self.refused_as(self.upload("guard", self.root), 409)
        self.refused_as(self.upload("guard", self.root, if_match="AAAA"), 412)
        self.refused_as(self.upload("absent", self.root, if_match="*"), 412)
        again = self.upload("guard", self.line, if_match=made["etag"]).json
        self.assertEqual(again["properties"]["thumbprint"], self.line.sha1)
        self.refused_as(self.emulator.arm("DELETE", "/certificates/guard"), 400)
        names = [c["name"] for c in self.emulator.arm("GET", "/certificates", role="reader").json["value"]]
        self.assertIn("guard", names)
        self.assertEqual(self.emulator.arm("DELETE", "/certificates/guard", if_match=again["etag"]).status, 204)
        self.refused_as(self.emulator.arm("GET", "/certificates/guard"), 404)

    def test_roles_and_tokens_are_checked(self):
        answer = self.emulator.arm("PUT", "/certificates/x", {"properties": {}}, role="reader")
        self.assertEqual((answer.status, answer.json["error"]["code"]), (403, "AuthorizationFailed"))
        for role in ("wrong", self.emulator.endpoint["bearer"]["contributor"]):
            answer = self.emulator.arm("GET", role=role)
            self.assertEqual((answer.status, answer.json["error"]["code"]), (401, "AuthenticationFailed"))
        self.assertEqual(self.emulator.arm("POST", "/listkeys", role="reader").status, 403)

    def test_another_resource_is_not_found(self):
        base = os.path.dirname(self.emulator.endpoint["arm"]["id"])
        answer = self.emulator.send("GET", base + "/other?api-version=2022-12-12",
                                    auth="Bearer " + self.emulator.endpoint["arm"]["reader"])
        self.assertEqual((answer.status, answer.json["error"]["code"]), (404, "ResourceNotFound"))

    def test_what_is_given_at_start_is_verified(self):
        value = self.emulator.arm("GET", "/certificates", role="reader").json["value"]
        given = [c["properties"] for c in value if c["properties"]["thumbprint"] == self.root.sha1]
        self.assertEqual([c["isVerified"] for c in given if c], [True] * len(given))
        self.assertTrue(given)

    def test_a_resource_cannot_be_changed_here_and_says_so(self):
        for method, path in (("PUT", ""), ("PATCH", ""), ("DELETE", "")):
            self.refused_as(self.emulator.arm(method, path), 405)


if __name__ == "__main__":
    main()
