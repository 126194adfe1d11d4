#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What waits for the provisioning service arrives: each enrollment once, whatever fails on the way, and what cannot arrive goes aside alone.

    test_uplink.py [--units N] [--kills N] [--window-ms N] [UNITTEST...]

The outbox is filled by tests/station/fill_outbox with certificates of its own; what arrived is counted on the emulator's side."""
import argparse
import base64
import hashlib
import http.client
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, built, wait_until  # noqa: E402

# The service's minute is scaled to window_ms, and so is the station's pace: 1,000 operations in it, of which the station takes 950.
OPTIONS = argparse.Namespace(units=5000, kills=20, window_ms=5000)
CREATE, BULK, GET = "IndividualEnrollment_CreateOrUpdate", "IndividualEnrollment_RunBulkOperation", "IndividualEnrollment_Get"


class Case(unittest.TestCase):
    """A fresh ledger for each test; ids are never used twice, since the service remembers them."""

    devices = 0

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=max(cls.devices, 1), slots=1, prepare=False, usb=cls.devices > 0)
        cls.rules_path = cls.factory.dir / "rules.json"
        cls.rules()
        cls.service()
        cls.factory.prepare()
        cls.used = 0

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    @classmethod
    def service(cls, *words):
        """The emulated service (again), with rules, always at the same port."""
        if cls.factory.dps.running:
            cls.factory.dps.stop()
        port = cls.factory.endpoint["url"].rsplit(":", 1)[1]
        cls.factory.start_dps("--listen", "127.0.0.1:%s" % port, "--rules", cls.rules_path, "--polls", "0", *words)

    @classmethod
    def rules(cls, *rules):
        new = cls.rules_path.with_suffix(".new")
        new.write_text(json.dumps(list(rules)))
        new.replace(cls.rules_path)

    def setUp(self):
        self.rules()
        self.state = self.factory.dir / "state"
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir()
        self.seen = len(self.factory.requests())
        self.ids = []

    def tearDown(self):
        self.rules()
        if not self.factory.dps.running:
            self.service()

    def fill(self, count, spoiled=None, **options):
        """Queues further units; `spoiled` is one of them, counted from 1. Gives their ids."""
        first = type(self).used + 1
        type(self).used += count
        words = [built("tests/station/fill_outbox"), self.state / "ledger.db", "line-1.demo", count, "--first", first]
        words += ["--spoiled", first + spoiled - 1] if spoiled else []
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), value]
        code, output = self.factory.run(words)
        self.assertEqual(code, 0, output)
        ids = ["unit-%05d" % n for n in range(first, first + count)]
        self.ids += ids
        return ids

    def body(self, unit):
        """The enrollment as it stands in the outbox."""
        return json.loads(self.sql("SELECT body FROM outbox WHERE registration_id = ?", unit)[0][0])

    def sql(self, text, *values):
        with sqlite3.connect("file:%s?mode=ro" % (self.state / "ledger.db"), uri=True) as db:
            return db.execute(text, values).fetchall()

    def rows(self, state):
        return [r[0] for r in self.sql("SELECT registration_id FROM outbox WHERE state = ? ORDER BY number", state)]

    def entries(self, kind):
        return [json.loads(r[0]) for r in self.sql("SELECT entry FROM entry WHERE type = ? ORDER BY idx", kind)]

    def upload(self, *words, status=0, timeout_s=60.0):
        code, output = self.factory.run([self.factory.station, "upload", "--config", self.factory.config, *words], timeout_s)
        self.assertEqual(code, status, output)
        return output

    def requests(self, operation=None):
        """What the service was asked in this test."""
        return [r for r in self.factory.requests()[self.seen:] if operation in (None, r["operation"])]

    def there(self, unit):
        """The enrollment as the service has it, asked by a hand of another; None if there is none."""
        return self.factory.ask_service("GET", "/enrollments/" + unit)

    def arrived(self, ids=None, but=()):
        """Each of them was created once, and holds the certificate that was queued; the ledger says sent, and the audit log fits."""
        ids = ids or self.ids
        wanted = [i for i in ids if i not in but]
        created = self.factory.counts()["ids"]
        wrong = {i: created.get("enrollments/" + i) for i in wanted if created.get("enrollments/" + i, {}).get("created") != 1}
        self.assertEqual(wrong, {}, "created once each")
        self.assertEqual([i for i in self.rows("sent") if i in ids], wanted)
        for unit in (wanted[0], wanted[-1], random.choice(wanted)):
            leaf = self.body(unit)["attestation"]["x509"]["clientCertificates"]["primary"]["certificate"]
            info = self.there(unit)["attestation"]["x509"]["clientCertificates"]["primary"]["info"]
            self.assertEqual(info["sha256Thumbprint"].lower(), sha256(base64.b64decode(leaf)))
        self.assertIn("fits         yes", self.factory.audit_verify())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Upload(Case):
    """`station upload`, with no line."""

    def test_what_waits_arrives_in_bulks_and_one_alone_by_itself(self):
        self.fill(25)
        output = self.upload()
        self.assertIn("25 wait, 0 sent, 0 aside", output)
        self.assertIn("0 wait, 25 sent, 0 aside", output.splitlines()[-1])
        self.arrived()
        self.assertEqual([r["status"] for r in self.requests(BULK)], [200] * 3)
        self.assertEqual(self.requests(CREATE), [])
        self.fill(1)
        self.upload()
        self.assertEqual([r["status"] for r in self.requests(CREATE)], [200])
        self.arrived()
        self.assertEqual(len(self.entries("enroll.done")), 26)
        self.upload()
        self.assertEqual(len(self.requests(BULK)), 3, "nothing is sent twice")

    def test_a_poisoned_row_goes_aside_alone(self):
        ids = self.fill(35, spoiled=14)
        output = self.upload("--json", status=1)
        self.arrived(but=[ids[13]])
        self.assertEqual(self.rows("aside"), [ids[13]])
        aside = json.loads(output.splitlines()[-1])["aside"]
        self.assertEqual((aside["registration_id"], aside["code"]), (ids[13], "E-DPS-014"))
        self.assertIn("400", aside["what"])
        entry, = self.entries("enroll.aside")
        self.assertEqual((entry["body"]["registration_id"], entry["body"]["code"]), (ids[13], "E-DPS-014"))
        report = json.loads(self.factory.verb("report", "--config", self.factory.config, "--json"))
        row, = report["outbox"]
        self.assertEqual((row["registration_id"], row["state"], row["code"]), (ids[13], "aside", "E-DPS-014"))
        unit, = [u for u in report["units"] if u["registration_id"] == ids[13]]
        self.assertEqual((unit["verdict"], unit["code"], unit["next"]), ("BUILT", "E-DPS-014", row["next"]), "plugging it in is no help")

    def test_a_bulk_that_is_refused_as_a_whole_goes_one_by_one(self):
        ids = self.fill(10, spoiled=3)
        self.rules({"match": {"operation": BULK}, "do": {"status": 400}})
        self.upload(status=1)
        self.arrived(but=[ids[2]])
        self.assertEqual(len(self.requests(BULK)), 1)
        self.assertEqual(len(self.requests(CREATE)), 10)

    def test_a_different_enrollment_goes_aside_with_both_shown_and_an_equal_one_is_success(self):
        ids = self.fill(12)
        other = self.body(ids[4])
        other["reprovisionPolicy"] = {"updateHubAssignment": False, "migrateDeviceData": False}
        self.factory.ask_service("PUT", "/enrollments/" + ids[4], other)
        self.factory.ask_service("PUT", "/enrollments/" + ids[5], self.body(ids[5]))
        output = self.upload(status=1)
        self.arrived(but=[ids[4]])
        self.assertRegex(output, r"aside: %s  E-DPS-011 .*here, .* there" % ids[4])
        entry, = self.entries("enroll.aside")
        self.assertIn("reprovision", entry["body"]["difference"])
        found = {e["body"]["registration_id"]: e["body"]["found"] for e in self.entries("enroll.done")}
        self.assertIs(found[ids[5]], True)
        self.assertEqual(self.there(ids[4])["reprovisionPolicy"]["updateHubAssignment"], False, "never replaced")

        self.factory.ask_service("DELETE", "/enrollments/" + ids[4])
        self.assertIn("nothing", self.factory.ask_service("GET", "/enrollments/" + ids[4]) or "nothing")
        self.upload("--retry", ids[4])
        self.assertEqual(self.rows("sent"), ids)
        self.assertEqual(len(self.entries("enroll.queued")), 13)

    def test_a_difference_longer_than_an_audit_entry_goes_aside_all_the_same(self):
        ids = self.fill(11)
        twin = {"tags": {"note": "\u20ac\"\\" * 3000}, "properties": {"desired": {}}}
        self.factory.ask_service("PUT", "/enrollments/" + ids[0], {**self.body(ids[0]), "initialTwin": twin})
        self.assertRegex(self.upload(status=1), "aside: %s  E-DPS-011" % ids[0])
        self.arrived(but=[ids[0]])
        entry, = self.entries("enroll.aside")
        self.assertIn("\u20ac", entry["body"]["difference"])

    def test_a_certificate_that_stands_under_another_id_goes_aside_alone(self):
        ids = self.fill(11)
        self.factory.ask_service("PUT", "/enrollments/somebody-%s" % ids[3], {**self.body(ids[3]), "registrationId": "somebody-" + ids[3]})
        self.assertRegex(self.upload(status=1), "aside: %s  E-DPS-011" % ids[3])
        self.arrived(but=[ids[3]])
        self.assertIsNone(self.there(ids[3]))

    def test_only_what_is_aside_can_be_put_back(self):
        ids = self.fill(1)
        self.upload()
        self.assertIn("E-CFG-003", self.upload("--retry", ids[0], status=2))
        self.assertIn("E-CFG-003", self.upload("--retry", "unit-99999", status=2))

    def test_a_lost_answer_is_settled_by_reading(self):
        for do in ({"cut_after": "reset"}, {"cut_after": "close"}, {"truncate_body": True}, {"cut_before": "reset"}, {"status": 500}):
            with self.subTest(do=do):
                self.seen = len(self.factory.requests())
                ids = self.fill(10)
                self.rules({"match": {"operation": BULK, "times": 1}, "do": do})
                self.upload()
                self.arrived(ids)
                self.assertEqual(len(self.requests(GET)), 10 + 3, "read first, and looked at by this test")
                self.rules()

    def test_a_lost_answer_about_one_alone_is_settled_by_reading(self):
        for do in ({"cut_after": "reset"}, {"cut_before": "reset"}):
            with self.subTest(do=do):
                ids = self.fill(1)
                self.rules({"match": {"operation": CREATE, "times": 1}, "do": do})
                self.upload()
                self.arrived(ids)

    def test_a_429_storm_is_waited_for(self):
        self.fill(60)
        self.rules({"match": {"path": "/enrollments", "times": 9}, "do": {"status": 429, "retry_after": 1}})
        self.upload()
        self.assertEqual(len([r for r in self.requests() if r["status"] == 429]), 9)
        self.arrived()
        self.assertEqual(self.rows("aside"), [])

    def test_an_outage_is_said_and_the_next_upload_finishes(self):
        self.fill(30)
        self.factory.dps.stop()
        output = self.upload(status=1)
        self.assertIn("E-DPS-001", output)
        self.assertEqual(len(self.rows("waiting")), 30)
        self.service()
        self.upload()
        self.arrived()
        failed = self.entries("enroll.failed")
        self.assertEqual(len(failed), len({e["job"] for e in failed}), "said once for each row, not for each try")

    def test_refused_credentials_put_nothing_aside(self):
        self.fill(30)
        self.rules({"match": {"path": "/enrollments"}, "do": {"status": 401, "error_code": 401002}})
        self.assertIn("E-DPS-003", self.upload(status=1))
        self.assertEqual(len(self.rows("waiting")), 30)
        self.rules({"match": {"path": "/enrollments"}, "do": {"status": 404}})
        self.assertIn("E-DPS-005", self.upload(status=1), "this is not the service")
        self.assertEqual(len(self.rows("waiting")), 30)
        self.rules()
        self.upload()
        self.arrived()

    def test_a_row_whose_answer_is_never_understood_holds_nobody_back(self):
        ids = self.fill(31)
        self.rules({"match": {"operation": BULK, "times": 3}, "do": {"truncate_body": True}},
                   {"match": {"path": "/enrollments/" + ids[1]}, "do": {"truncate_body": True}})
        self.upload(status=1)
        self.assertEqual(self.rows("waiting"), [ids[1]])
        self.rules()
        self.upload()
        self.arrived()

    def test_a_ledger_that_takes_no_more_loses_nothing(self):
        self.fill(200)
        self.rules({"do": {"latency_ms": 100}})
        process = self.factory.popen([self.factory.station, "upload", "--config", self.factory.config], "upload")
        process.wait_for_output("190 wait", 30)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (65536, hard))
        self.assertEqual(process.wait(60), 1)
        self.assertRegex(process.output, "E-DB-00[12]")
        self.assertGreater(len(self.rows("waiting")), 0)
        self.rules()
        self.upload()
        self.arrived()

    def test_a_full_disk_loses_nothing(self):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "none", self.state], capture_output=True).returncode:
            self.skipTest("mounting is not permitted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=True)
        self.fill(300)
        self.rules({"do": {"latency_ms": 50}})
        process = self.factory.popen([self.factory.station, "upload", "--config", self.factory.config], "upload")
        process.wait_for_output("290 wait", 30)
        fill = self.state / "fill"
        with open(fill, "wb", buffering=0) as f:
            try:
                while f.write(bytes(65536)):
                    pass
            except OSError:
                pass
        code = process.wait(60)
        fill.unlink()
        self.assertIn((code, "E-DB-00" in process.output), ((1, True), (0, False)))
        self.rules()
        self.upload()
        self.arrived()


class Promise(Case):
    """Throttled, with 1 % faults of all kinds, and whoever sends killed again and again: none lost, none twice."""

    devices = 1

    @property
    def timeout_s(self):
        """Several times what the throttle allows."""
        return 60 + 4 * OPTIONS.units * OPTIONS.window_ms / 1e6

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.factory.start_line().stop()     # from here on this configuration also starts in an outage
        cls.service("--throttle", "--throttle-window-ms", OPTIONS.window_ms, "--fault-rate", "0.01", "--fault-seed", "7")

    def configure(self):
        pace = "operations_per_minute = %d\n\n[profile " % (950 * 60000 // OPTIONS.window_ms)
        self.factory.config.write_text(self.factory.config.read_text().replace("[profile ", pace, 1))

    def kill_one(self, nth):
        """Starts the line or `station upload`, lets it work for a while, and kills it at no particular instant."""
        words = ["run", "--json"] if nth % 2 else ["upload"]
        process = self.factory.popen([self.factory.station, *words, "--config", self.factory.config], "killed.%d" % nth)
        waiting = len(self.rows("waiting"))
        end = time.monotonic() + 20
        while process.running and len(self.rows("waiting")) == waiting and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(random.random() * OPTIONS.window_ms / 1e4)
        killed = process.running
        process.signal(signal.SIGKILL)
        process.popen.wait()
        process.kill()
        return killed

    def all_there(self, ids):
        """What the service holds under each id, one by one over one connection."""
        host, port = self.factory.endpoint["url"].split("//", 1)[1].rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.factory.endpoint["ca"])
        headers = {"Authorization": self.factory.sas_token(self.factory.policy_name("owner"))}
        connection = http.client.HTTPSConnection("127.0.0.1" if host == "localhost" else host, int(port), context=context)
        for unit in ids:
            connection.request("GET", "/enrollments/%s?api-version=2021-10-01" % unit, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            yield unit, json.loads(body) if answer.status == 200 else None
        connection.close()

    def test_none_is_lost_and_none_is_sent_twice(self):
        self.configure()
        ids = self.fill(OPTIONS.units, spoiled=OPTIONS.units // 3)
        poisoned, different = ids[OPTIONS.units // 3 - 1], ids[OPTIONS.units // 2]
        other = {**self.body(different), "provisioningStatus": "disabled"}
        wait_until(lambda: self.put(different, other), 20, "a person's own enrollment")
        kills = sum(bool(self.rows("waiting")) and self.kill_one(n) for n in range(OPTIONS.kills))
        self.assertGreaterEqual(kills, OPTIONS.kills // 2, "they were killed in mid-work")
        wait_until(self.drained, self.timeout_s, "all sent")

        self.assertEqual(sorted(self.rows("aside")), sorted([poisoned, different]))
        counts = self.factory.counts()
        self.assertGreater(counts["randomFaults"], 0)
        self.assertEqual((counts["updated"], counts["deleted"]), (0, 0))
        self.service()
        self.arrived(but=[poisoned, different])
        for unit, enrollment in self.all_there(ids):
            if unit in (poisoned, different):
                self.assertEqual(enrollment is None, unit == poisoned)
                continue
            queued = self.bodies[unit]
            leaf = queued["attestation"]["x509"]["clientCertificates"]["primary"]["certificate"]
            info = enrollment["attestation"]["x509"]["clientCertificates"]["primary"]["info"]
            self.assertEqual(info["sha256Thumbprint"].lower(), sha256(base64.b64decode(leaf)))
            self.assertEqual(enrollment["provisioningStatus"], "enabled")
        done = [e["job"] for e in self.entries("enroll.done")]
        self.assertEqual(len(done), len(set(done)), "settled once in the audit log")
        self.assertEqual(len(done), OPTIONS.units - 2)

    def put(self, unit, body):
        try:
            return self.factory.ask_service("PUT", "/enrollments/" + unit, body)
        except OSError:
            return None     # one of the faults

    def drained(self):
        self.factory.run([self.factory.station, "upload", "--config", self.factory.config], self.timeout_s)
        return not self.rows("waiting")

    @property
    def bodies(self):
        if not hasattr(self, "_bodies"):
            self._bodies = {unit: json.loads(body) for unit, body in self.sql("SELECT registration_id, body FROM outbox")}
        return self._bodies


def main():
    parser = argparse.ArgumentParser(add_help=False)
    for name, value in vars(OPTIONS).items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    options, rest = parser.parse_known_args()
    vars(OPTIONS).update(vars(options))
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)


if __name__ == "__main__":
    main()
