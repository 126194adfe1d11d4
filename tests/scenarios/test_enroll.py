#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One TPM device through the whole line, and what others say of it afterwards."""
import contextlib
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, children, wait_until  # noqa: E402


class Enroll(unittest.TestCase):
    """One factory and one line for the whole story; the tests are its chapters, in order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=4, slots=3)
        cls.line = cls.factory.start_line()

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def test_01_device_in_a_slot_passes_and_stands_in_its_hub(self):
        self.factory.plug("SIM0001", 1)
        slot = self.line.wait_verdict("01")
        self.assertEqual(slot["verdict"], "PASS", slot)
        self.assertTrue(slot["safe_to_remove"])
        self.assertRegex(slot["registration_id"], r"^[a-z2-7]{52}$")
        self.assertEqual(slot["device_id"], slot["registration_id"])
        self.assertIn(slot["hub"], [h["hostName"] for h in self.factory.endpoint["hubs"]])
        self.assertEqual(slot["serial"], "SIM0001")

    def test_02_while_a_stage_writes_the_unit_is_not_safe_to_remove(self):
        working = [s for s in self.line.slots("01") if s["state"] == "working"]
        self.assertTrue(working)
        self.assertFalse(any(s["safe_to_remove"] for s in working))

    def test_03_ledger_service_and_device_name_the_same_id_and_certificate(self):
        slot = self.line.wait_verdict("01")
        unit = self.factory.report()["units"][0]
        name, digest = self.factory.leaf_of("SIM0001")
        self.assertEqual(name, slot["registration_id"])
        self.assertEqual(unit["registration_id"], name)
        self.assertEqual(unit["leaf_sha256"], digest)
        seen = [r for r in self.factory.requests() if r.get("registrationId") == name and r.get("clientLeafSha256", digest).lower() == digest]
        self.assertTrue(seen)
        self.assertTrue(unit["closed"])

    def test_04_the_leaf_is_what_x509_and_dps_want(self):
        pem = self.factory.device_file("SIM0001", "leaf.pem")
        text = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
        for want in ("Digital Signature", "TLS Web Client Authentication", "CA:FALSE", "Subject Key Identifier", "Authority Key Identifier"):
            self.assertIn(want, text)
        chain = self.factory.dir / "chain.pem"
        chain.write_text((self.factory.dir / "ca/chain.pem").read_text())
        subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", self.factory.dir / "ca/root.pem",
                        "-untrusted", chain, pem], check=True, capture_output=True)

    def test_05_known_unit_that_comes_back_is_recognised_and_nothing_is_written(self):
        before = self.factory.stats("SIM0001")
        registers = len([r for r in self.factory.requests() if r["method"] == "PUT" and "/register" in r["path"]])
        self.factory.unplug("SIM0001")
        self.line.wait_empty("01")
        self.factory.plug("SIM0001", 2)
        slot = self.line.wait_verdict("02")
        after = self.factory.stats("SIM0001")
        self.assertEqual((slot["verdict"], slot["recognised"]), ("PASS", True))
        self.assertEqual(after["BUNDLE_COMMIT"], before["BUNDLE_COMMIT"])
        self.assertEqual(after["tpm.EvictControl"], before["tpm.EvictControl"])
        self.assertEqual(registers, len([r for r in self.factory.requests() if r["method"] == "PUT" and "/register" in r["path"]]))
        self.assertEqual(len(self.factory.report()["units"]), 1)

    def test_06_device_in_a_port_that_is_no_slot_is_shown_and_left_alone(self):
        self.factory.plug("SIM0002", 4)
        wait_until(lambda: [e for e in self.line.events() if e["event"] == "device" and e["device"]["serial"] == "SIM0002"], 10, "stray")
        self.assertEqual(self.factory.stats("SIM0002")["frames"], 0)
        self.assertEqual([s for s in self.line.slots() if s["serial"] == "SIM0002"], [])
        self.factory.unplug("SIM0002")

    def test_07_devices_verb_prints_port_paths_ready_to_paste(self):
        output = self.factory.verb("devices")
        self.assertIn("port = " + self.factory.slot_port(2), output)
        self.assertIn("tpm_bridge", output)

    def test_08_status_and_watch_are_clients_of_the_line(self):
        status = json.loads(self.factory.verb("status", "--config", self.factory.config, "--json"))
        self.assertEqual(status["station"]["state"], "running")
        self.assertIn("not for production", status["station"]["banner"])
        self.assertIn("not for production", self.line.process.output)
        self.assertEqual(len(status["slots"]), 3)
        self.assertEqual(status["counts"]["pass"], 1)
        page = (pathlib.Path(__file__).resolve().parents[2] / "docs/control.md").read_text()
        for name, told in (("station", status["station"]), ("slot", status["slots"][0])):
            table = re.search(r"^\*\*%s\*\*\n\n((?:\|.*\n)+)" % name, page, re.M).group(1)
            written = [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()]
            self.assertEqual(sorted(sum(written, [])), sorted(told), name)

    def test_09_two_lines_never_share_a_ledger(self):
        code, output = self.factory.run([self.factory.station, "run", "--config", self.factory.config])
        self.assertEqual(code, 3)
        self.assertIn("E-DB-004", output)

    def test_10_every_process_is_as_small_as_it_should_be(self):
        found = children(self.line.pid)
        self.assertIn("st-launcher", found)
        self.assertIn("st-signer", found)
        self.factory.knob("SIM0003", "delay_ms", 150)
        self.factory.plug("SIM0003", 3)
        wait_until(lambda: "st-driver" in children(self.line.pid) and "st-verifier" in children(self.line.pid), 10, "children")
        wait_until(lambda: any(s["stage"] == "read-key" for s in self.line.slots("03")), 10, "read-key")
        found = children(self.line.pid)
        for name in ("st-signer", "st-driver", "st-verifier"):
            for pid in found[name]:
                status = pathlib.Path("/proc/%d/status" % pid).read_text()
                self.assertRegex(status, r"Seccomp:\s+2", name)
                self.assertRegex(status, r"NoNewPrivs:\s+1", name)
                self.assertRegex(status, r"Threads:\s+1\b", name)
        for pid in found["st-verifier"]:
            links = [os.readlink(p) for p in pathlib.Path("/proc/%d/fd" % pid).iterdir()]
            others = [link for link in links if not link.startswith(("socket:", "/dev/null", str(self.factory.dir)))]
            self.assertEqual(others, [])
            self.assertFalse([link for link in links if "/dev/bus/usb" in link or "ca/" in link or "ledger" in link])
        for pid in found["st-driver"]:
            links = [os.readlink(p) for p in pathlib.Path("/proc/%d/fd" % pid).iterdir()]
            self.assertFalse([link for link in links if "ca/" in link or "ledger" in link or "signer" in link])
        self.assertEqual(self.line.wait_verdict("03")["verdict"], "PASS")

    def test_11_audit_log_fits_and_a_checkpoint_left_with_every_result(self):
        results = self.factory.results()
        self.assertEqual(len(results), 2)
        for result in results.values():
            path = self.factory.dir / "one.json"
            path.write_text(json.dumps(result))
            output = self.factory.audit_verify("--checkpoint", path, "--vkey", self.factory.dir / "ca/log.vkey")
            self.assertIn("fits         yes", output)
            self.assertIn("SIM", result["serial"])

    def test_12_no_secret_stands_in_log_ledger_results_or_process_list(self):
        secrets = [p.read_text().strip() for p in (self.factory.dir / "secrets").iterdir()]
        said = self.line.process.output
        files = [p for p in (self.factory.dir / "state").rglob("*") if p.is_file()]
        for secret in secrets:
            self.assertNotIn(secret, said)
            for path in files:
                self.assertNotIn(secret.encode(), path.read_bytes(), path)
        for pid in [self.line.pid] + sum(children(self.line.pid).values(), []):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):     # a child may have ended meanwhile
                words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
                for secret in secrets:
                    self.assertNotIn(secret.encode(), words)

    def test_13_sigterm_ends_everything_in_order(self):
        self.assertEqual(self.line.stop(), 0)
        self.assertEqual(children(self.line.pid), {})
        self.assertFalse((self.factory.dir / "state/station.sock").exists())

    def test_14_an_edited_and_rehashed_ledger_is_found_with_an_older_checkpoint(self):
        ledger = self.factory.dir / "state/ledger.db"
        copy = self.factory.dir / "edited.db"
        result = sorted((self.factory.dir / "state/results").glob("*.json"))[0]
        subprocess.run(["sqlite3", ledger, ".backup %s" % copy], check=True)
        edit_and_rehash(copy)
        code, output = self.factory.run([self.factory.station, "audit", "verify", "--ledger", copy])
        self.assertEqual(code, 0, "re-hashed well, so that by itself it looks whole: " + output)
        code, output = self.factory.run([self.factory.station, "audit", "verify", "--ledger", copy, "--checkpoint", result])
        self.assertEqual(code, 1, output)
        self.assertIn("E-DB-006", output)

    def test_15_a_damaged_ledger_is_called_damaged_even_where_no_entry_lies(self):
        copy = self.factory.dir / "damaged.db"
        subprocess.run(["sqlite3", self.factory.dir / "state/ledger.db", ".backup %s" % copy], check=True)
        db = sqlite3.connect(copy)
        page, = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trace'").fetchone()
        size, = db.execute("PRAGMA page_size").fetchone()
        db.close()
        with open(copy, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xa5" * size)
        code, output = self.factory.run([self.factory.station, "audit", "verify", "--ledger", copy])
        self.assertEqual(code, 1, output)
        self.assertIn("E-DB-005", output)


def edit_and_rehash(path):
    """What an insider with sqlite3 would do: change an old entry, and recompute every hash behind the edit."""
    import hashlib
    db = sqlite3.connect(path)
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute("DROP TRIGGER %s" % name)
    rows = db.execute("SELECT idx, entry FROM entry ORDER BY idx").fetchall()
    victim = next(i for i, entry in rows if b"identify" in bytes(entry))
    nodes = {}
    for i, entry in rows:
        entry = bytes(entry).replace(b"SIM0001", b"SIM9999") if i == victim else bytes(entry)
        hashes = [hashlib.sha256(b"\0" + entry).digest()]
        nodes[(0, i)] = hashes[0]
        level = 0
        while (i >> level) & 1:     # entry i completes the perfect subtrees that end with it
            n = i >> (level + 1)
            hashes.append(hashlib.sha256(b"\1" + nodes[(level, 2 * n)] + nodes[(level, 2 * n + 1)]).digest())
            level += 1
            nodes[(level, n)] = hashes[-1]
        db.execute("UPDATE entry SET entry = ?, hashes = ? WHERE idx = ?", (entry, b"".join(hashes), i))
    db.execute("DELETE FROM checkpoint")
    db.commit()
    db.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
