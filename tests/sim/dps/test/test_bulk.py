# SPDX-License-Identifier: Apache-2.0
"""Bulk calls and the counts that prove what they did."""
from emulator import Case, client, ek, main, sas, signing


def entry(name, **fields):
    return {"registrationId": name, "attestation": {"type": "tpm", "tpm": {"endorsementKey": ek()}}, **fields}


class Bulk(Case):
    def bulk(self, mode, entries, path="/enrollments/", field="enrollments"):
        return self.emulator.service("POST", path, {field: entries, "mode": mode})

    def done(self, answer, ok, rows):
        self.assertEqual((answer.status, answer.json["isSuccessful"]), (200, ok), answer.raw)
        self.assertEqual([(r["registrationId"], r["errorCode"]) for r in answer.json["errors"]], rows)

    def get(self, name):
        return self.emulator.service("GET", "/enrollments/" + name)

    def test_ten_are_created_in_one_call_with_or_without_the_slash(self):
        self.done(self.bulk("create", [entry(f"ten-{i}") for i in range(10)]), True, [])
        self.done(self.bulk("create", [entry("no-slash")], path="/enrollments"), True, [])
        self.assertEqual([self.get(n).status for n in ("ten-0", "ten-9", "no-slash")], [200, 200, 200])

    def test_each_item_has_its_own_code_and_the_others_are_done(self):
        self.done(self.bulk("create", [entry("there")]), True, [])
        before = self.get("there").json
        wrong_key = {"registrationId": "wrong-key", "attestation": {"type": "tpm", "tpm": {"endorsementKey": "AToA"}}}
        answer = self.bulk("create", [entry("new-1"), entry("There"), entry("-bad"), wrong_key, entry("new-2"),
                                      entry("new-2"), {"attestation": {}}])
        self.done(answer, False, [("There", 409000), ("-bad", 400004), ("wrong-key", 400004), ("new-2", 409000), ("", 400000)])
        self.assertEqual(self.get("there").json, before)
        self.assertEqual([self.get(n).status for n in ("new-1", "new-2", "wrong-key")], [200, 200, 404])

    def test_update_replaces_and_needs_no_etag(self):
        self.bulk("create", [entry("up", deviceId="first", provisioningStatus="disabled")])
        self.done(self.bulk("update", [entry("up", etag='"other"'), entry("absent")]), False, [("absent", 404201)])
        self.assertEqual(self.get("up").json["provisioningStatus"], "enabled")
        self.assertNotIn("deviceId", self.get("up").json)

    def test_update_if_match_goes_by_the_items_own_etag(self):
        self.bulk("create", [entry("tag-1"), entry("tag-2"), entry("tag-3")])
        etag = self.get("tag-1").json["etag"]
        rows = [entry("tag-1", etag=etag, deviceId="x"), entry("tag-2", etag='"other"', deviceId="x"),
                entry("tag-3", deviceId="x"), entry("tag-4", etag=etag)]
        self.done(self.bulk("updateIfMatchETag", rows), False, [("tag-2", 412000), ("tag-3", 400000), ("tag-4", 404201)])
        self.assertEqual([self.get(f"tag-{i}").json.get("deviceId") for i in (1, 2, 3)], ["x", None, None])
        self.assertNotEqual(self.get("tag-1").json["etag"], etag)

    def test_delete_removes_and_frees_a_certificate(self):
        leaf = self.pki.make("bulk-leaf")
        body = {"registrationId": "bulk-leaf", "attestation": client(leaf.text)}
        self.done(self.bulk("create", [body]), True, [])
        again = dict(body, registrationId="bulk-leaf-2")
        self.done(self.bulk("create", [again]), False, [("bulk-leaf-2", 409000)])
        self.done(self.bulk("delete", [body, entry("gone")]), False, [("gone", 404201)])
        self.done(self.bulk("create", [again]), True, [])

    def test_a_call_that_is_wrong_as_a_whole_does_nothing(self):
        for mode, rows in (("create", [entry(f"many-{i}") for i in range(11)]), ("create", []), ("Create", [entry("many-0")]),
                           (None, [entry("many-0")]), ("create", {"registrationId": "many-0"}), ("create", None)):
            self.refused(self.bulk(mode, rows), 400000)
        self.refused(self.emulator.service("POST", "/enrollments", "[]"), 400000)
        self.assertEqual(self.get("many-0").status, 404)

    def test_groups_go_in_bulk_too(self):
        signer = self.pki.authority("Bulk", self.root)
        rows = [{"enrollmentGroupId": "bulk-1", "attestation": signing(signer.text)},
                {"enrollmentGroupId": "bulk-2", "attestation": signing(signer.text)},
                {"enrollmentGroupId": "bulk-3", "attestation": {"type": "symmetricKey"}}]
        answer = self.bulk("create", rows, "/enrollmentGroups/", "enrollmentGroups")
        self.assertEqual([(r["enrollmentGroupId"], r["errorCode"]) for r in answer.json["errors"]], [("bulk-2", 409000)])
        self.assertFalse(answer.json["isSuccessful"])
        self.assertEqual(self.emulator.service("GET", "/enrollmentGroups/bulk-3").status, 200)

    def test_a_reader_may_not(self):
        body = {"enrollments": [entry("reader")], "mode": "create"}
        self.refused(self.emulator.service("POST", "/enrollments", body, sas(self.emulator.policy("reader"))), 401000)


