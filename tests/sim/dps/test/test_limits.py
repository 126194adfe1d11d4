# SPDX-License-Identifier: Apache-2.0
"""Throttles, faults by chance, darkness, and the traffic that is kept."""
import http.client
import json
import os
import signal
import ssl
import time

from emulator import Case, ek, main


def entry(name):
    return {"registrationId": name, "attestation": {"type": "tpm", "tpm": {"endorsementKey": ek()}}}


class Limited(Case):
    args = ("--polls", "100", "--throttle", "--throttle-operations", "12", "--throttle-registrations", "3",
            "--throttle-window-ms", "3600000")

    def test_each_limit_is_counted_by_itself_and_says_when_to_come_again(self):
        ask = lambda: self.emulator.service("GET", "/enrollments/none")
        bulk = lambda n: self.emulator.service("POST", "/enrollments", {
            "mode": "create", "enrollments": [entry(f"b-{n}-{i}") for i in range(n)]})
        self.refused(ask(), 404201)
        self.assertEqual(bulk(10).status, 200)
        self.refused(bulk(2), 429000)
        self.assertEqual(bulk(1).status, 200)
        late = ask()
        self.refused(late, 429000)
        self.assertTrue(3500 < int(late.headers["Retry-After"]) <= 3600, late.headers["Retry-After"])

        leaves = [self.pki.make(f"limited-{i}") for i in range(4)]
        register = lambda i: self.emulator.device("PUT", f"limited-{i}/register", leaves[i],
                                                  body={"registrationId": f"limited-{i}"})
        self.assertEqual([register(i).status for i in range(4)], [401, 401, 401, 429])
        poll = lambda i: self.emulator.device("GET", f"limited-{i}/operations/4.x.y", leaves[i])
        self.assertEqual([poll(0).status for _ in range(6)], [404] * 5 + [429])
        self.assertEqual(poll(1).status, 404)
        self.assertLessEqual(int(poll(0).headers["Retry-After"]), 600)

        counts = self.emulator.send("GET", "/_emulator/counts").json
        self.assertEqual((counts["throttled"], counts["created"]), (5, 11))

    def test_what_is_not_the_services_is_not_limited(self):
        self.assertEqual({self.emulator.hub("GET", "/devices").status for _ in range(15)}, {200})


class OfOne(Case):
    args = ("--throttle-operations", "2", "--bulk-costs", "one", "--throttle-window-ms", "300")

    def test_a_bulk_may_cost_one_and_the_window_passes(self):
        bulk = lambda n: self.emulator.service("POST", "/enrollments", {
            "mode": "update", "enrollments": [entry(f"none-{i}") for i in range(10)]})
        seen = []
        end = time.monotonic() + 20
        while time.monotonic() < end and not (429 in seen and seen[-1] == 200):
            seen.append(bulk(10).status)
        self.assertEqual((set(seen), seen[-1]), ({200, 429}, 200))


class ByChance(Case):
    @classmethod
    def prepare(cls):
        rules = os.path.join(cls.folder, "rules.json")
        with open(rules, "w") as f:
            json.dump([{"do": {"latency_ms": 1}}, {"match": {"path": "/ruled"}, "do": {"status": 418}}], f)
        cls.args = ("--fault-rate", "0.4", "--fault-seed", "7", "--rules", rules)

    def test_what_a_rule_refuses_has_no_other_fault(self):
        self.assertEqual({self.emulator.service("GET", "/enrollments/ruled").status for _ in range(20)}, {418})

    def test_faults_are_of_every_kind_and_counted_and_lie_about_nothing(self):
        heard = {}
        for i in range(60):
            name = f"chance-{i}"
            try:
                heard[name] = self.emulator.service("PUT", "/enrollments/" + name, entry(name)).status
            except (ConnectionError, http.client.HTTPException, ssl.SSLError):
                heard[name] = None
        counts = self.emulator.send("GET", "/_emulator/counts").json
        self.assertEqual(set(counts["faults"]), {"status_500", "status_503", "reset_before", "reset_after", "close_before",
                                                 "close_after"})
        self.assertEqual(counts["randomFaults"], sum(counts["faults"].values()))
        self.assertEqual(list(heard.values()).count(500), counts["faults"]["status_500"])
        self.assertEqual(list(heard.values()).count(503), counts["faults"]["status_503"])
        made = {k.split("/")[1] for k in counts["ids"]}
        self.assertEqual({n for n, s in heard.items() if s == 200} - made, set())
        self.assertEqual({n for n, s in heard.items() if s in (500, 503)} & made, set())
        unheard = {n for n, s in heard.items() if s is None}
        self.assertEqual(len(unheard & made), counts["faults"]["reset_after"] + counts["faults"]["close_after"])
        rows = [e for e in self.emulator.record() if e.get("chance")]
        self.assertEqual(len(rows), counts["randomFaults"])
        self.assertEqual({e["cut"] for e in rows if "cut" in e}, {"close", "reset"})


class Dark(Case):
    def test_it_refuses_connections_and_comes_back_with_everything(self):
        self.emulator.service("PUT", "/enrollments/dark", entry("dark"))
        self.emulator.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 20
        with self.assertRaises(ConnectionRefusedError):
            while time.monotonic() < end:
                try:
                    self.emulator.service("GET", "/enrollments/dark")
                except (ConnectionResetError, http.client.RemoteDisconnected, ssl.SSLError):
                    pass
        self.emulator.process.send_signal(signal.SIGUSR2)
        status = None
        while status is None and time.monotonic() < end:
            try:
                status = self.emulator.service("GET", "/enrollments/dark").status
            except ConnectionRefusedError:
                time.sleep(0.01)
        self.assertEqual(status, 200)


class Traffic(Case):
    @classmethod
    def prepare(cls):
        cls.args = ("--record-traffic", os.path.join(cls.folder, "traffic"))

    def test_both_sides_are_kept_without_secrets(self):
        body = {"registrationId": "heard", "attestation": {"type": "symmetricKey"}}
        self.emulator.service("PUT", "/enrollments/heard", body)
        shown = self.emulator.service("POST", "/enrollments/heard/attestationmechanism").json
        self.emulator.service("GET", "/nothing", if_match='"x"')
        with open(os.path.join(self.folder, "traffic", "traffic.jsonl")) as f:
            text = f.read()
        rows = [json.loads(line) for line in text.splitlines()]
        self.assertEqual([(r["operation"], r["status"]) for r in rows],
                         [("IndividualEnrollment_CreateOrUpdate", 200), ("IndividualEnrollment_GetAttestationMechanism", 200),
                          (None, 404)])
        self.assertEqual(rows[0]["body"], body)
        self.assertEqual(rows[0]["headers"], {"authorization": "SharedAccessSignature",
                                              "content-type": "application/json; charset=utf-8"})
        self.assertEqual(rows[2]["headers"]["if-match"], '"x"')
        self.assertEqual(rows[2]["answerHeaders"]["x-ms-error-code"], "404000")
        self.assertEqual(rows[1]["answer"]["symmetricKey"], {"primaryKey": "****", "secondaryKey": "****"})
        self.assertNotIn(shown["symmetricKey"]["primaryKey"], text)
        self.assertNotIn("sig=", text)


if __name__ == "__main__":
    main()
