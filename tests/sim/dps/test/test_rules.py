# SPDX-License-Identifier: Apache-2.0
"""Faults on demand, restarts, the command line."""
import concurrent.futures
import email.utils
import http.client
import json
import os
import ssl
import subprocess
import time

import emulator
from emulator import Case, Emulator, ek, main, sas, signing


class Rules(Case):
    @classmethod
    def prepare(cls):
        cls.rules = os.path.join(cls.folder, "rules.json")
        with open(cls.rules, "w") as f:
            f.write("[]")
        cls.args = ("--rules", cls.rules)

    def setUp(self):
        self.addCleanup(self.rule)

    def rule(self, *rules):
        with open(self.rules + ".new", "w") as f:
            json.dump(list(rules), f)
        os.replace(self.rules + ".new", self.rules)

    def put(self, name):
        return self.emulator.put_group(name, self.pki.authority(name, self.root))

    def get(self, name="none"):
        return self.emulator.service("GET", "/enrollmentGroups/" + name)

    def test_a_status_is_answered_instead_of_the_effect(self):
        for status, code in ((401, 401000), (409, 409000), (412, 412000), (429, 429000), (500, 500000), (503, 503000)):
            self.rule({"match": {"method": "PUT"}, "do": {"status": status}})
            self.refused(self.put("status"), code, status)
        self.rule({"do": {"status": 500, "error_code": 500123}})
        self.refused(self.get("status"), 500123)
        self.rule()
        self.refused(self.get("status"), 404201)

    def test_429_says_when_to_come_again(self):
        self.rule({"match": {"operation": "EnrollmentGroup_Get"}, "do": {"status": 429, "retry_after": 7}})
        answer = self.get()
        self.refused(answer, 429000)
        self.assertEqual(answer.headers["Retry-After"], "7")

    def test_nth_and_times_count_the_requests_that_match(self):
        self.rule({"match": {"method": "GET", "path": "^/enrollmentGroups/count", "nth": 2}, "do": {"status": 500}},
                  {"match": {"method": "GET", "path": "/COUNT", "nth": 4, "times": 2}, "do": {"status": 503}})
        self.get("other")
        self.assertEqual([self.get("count").status for _ in range(6)], [404, 500, 404, 503, 503, 404])

    def test_latency_delays_the_effect_and_nobody_else(self):
        self.rule({"match": {"path": "/slow"}, "do": {"latency_ms": 300}})
        with concurrent.futures.ThreadPoolExecutor() as pool:
            start = time.monotonic()
            slow = pool.submit(self.get, "slow")
            time.sleep(0.05)
            self.refused(self.get("quick"), 404201)
            self.assertLess(time.monotonic() - start, 0.25)
            self.refused(slow.result(), 404201)
            self.assertGreaterEqual(time.monotonic() - start, 0.3)

    def test_a_cut_before_the_effect_leaves_nothing(self):
        for kind, curl_code in (("close", 52), ("reset", 56), (True, 52)):
            self.rule({"match": {"method": "PUT"}, "do": {"cut_before": kind}})
            body = json.dumps({"enrollmentGroupId": "cut", "attestation": signing(self.line.text)})
            code, _ = self.emulator.curl("/enrollmentGroups/cut?api-version=2021-10-01", "-X", "PUT", "-H",
                                         "Content-Type: application/json", "-d", body)
            self.assertIn(code, (curl_code, 56))
            self.assertEqual(self.emulator.record()[-1]["effect"], False)
            self.refused(self.get("cut"), 404201)

    def test_a_cut_after_the_effect_leaves_it(self):
        for i, kind in enumerate(("close", "reset")):
            self.rule({"match": {"method": "PUT"}, "do": {"cut_after": kind}})
            with self.assertRaises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
                self.put(f"cut-after-{i}")
            entry = self.emulator.record()[-1]
            self.assertEqual((entry["status"], entry["cut"], entry["effect"]), (0, kind, True))
            self.assertEqual(self.get(f"cut-after-{i}").status, 200)

    def test_a_reset_is_a_true_reset(self):
        self.rule({"do": {"cut_before": "reset"}})
        with self.assertRaises(ConnectionResetError):
            self.get()

    def test_a_truncated_body_promises_more_than_it_gives(self):
        self.put("trunc")
        self.rule({"match": {"path": "/trunc"}, "do": {"truncate_body": True}})
        code, out = self.emulator.curl("/enrollmentGroups/trunc?api-version=2021-10-01")
        self.assertEqual(code, 18, out)
        with self.assertRaises(http.client.IncompleteRead):
            self.get("trunc")

    def test_a_skewed_clock_expires_tokens_early_or_late(self):
        path = "/enrollmentGroups/none"
        self.rule({"do": {"clock_skew_s": 3600}})
        self.refused(self.get(), 401000)
        self.rule({"do": {"clock_skew_s": -3600}})
        late = self.emulator.service("GET", path, auth=sas(self.emulator.owner, ttl=-60))
        self.refused(late, 404201)
        behind_s = time.time() - email.utils.parsedate_to_datetime(late.headers["Date"]).timestamp()
        self.assertTrue(3590 < behind_s < 3720, behind_s)

    def test_a_failure_of_a_device_can_come_at_once_or_later(self):
        leaf = self.pki.make("async-1", self.pki.authority("Nowhere"))
        self.rule({"do": {"async_failure": True, "polls": 0}})
        done = self.emulator.register("async-1", leaf)
        self.assertEqual((done.status, done.json["status"]), (200, "failed"))
        self.assertEqual(done.json["registrationState"]["errorCode"], 401002)
        lost = self.pki.make("async-2", self.line)
        self.rule({"do": {"async_failure": False}})
        self.refused(self.emulator.register("async-2", lost, lost.chain(self.line)), 404201)

    def test_polls_and_retry_after_of_a_registration_can_be_set(self):
        self.emulator.put_group("polls", self.root)
        leaf = self.pki.make("polls-1", self.root)
        self.rule({"match": {"operation": "RuntimeRegistration_RegisterDevice"}, "do": {"polls": 3, "retry_after": 9}})
        first = self.emulator.device("PUT", "polls-1/register", leaf, None, {})
        self.assertEqual(first.headers["Retry-After"], "9")
        path = "polls-1/operations/" + first.json["operationId"]
        self.assertEqual([self.emulator.device("GET", path, leaf).status for _ in range(5)], [202, 202, 202, 200, 200])

    def test_effects_of_several_rules_add_up_and_the_last_one_counts(self):
        self.rule({"do": {"status": 500, "retry_after": 3}}, {"do": {"status": 429}})
        answer = self.get()
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (429, "3"))

    def test_a_rule_file_that_cannot_be_read_leaves_the_rules_before_it(self):
        self.rule({"do": {"status": 500}})
        self.assertEqual(self.get().status, 500)
        with open(self.rules, "w") as f:
            f.write("[{")
        self.assertEqual(self.get().status, 500)


