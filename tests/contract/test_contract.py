# SPDX-License-Identifier: Apache-2.0
"""Every operation of both OpenAPI files, with every answer that is published for it, at the emulated service.

The tests are made from the files: one for each operation and published success, from the table GOOD, and for each
operation one for every error of ERRORS that can happen to it, and those of its own in BAD. An operation that the table
lacks, or a success that it does not reach, fails. Each request and each answer is held against its schema.
    test_contract.py DPS_EMULATOR
"""
import json
import os
import pathlib
import sys
import unittest
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "sim/dps/test")]
import emulator  # noqa: E402
from check import check  # noqa: E402
from emulator import Case, client, ek, sas, signing  # noqa: E402
from schema import answer_breaks, both_specs, request_breaks  # noqa: E402

SPECS = both_specs()
OPERATIONS = {o.id: (o, i == 1) for i, s in enumerate(SPECS) for o in s.operations}    # id → operation, of a device?
VERSION = "2021-10-01"


class Call:
    """One request: what its path's variables are, body, headers, and who asks."""

    def __init__(self, body=None, headers=None, cert=None, chain=None, auth=None, **variables):
        self.body, self.headers, self.cert, self.chain, self.auth = body, headers or {}, cert, chain, auth
        self.variables = variables


class Contract(Case):
    """The emulated service with whatever the table's rows put there; `ask` sends a row's call and checks both directions."""

    @classmethod
    def prepare(cls):
        cls.rules, cls.traffic, cls.serial = os.path.join(cls.folder, "rules.json"), os.path.join(cls.folder, "traffic"), 0
        cls.unsound = 0
        cls.set_rules([])
        cls.args = ("--rules", cls.rules, "--record-traffic", cls.traffic)

    @classmethod
    def tearDownClass(cls):
        """The checker of recorded traffic must find what was wrong on purpose, and nothing else."""
        found, seen = check([cls.traffic])
        super().tearDownClass()
        other = [line for line in found if not line.endswith(", 415: request: the body's type is text/plain")]
        if other or len(found) != cls.unsound or len(seen) != len(OPERATIONS):
            raise AssertionError("%d unsound requests, %d operations: %s" % (cls.unsound, len(seen), "\n".join(found)))

    @classmethod
    def set_rules(cls, rules):
        with open(cls.rules + ".new", "w") as f:
            json.dump(rules, f)
        os.rename(cls.rules + ".new", cls.rules)

    def new_id(self, word):
        Contract.serial += 1
        return f"{word}-{Contract.serial}"

    def ask(self, name, call, version=VERSION, anonymous=False, sound=True):
        """Sends it; `sound`: the request itself must keep the contract. The answer always must."""
        operation, of_device = OPERATIONS[name]
        path = operation.path.format(**{k: urllib.parse.quote(v, safe="") for k, v in call.variables.items()})
        query = f"?api-version={version}" if version is not None else ""
        headers = dict(call.headers)
        if call.body is not None:
            headers.setdefault("Content-Type", "application/json")
        low = {k.lower(): v for k, v in headers.items()}
        Contract.unsound += not sound
        if sound:
            self.assertEqual(list(request_breaks(operation, {"api-version": version}, low, call.body)), [], name)
        auth = call.auth if of_device or anonymous else sas(self.emulator.owner)
        cert = None if anonymous else call.cert
        got = self.emulator.send(operation.method, path + query, call.body, headers, None if anonymous else auth, cert,
                                 call.chain if cert else None)
        answered = {k.lower(): v for k, v in got.headers.items()}
        self.assertEqual(list(answer_breaks(operation, got.status, answered, got.json)), [], got.raw)
        if got.status >= 400 and got.code:
            self.assertEqual(answered["x-ms-error-code"], str(got.code))
        return got

    # --- what the rows put there

    def signer(self):
        return self.pki.authority(self.new_id("Signer"), self.root)

    def group_body(self, name, **more):
        return {"enrollmentGroupId": name, "attestation": signing(self.signer().text), **more}

    def entry_body(self, name, **more):
        return {"registrationId": name, "attestation": {"type": "tpm", "tpm": {"endorsementKey": ek()}}, **more}

    def made_group(self):
        name = self.new_id("group")
        self.assertEqual(self.ask("EnrollmentGroup_CreateOrUpdate", Call(self.group_body(name), id=name)).status, 200)
        return name

    def made_entry(self):
        name = self.new_id("entry")
        self.assertEqual(self.ask("IndividualEnrollment_CreateOrUpdate", Call(self.entry_body(name), id=name)).status, 200)
        return name

    def device(self):
        """A new device with an individual enrollment of its own certificate, as the call of its registration."""
        name = self.new_id("device")
        cert = self.pki.make(name)
        body = {"registrationId": name, "attestation": client(cert.text)}
        self.assertEqual(self.ask("IndividualEnrollment_CreateOrUpdate", Call(body, id=name)).status, 200)
        return Call({"registrationId": name}, cert=cert, registrationId=name, idScope=self.emulator.scope)

    def registered(self):
        call = self.device()
        begun = self.ask("RuntimeRegistration_RegisterDevice", call)
        self.assertEqual(begun.status, 202)
        call.variables["operationId"] = begun.json["operationId"]
        return call

    def member(self):
        """A group and a device that registered by it."""
        group, name, line = self.new_id("group"), self.new_id("device"), self.signer()
        body = {"enrollmentGroupId": group, "attestation": signing(line.text)}
        self.assertEqual(self.ask("EnrollmentGroup_CreateOrUpdate", Call(body, id=group)).status, 200)
        cert = self.pki.make(name, line)
        call = Call({"registrationId": name}, cert=cert, chain=cert.chain(line), registrationId=name, idScope=self.emulator.scope)
        self.assertEqual(self.ask("RuntimeRegistration_RegisterDevice", call).status, 202)
        return group, name


