# SPDX-License-Identifier: Apache-2.0
"""The verbs status, watch and check-config as programs, against a peer that speaks docs/control.md."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

STATION, EVENTS = (os.path.abspath(x) for x in (sys.argv.pop(1), sys.argv.pop(1)))

GOOD = """[station]
name = line-3
state_dir = .
[ca]
chain = c
key = k
log_key = l
passphrase = file:p
issue_until = 2030-01-01
[dps]
endpoint = https://x.azure-devices-provisioning.net
id_scope = 0ne1
sas_token = file:s
[profile gw]
group = g
ek_certificate = optional
[slot 01]
port = pci-0000:00:14.0-usb-0:1
profile = gw
"""


class Verbs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="verb")
        self.addCleanup(folder.cleanup)
        self.dir, self.conf = folder.name, os.path.join(folder.name, "station.conf")
        self.write(GOOD)
        with open(EVENTS, encoding="utf-8") as f:
            self.events = [json.loads(line) for line in f]

    def write(self, text):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def station(self, *args):
        return subprocess.run([STATION, *args], capture_output=True, encoding="utf-8", timeout=30, check=False)

    def listen(self):
        """Answers one request: with the state for status; with everything, and then the end, for watch."""
        server = socket.socket(socket.AF_UNIX)
        server.bind(os.path.join(self.dir, "station.sock"))
        server.listen()

        def serve():
            client, _ = server.accept()
            request = json.loads(client.makefile().readline())
            answer = dict(self.events[0])
            if request["do"] == "status":
                answer.pop("event")
            events = [answer] + (self.events[1:] if request["do"] == "watch" else [])
            client.sendall("".join(json.dumps(e) + "\n" for e in events).encode())
            client.close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(server.close)

    def test_good_configuration_is_counted(self):
        p = self.station("check-config", "--config", self.conf)
        self.assertEqual((p.returncode, p.stdout), (0, self.conf + ": ok, 1 slot, 1 profile\n"))

    def test_mistakes_are_listed_with_their_lines(self):
        self.write(GOOD.replace("id_scope", "id_scop").replace("file:s", "SharedAccessSignature"))
        p = self.station("check-config", "--config", self.conf)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stdout.replace(self.conf, "F"),
                         "F:10: id_scope is missing\n"
                         'F:12: [dps] has no "id_scop"; did you mean id_scope?\n'
                         "F:13: sas_token is a secret and must not stand here: write file:PATH or credential:NAME\n")
        self.assertIn("E-CFG-001", p.stderr)

    def test_usage_is_told_apart_from_failure(self):
        for verb in ("check-config", "status", "watch", "console"):
            self.assertEqual(self.station(verb).returncode, 2)
            self.assertEqual(self.station(verb, "--nonsense").returncode, 2)

    def test_line_that_does_not_run_is_said(self):
        for verb in ("status", "watch"):
            p = self.station(verb, "--config", self.conf)
            self.assertEqual(p.returncode, 1)
            self.assertIn("E-CFG-005", p.stderr)

    def test_status_is_a_table(self):
        self.events[0]["slots"] = [e["slot"] for e in self.events if e.get("event") == "slot"]
        self.listen()
        p = self.station("status", "--config", self.conf)
        lines = p.stdout.split("\n")
        self.assertEqual(p.returncode, 0)
        self.assertEqual(lines[0], "line-3: running")
        self.assertEqual(lines[2].split()[:5], ["01", "done", "record", "PASS", "GW-2026-000017"])
        self.assertEqual(len(lines), 12)

    def test_status_says_what_waits_for_the_service(self):
        outbox = {"waiting": 12, "sent": 3, "aside": 1, "oldest_ms": 1000, "offline": True, "since_ms": 2000, "code": "E-DPS-001",
                  "sentence": "Gone\x1b.", "what": ""}
        self.events[0]["outbox"] = outbox
        self.listen()
        last = self.station("status", "--config", self.conf).stdout.splitlines()[-1]
        self.assertEqual(last, "for the service: 12 wait, 3 sent, 1 aside; the oldest since 1970-01-01T00:00:01.000Z; offline since "
                               "1970-01-01T00:00:02.000Z, E-DPS-001 Gone?.")
        outbox.update(waiting=0, offline=False)
        os.unlink(os.path.join(self.dir, "station.sock"))
        self.listen()
        last = self.station("status", "--config", self.conf).stdout.splitlines()[-1]
        self.assertEqual(last, "for the service: 0 wait, 3 sent, 1 aside")

    def test_status_json_is_the_answer(self):
        self.listen()
        p = self.station("status", "--config", self.conf, "--json")
        self.events[0].pop("event")
        self.assertEqual(json.loads(p.stdout), self.events[0])

    def test_hostile_texts_do_not_reach_the_terminal(self):
        self.events[0]["slots"][0].update(serial="\x1b[31m\u009b", sentence="a\r\nb", name="1\x07")
        for verb in ("status", "watch"):
            self.listen()
            out = self.station(verb, "--config", self.conf).stdout
            os.unlink(os.path.join(self.dir, "station.sock"))
            self.assertIn("?[31m?", out)
            self.assertEqual([c for c in out if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160], [])

    def test_watch_prints_a_line_per_event(self):
        self.listen()
        p = self.station("watch", "--config", self.conf)
        self.assertIn("slot 02 working install 8/12 serial GW-2026-000018 DO NOT PULL", p.stdout)
        self.assertIn("counts PASS 41", p.stdout)
        self.assertEqual(p.returncode, 1)  # the line went away
        self.assertIn("E-CFG-005", p.stderr)

    def test_watch_json_is_the_events(self):
        self.listen()
        p = self.station("watch", "--config", self.conf, "--json")
        self.assertEqual([json.loads(x) for x in p.stdout.splitlines()], self.events)


if __name__ == "__main__":
    unittest.main()