class CommandLine(Case):
    def run_with(self, *args):
        return subprocess.run([emulator.PROGRAM, *args], capture_output=True, text=True, timeout=10)

    def test_help_names_every_option(self):
        done = self.run_with("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--listen", "--state", "--verified-ca", "--group", "--rules", "--polls", "--strict-etags",
                       "--throttle", "--throttle-operations", "--throttle-registrations", "--throttle-polls",
                       "--throttle-window-ms", "--bulk-costs", "--fault-rate", "--fault-seed", "--record-traffic",
                       "--bulk-lists-all"):
            self.assertIn(option, done.stdout)

    def test_wrong_options_are_refused(self):
        state = ("--state", os.path.join(self.folder, "x"))
        for args in ((), ("--listen", "1"), ("--listen", "127.0.0.1:99999"), ("--polls", "-2"), ("--group", "x"),
                     ("--throttle-operations", "-1"), ("--throttle-window-ms", "0"), ("--bulk-costs", "two"),
                     ("--fault-rate", "1.5"), ("--fault-rate", "x"), ("--fault-seed", "x"), ("--nonsense",), ("stray",)):
            done = self.run_with(*(state if args else ()), *args)
            self.assertEqual(done.returncode, 2, args)
            self.assertTrue(done.stderr)

    def test_files_that_cannot_be_used_end_the_start(self):
        state = ("--state", os.path.join(self.folder, "y"))
        rules = os.path.join(self.folder, "bad-rules.json")
        for text in ("{}", "[1]", '[{"do": {}}]', '[{"do": {"latency": 1}}]', '[{"do": {"status": 200}}]',
                     '[{"match": {"path": "("}, "do": {"status": 500}}]', '[{"match": {"when": 1}, "do": {"polls": 1}}]'):
            with open(rules, "w") as f:
                f.write(text)
            self.assertEqual(self.run_with(*state, "--rules", rules).returncode, 1, text)
        self.assertEqual(self.run_with(*state, "--verified-ca", rules).returncode, 1)
        self.assertEqual(self.run_with(*state, "--group", "g=" + rules).returncode, 1)
        self.assertEqual(self.run_with(*state, "--listen", "1.2.3.4:0").returncode, 1)

    def test_a_state_has_one_emulator_at_a_time(self):
        done = self.run_with("--state", self.emulator.state)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.emulator.service("GET", "/enrollmentGroups/none").status, 404)

    def test_the_group_given_at_start_is_made_once(self):
        inner = os.path.join(self.folder, "given")
        os.mkdir(inner)
        given = Emulator(inner, "--group", "Given=" + self.line.pem, "--verified-ca", self.root.pem, "--polls", "0")
        first = given.service("GET", "/enrollmentGroups/given").json
        self.assertEqual(first["enrollmentGroupId"], "Given")
        leaf = self.pki.make("given-1", self.line)
        self.assertEqual(given.register("given-1", leaf, leaf.chain(self.line)).json["status"], "assigned")
        self.assertEqual(given.stop()[0], 0)
        given.start()
        self.assertEqual(given.service("GET", "/enrollmentGroups/given").json, first)
        self.assertEqual(len(given.arm("GET", "/certificates").json["value"]), 1)
        self.assertEqual(given.stop()[0], 0)

    def test_a_restart_answers_as_before(self):
        leaf = self.pki.make("again-1", self.line)
        self.emulator.put_group("again", self.line)
        first = self.emulator.device("PUT", "again-1/register", leaf, leaf.chain(self.line), {})
        before, scope, asked = self.emulator.endpoint, self.emulator.scope, len(self.emulator.record())
        views = lambda: [self.emulator.service("GET", "/enrollmentGroups/again").json,
                         self.emulator.service("GET", "/registrations/again-1").json,
                         self.emulator.arm("GET", "/certificates").json,
                         self.emulator.hub("GET", "/devices", 0).json, self.emulator.hub("GET", "/devices", 1).json]
        seen = views()
        self.emulator.process.kill()
        self.emulator.process.communicate()
        self.emulator.start("--listen", f"127.0.0.1:{self.emulator.port}")
        self.assertEqual(self.emulator.endpoint, before)
        self.assertEqual(views(), seen)
        self.assertEqual(self.emulator.scope, scope)
        path = "again-1/operations/" + first.json["operationId"]
        answers = [self.emulator.device("GET", path, leaf, leaf.chain(self.line)).status for _ in range(2)]
        self.assertEqual(answers, [202, 200])
        record = self.emulator.record()
        self.assertEqual([e["seq"] for e in record], list(range(1, len(record) + 1)))
        self.assertGreater(len(record), asked)

    def test_the_state_directory_is_made_with_those_above_it(self):
        deep = os.path.join(self.folder, "a", "b")
        made = Emulator(deep)
        self.assertEqual(made.stop()[0], 0)
        self.assertTrue(os.path.exists(os.path.join(deep, "state", "instance.json")))

    def test_nothing_of_the_state_is_readable_by_others(self):
        for folder, _, files in os.walk(self.emulator.state):
            self.assertEqual(os.stat(folder).st_mode & 0o077, 0, folder)

    def test_it_ends_at_once_even_while_a_rule_sleeps(self):
        inner = os.path.join(self.folder, "sleepy")
        os.mkdir(inner)
        rules = os.path.join(inner, "rules.json")
        with open(rules, "w") as f:
            json.dump([{"do": {"latency_ms": 60000}}], f)
        sleepy = Emulator(inner, "--rules", rules)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(sleepy.service, "GET", "/enrollmentGroups/x")
            time.sleep(0.2)
            start = time.monotonic()
            self.assertEqual(sleepy.stop()[0], 0)
            self.assertLess(time.monotonic() - start, 5)
            waiting.exception()

    def test_many_clients_at_once_are_served(self):
        def one(i):
            name = f"crowd-{i}"
            body = {"registrationId": name, "attestation": {"type": "tpm", "tpm": {"endorsementKey": key}}}
            return self.emulator.service("PUT", "/enrollments/" + name, body).status

        key = ek()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(one, range(40))), {200})
        names = [e["registrationId"] for e in self.emulator.record() if e["plane"] == "service" and "registrationId" in e]
        self.assertEqual(len([n for n in names if n.startswith("crowd-")]), 40)


if __name__ == "__main__":
    main()