# ---- the table: operation → published success → the call that is answered so

def put_group(t):
    name = t.new_id("group")
    return Call(t.group_body(name, provisioningStatus="disabled", iotHubs=["hub-1.azure-devices.net"], allocationPolicy="static",
                             capabilities={"iotEdge": True},
                             reprovisionPolicy={"updateHubAssignment": True, "migrateDeviceData": False},
                             initialTwin={"tags": {"lot": "A7"}, "properties": {"desired": {"rate": 5}}}), id=name)


def put_entry(t):
    name = t.new_id("entry")
    return Call(t.entry_body(name, deviceId=name, optionalDeviceInformation={"shelf": "4"}, provisioningStatus="enabled"), id=name)


def bulk_entries(t):
    return Call({"enrollments": [t.entry_body(t.new_id("bulk")), t.entry_body(t.made_entry())], "mode": "create"})


def bulk_groups(t):
    return Call({"enrollmentGroups": [t.group_body(t.new_id("bulk")), t.group_body(t.made_group())], "mode": "create"})


def query(t):
    t.made_entry(), t.made_entry(), t.made_group(), t.made_group()
    return Call({"query": "SELECT * FROM enrollments"}, {"x-ms-max-item-count": "1"})


def query_records(t):
    return Call(headers={"x-ms-max-item-count": "1"}, id=t.member()[0])


def operation_is_done(t):
    call = t.registered()
    call.body = None
    t.assertEqual(t.ask("RuntimeRegistration_OperationStatusLookup", call).status, 202)
    return call


def operation_goes_on(t):
    call = t.registered()
    call.body = None
    return call


def registers_at_once(t):
    t.set_rules([{"match": {"operation": "RuntimeRegistration_RegisterDevice"}, "do": {"polls": -1}}])
    return t.device()


def look_up(t):
    call = t.registered()
    del call.variables["operationId"]
    return call


