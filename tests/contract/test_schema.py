# SPDX-License-Identifier: Apache-2.0
"""The contract's checker itself: each kind of break is found, and only breaks are."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from check import check  # noqa: E402
from schema import UNDERSTOOD, answer_breaks, both_specs, find_operation, request_breaks  # noqa: E402

SPECS = both_specs()
GOOD = {"registrationId": "a", "attestation": {"type": "tpm", "tpm": {"endorsementKey": "AToA"}}}
JSON = {"content-type": "application/json; charset=utf-8"}
VERSION = {"api-version": "2021-10-01"}


def operation(name):
    return next(o for s in SPECS for o in s.operations if o.id == name)


class Requests(unittest.TestCase):
    put = operation("IndividualEnrollment_CreateOrUpdate")

    def found(self, body=GOOD, query=VERSION, headers=JSON, op=None):
        return list(request_breaks(op or self.put, query, headers, body))

    def test_a_good_one_breaks_nothing(self):
        more = {"provisioningStatus": "enabled", "capabilities": {"iotEdge": True}, "iotHubs": ["a"], "deviceId": "b",
                "initialTwin": {"tags": {"lot": "7", "version": 1}, "properties": {"desired": {"n": 1, "o": {"p": []}}}},
                "reprovisionPolicy": {"updateHubAssignment": True, "migrateDeviceData": False}}
        self.assertEqual(self.found(), [])
        self.assertEqual(self.found({**GOOD, **more}, headers={**JSON, "if-match": "*"}), [])

    def test_each_break_is_found_and_named(self):
        rows = [
            ({"attestation": GOOD["attestation"]}, "registrationId is missing"),
            ({**GOOD, "registrationId": 5}, "is no string"),
            ({**GOOD, "deviceID": "x"}, "deviceID: no such property"),
            ({**GOOD, "provisioningStatus": "on"}, "is none of enabled, disabled"),
            ({**GOOD, "createdDateTimeUtc": "2026-01-01T00:00:00Z"}, "only the service sets it"),
            ({**GOOD, "registrationState": {}}, "only the service sets it"),
            ({**GOOD, "attestation": {"type": "tpm", "tpm": {}}}, "endorsementKey is missing"),
            ({**GOOD, "iotHubs": ["a", 5]}, "iotHubs[1]: 5 is no string"),
            ({**GOOD, "iotHubs": "a"}, "is no array"),
            ({**GOOD, "capabilities": {"iotEdge": 1}}, "is no boolean"),
            ({**GOOD, "initialTwin": {"tags": {"version": True}}}, "is no integer"),
            ({**GOOD, "initialTwin": {"tags": {"version": 2**31}}}, "is no int32"),
            ({**GOOD, "deviceId": None}, "is no string"),
            ([], "is no object"),
            (None, "the body is missing"),
        ]
        for body, words in rows:
            self.assertTrue(any(words in b for b in self.found(body)), (body, self.found(body)))

    def test_query_and_headers_are_looked_at(self):
        query = operation("EnrollmentGroup_Query")
        ask = {"query": "select * from enrollments"}
        self.assertEqual(self.found(ask, headers={**JSON, "x-ms-max-item-count": "5"}, op=query), [])
        self.assertEqual(self.found(ask, headers={**JSON, "x-ms-max-item-count": "many"}, op=query),
                         ["header x-ms-max-item-count: 'many' is no integer"])
        self.assertEqual(self.found(query={}), ["query api-version is missing"])
        self.assertEqual(self.found(query={"api-version": ""}), ["query api-version: too short"])
        self.assertEqual(self.found(query={**VERSION, "force": "1"}), ["query force: no such parameter"])
        self.assertEqual(self.found(headers={**JSON, "x-ms-continuation": "x"}),
                         ["header x-ms-continuation: no such parameter"])
        self.assertEqual(self.found(headers={"content-type": "text/plain"}), ["the body's type is text/plain"])
        self.assertEqual(self.found({}, op=operation("EnrollmentGroup_Get")), ["there is a body where none belongs"])


class Answers(unittest.TestCase):
    def found(self, name, status, body, headers=JSON):
        return list(answer_breaks(operation(name), status, headers, body))

    def test_an_answer_is_held_against_what_is_published_for_its_status(self):
        error = {"errorCode": 404201, "trackingId": "x", "message": "y", "info": {"a": "b"},
                 "timestampUtc": "2026-01-01T00:00:00.5Z"}
        get = "IndividualEnrollment_Get"
        self.assertEqual(self.found(get, 200, {**GOOD, "registrationState": {"status": "assigned"}}), [])
        self.assertEqual(self.found(get, 404, error), [])
        self.assertEqual(self.found(get, 201, GOOD), ["status 201 is not published"])
        self.assertTrue(self.found(get, 200, error))
        self.assertTrue(self.found(get, 404, {**error, "timestampUtc": "2026-02-30T00:00:00Z"}))
        self.assertTrue(self.found(get, 404, {**error, "info": {"a": 1}}))
        self.assertEqual(self.found(get, 200, None), ["the body is missing"])
        self.assertEqual(self.found("IndividualEnrollment_Delete", 204, None, {}), [])
        self.assertEqual(self.found("IndividualEnrollment_Delete", 204, {}), ["there is a body where none belongs"])

    def test_a_header_has_its_type(self):
        body = {"operationId": "4.a.b", "status": "assigning"}
        name = "RuntimeRegistration_RegisterDevice"
        self.assertEqual(self.found(name, 202, body, {**JSON, "retry-after": "3"}), [])
        self.assertEqual(self.found(name, 202, body, {**JSON, "retry-after": "soon"}),
                         ["header retry-after: 'soon' is no integer"])

    def test_a_tpms_challenge_has_a_form_of_its_own(self):
        name = "RuntimeRegistration_RegisterDevice"
        challenge = {"message": "m", "authenticationKey": "k", "keyName": "registration"}
        self.assertEqual(self.found(name, 401, challenge), [])
        self.assertEqual(self.found(name, 401, {**challenge, "status": "x"}), ["body.status: no such property"])
        self.assertTrue(self.found(name, 400, challenge))


class Files(unittest.TestCase):
    def test_the_longest_match_in_words_decides(self):
        for method, path, name in (("POST", "/enrollments/query?api-version=1", "IndividualEnrollment_Query"),
                                   ("POST", "/Enrollments/", "IndividualEnrollment_RunBulkOperation"),
                                   ("GET", "/enrollments/query", "IndividualEnrollment_Get"),
                                   ("POST", "/registrations/x/query", "DeviceRegistrationState_Query"),
                                   ("POST", "/scope/registrations/x", "RuntimeRegistration_DeviceRegistrationStatusLookup")):
            self.assertEqual(find_operation(SPECS, method, path).id, name)
        self.assertIsNone(find_operation(SPECS, "PATCH", "/enrollments/x"))

    def test_every_word_of_the_schemas_is_understood(self):
        def walk(schema):
            self.assertLessEqual(set(schema), UNDERSTOOD)
            for inner in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
                if isinstance(inner, dict):
                    walk(inner)
        for spec in SPECS:
            for schema in spec.doc["definitions"].values():
                walk(schema)

    def test_traffic_is_judged_line_by_line(self):
        row = {"plane": "service", "operation": "IndividualEnrollment_CreateOrUpdate", "method": "PUT", "cut": False,
               "path": "/enrollments/a?api-version=2021-10-01", "headers": JSON, "body": GOOD, "status": 200,
               "answerHeaders": JSON, "answer": GOOD}
        bad = [{**row, "body": {**GOOD, "x": 1}}, {**row, "answer": {}}, {**row, "path": "/nothing"},
               {**row, "operation": "EnrollmentGroup_Get"}]
        silent = [{**row, "cut": True, "answer": {}}, {**row, "plane": "hub", "path": "/devices/x"}]
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / "traffic.jsonl"
            place.write_text("".join(json.dumps(r) + "\n" for r in [row, *silent, *bad]) + '{"half')
            found, seen = check([folder])
        self.assertEqual([line.split(":")[1] for line in found], ["4", "5", "5", "6", "7"])
        self.assertEqual(sum(seen.values()), 6)


if __name__ == "__main__":
    unittest.main()