class Verbose(Case):
    args = ("--bulk-lists-all",)

    def test_what_succeeded_is_listed_with_200(self):
        answer = self.emulator.service("POST", "/enrollments", {"mode": "create", "enrollments": [entry("a"), entry("a")]})
        self.assertEqual(answer.json, {"isSuccessful": False, "errors": [
            {"registrationId": "a", "errorCode": 200, "errorStatus": "Succeeded"},
            {"registrationId": "a", "errorCode": 409000, "errorStatus": "The resource already exists."}]})


class Counts(Case):
    def counts(self):
        return self.emulator.send("GET", "/_emulator/counts").json

    def test_what_happened_is_counted_by_id_and_kept_over_a_restart(self):
        put = lambda name, tag=None: self.emulator.service("PUT", "/enrollments/" + name, entry(name), if_match=tag)
        put("c-1")
        put("c-1")
        put("C-1", "*")
        self.emulator.service("DELETE", "/enrollments/c-1")
        put("c-1")
        self.emulator.service("POST", "/enrollments", {"mode": "create", "enrollments": [entry("c-1"), entry("c-2")]})
        leaf = self.pki.make("c-3", self.line)
        self.emulator.put_group("counted", self.line)
        self.emulator.register("c-3", leaf, leaf.chain(self.line))
        counts = self.counts()
        self.assertEqual(counts["ids"], {"enrollments/c-1": {"created": 2, "updated": 1, "deleted": 1},
                                         "enrollments/c-2": {"created": 1}, "groups/counted": {"created": 1},
                                         "registrations/c-3": {"assigned": 1}})
        self.assertEqual({k: counts[k] for k in ("created", "updated", "deleted", "assigned", "refused", "throttled")},
                         {"created": 4, "updated": 1, "deleted": 1, "assigned": 1, "refused": 1, "throttled": 0})
        self.emulator.stop()
        self.emulator.start()
        self.assertEqual(self.counts(), counts)
        self.assertEqual(self.emulator.send("DELETE", "/_emulator/counts").status, 204)
        self.assertEqual((self.counts()["ids"], self.counts()["created"]), ({}, 0))

    def test_asking_for_counts_leaves_no_trace(self):
        before = len(self.emulator.record())
        counts = self.counts()
        self.assertEqual((len(self.emulator.record()), self.counts()), (before, counts))


if __name__ == "__main__":
    main()