GOOD = {
    "EnrollmentGroup_CreateOrUpdate": {"200": put_group},
    "EnrollmentGroup_Get": {"200": lambda t: Call(id=t.made_group())},
    "EnrollmentGroup_Delete": {"204": lambda t: Call(id=t.made_group())},
    "EnrollmentGroup_RunBulkOperation": {"200": bulk_groups},
    "EnrollmentGroup_Query": {"200": query},
    "EnrollmentGroup_GetAttestationMechanism": {"200": lambda t: Call(id=t.made_group())},
    "IndividualEnrollment_CreateOrUpdate": {"200": put_entry},
    "IndividualEnrollment_Get": {"200": lambda t: Call(id=t.made_entry())},
    "IndividualEnrollment_Delete": {"204": lambda t: Call(id=t.made_entry())},
    "IndividualEnrollment_RunBulkOperation": {"200": bulk_entries},
    "IndividualEnrollment_Query": {"200": query},
    "IndividualEnrollment_GetAttestationMechanism": {"200": lambda t: Call(id=t.made_entry())},
    "DeviceRegistrationState_Get": {"200": lambda t: Call(id=t.member()[1])},
    "DeviceRegistrationState_Delete": {"204": lambda t: Call(id=t.member()[1])},
    "DeviceRegistrationState_Query": {"200": query_records},
    "RuntimeRegistration_RegisterDevice": {"202": lambda t: t.device(), "200": registers_at_once},
    "RuntimeRegistration_OperationStatusLookup": {"202": operation_goes_on, "200": operation_is_done},
    "RuntimeRegistration_DeviceRegistrationStatusLookup": {"200": look_up},
}


# ---- errors that can happen to every operation: name → (status, how to ask)

def without_rights(t, name, call):
    return t.ask(name, call, anonymous=True)


def of_unknown_version(t, name, call):
    return t.ask(name, call, version="2019-02-30")


def of_another_type(t, name, call):
    call.headers["Content-Type"] = "text/plain"
    return t.ask(name, call, sound=False)


def by_rule(status):
    def ask(t, name, call):
        t.set_rules([{"match": {"operation": name}, "do": {"status": status, "retry_after": 3}}])
        return t.ask(name, call)
    return ask


ERRORS = {
    "401_without_rights": (401, without_rights),
    "400_unknown_version": (400, of_unknown_version),
    "415_another_type": (415, of_another_type),
    "429_too_many": (429, by_rule(429)),
    "500_broken": (500, by_rule(500)),
    "503_busy": (503, by_rule(503)),
}


# ---- errors of an operation: (status, call)

def absent(**more):
    return lambda t: Call(id=t.new_id("absent"), **more)


def existing(made, body):
    def call(t):
        name = getattr(t, made)()
        return Call(getattr(t, body)(name), id=name)
    return call


def changed(made, body=None):
    def call(t):
        name = getattr(t, made)()
        return Call(getattr(t, body)(name) if body else None, {"If-Match": '"other"'}, id=name)
    return call


def wrong_ek(t):
    name = t.new_id("entry")
    return Call({"registrationId": name, "attestation": {"type": "tpm", "tpm": {"endorsementKey": "AToA"}}}, id=name)


def eleven(field, body):
    return lambda t: Call({field: [getattr(t, body)("same")] * 11, "mode": "delete"})


def bad_query(t):
    return Call({"query": "SELECT * FROM enrollments WHERE x = 1"})


def stranger(t):
    call = t.device()
    call.cert = t.pki.make(call.variables["registrationId"])
    return call


def of_another_scope(t):
    call = t.device()
    call.variables["idScope"] = "0neFFFFFFFF"
    return call


def challenged(t):
    name = t.made_entry()
    entry = t.emulator.service("GET", "/enrollments/" + name).json
    key = entry["attestation"]["tpm"]["endorsementKey"]
    return Call({"registrationId": name, "tpm": {"endorsementKey": key, "storageRootKey": ek(attributes=0x30472)}},
                registrationId=name, idScope=t.emulator.scope)


def unknown_operation(t):
    call = t.registered()
    call.body, call.variables["operationId"] = None, "4.0000000000000000.00000000-0000-0000-0000-000000000000"
    return call


BAD = {
    "EnrollmentGroup_CreateOrUpdate": [(409, existing("made_group", "group_body")), (412, changed("made_group", "group_body"))],
    "EnrollmentGroup_Get": [(404, absent())],
    "EnrollmentGroup_Delete": [(404, absent()), (412, changed("made_group"))],
    "EnrollmentGroup_RunBulkOperation": [(400, eleven("enrollmentGroups", "group_body"))],
    "EnrollmentGroup_Query": [(400, bad_query)],
    "EnrollmentGroup_GetAttestationMechanism": [(404, absent())],
    "IndividualEnrollment_CreateOrUpdate": [(409, existing("made_entry", "entry_body")), (412, changed("made_entry", "entry_body")),
                                            (400, wrong_ek)],
    "IndividualEnrollment_Get": [(404, absent())],
    "IndividualEnrollment_Delete": [(404, absent()), (412, changed("made_entry"))],
    "IndividualEnrollment_RunBulkOperation": [(400, eleven("enrollments", "entry_body"))],
    "IndividualEnrollment_Query": [(400, bad_query)],
    "IndividualEnrollment_GetAttestationMechanism": [(404, absent())],
    "DeviceRegistrationState_Get": [(404, absent())],
    "DeviceRegistrationState_Delete": [(404, absent()), (412, lambda t: Call(headers={"If-Match": '"other"'}, id=t.member()[1]))],
    "DeviceRegistrationState_Query": [(404, absent())],
    "RuntimeRegistration_RegisterDevice": [(401, stranger), (401, challenged), (404, of_another_scope)],
    "RuntimeRegistration_OperationStatusLookup": [(404, unknown_operation)],
    "RuntimeRegistration_DeviceRegistrationStatusLookup": [(404, lambda t: t.device())],
}


def good_test(name, key):
    def test(self):
        row = GOOD.get(name, {}).get(key)
        self.assertIsNotNone(row, "%s is published with %s and has no test" % (name, key))
        self.set_rules([])
        got = self.ask(name, row(self))
        self.assertEqual(str(got.status), key, got.raw)
    return test


def error_test(name, status, row, ask):
    def test(self):
        self.set_rules([])
        got = ask(self, name, row(self))
        self.assertEqual(got.status, status, got.raw)
    return test


def make_tests():
    for name, (operation, _) in OPERATIONS.items():
        for key in operation.responses:
            if key != "default":
                setattr(Contract, f"test_{name}_{key}", good_test(name, key))
        if name not in GOOD:
            continue
        row = next(iter(GOOD[name].values()))
        for word, (status, ask) in ERRORS.items():
            has_body = any(p["in"] == "body" for p in operation.parameters)
            if has_body or ask is not of_another_type:
                setattr(Contract, f"test_{name}_{word}", error_test(name, status, row, ask))
        for i, (status, row) in enumerate(BAD.get(name, [])):
            setattr(Contract, f"test_{name}_{status}_{i}", error_test(name, status, row, lambda t, n, c: t.ask(n, c)))


class Completeness(unittest.TestCase):
    def test_the_table_names_operations_of_the_files_and_no_others(self):
        self.assertEqual(set(GOOD), set(OPERATIONS))
        self.assertEqual(set(BAD), set(OPERATIONS))

    def test_the_table_names_published_successes_and_no_others(self):
        for name, (operation, _) in OPERATIONS.items():
            self.assertEqual(set(GOOD[name]), set(operation.responses) - {"default"}, name)

    def test_a_published_answer_without_a_row_fails(self):
        with self.assertRaises(AssertionError):
            good_test("EnrollmentGroup_Get", "201")(self)


make_tests()

if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        emulator.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
