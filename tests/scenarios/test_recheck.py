#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Re-check: units are read and proved, and nothing is written. What they hold is looked at by tpm2-tools and in their own storage, before
and after; so are production's ledger and its directory, and what the service was asked."""
import contextlib
import hashlib
import json
import shutil
import subprocess
import time
import unittest

from case import SERIAL, TPM, Case

WRITES = ("BUNDLE_BEGIN", "BUNDLE_DATA", "BUNDLE_COMMIT", "FINISH", "tpm.EvictControl", "tpm.NV_Write", "tpm.NV_DefineSpace",
          "tpm.Clear", "keys_made", "commit")


class Recheck(Case):
    devices, serial = 16, 2

    # --- what was there before, and after

    def files(self, folder, skip=()):
        return {p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*"))
                if p.is_file() and not any(part in skip for part in p.relative_to(folder).parts)}

    def tpm_holds(self, serial):
        """Persistent handles and NV indices with all that is public of them, and the NV indices' bytes."""
        said = []
        with self.factory.swtpm(serial) as path:
            def tool(*words):
                done = subprocess.run(words + ("-T", "swtpm:path=%s" % path), capture_output=True, check=True, cwd=self.factory.dir)
                said.append((words, done.stdout))
                return [line.split()[-1].decode() for line in done.stdout.splitlines() if line.startswith(b"- 0x")]
            for handle in tool("tpm2_getcap", "handles-persistent"):
                tool("tpm2_readpublic", "-c", handle)
            for index in tool("tpm2_getcap", "handles-nv-index"):
                tool("tpm2_nvread", index)
            tool("tpm2_nvreadpublic")
        return said

    def tpm_let_go(self, serial):
        """Its state may still be held for a moment by the device that was pulled."""
        for _ in range(5):
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.tpm_holds(serial)
            time.sleep(0.5)
        return self.tpm_holds(serial)

    def all_there(self, serials):
        tpms = {s: self.tpm_let_go(s) for s in serials if (self.factory.tpms / s / "tpm2-00.permall").exists()}
        stores = {s: self.files(self.factory.tpms / s, ("tpm2-00.permall", ".lock")) for s in serials}
        state = self.factory.dir / self.state
        production = self.files(state, ("recheck", "ledger.db-shm", "ledger.db-wal")) if state.exists() else {}
        return tpms, stores, production, len(self.factory.requests())

    def writes(self, serial):
        stats = self.factory.stats(serial)
        return [stats[name] for name in WRITES]

    # --- lines

    def produced(self, kind=TPM, attestation="x509-individual", lines="", units=1):
        """Units that production has enrolled; its line has ended."""
        self.start(kind, attestation, lines)
        serials = [self.unit() for _ in range(units)]
        for serial in serials:
            self.passes(serial)
        self.assertEqual(self.line.stop(), 0)
        return serials

    def never_produced(self, kind=TPM, attestation="x509-individual", lines=""):
        self.start(kind, attestation, lines)
        self.assertEqual(self.line.stop(), 0)
        shutil.rmtree(self.factory.dir / self.state)

    def recheck(self, *expected):
        """A re-check of units, each with what is to come of it: (serial, verdict, code, on record)."""
        serials = [e[0] for e in expected]
        before = self.all_there(serials)
        self.line = self.factory.start_line("--recheck", config=self.config)
        slots = []
        for serial, verdict, code, _ in expected:
            written = self.writes(serial)
            slot = self.visit(serial)
            self.assertEqual((slot["verdict"], slot["code"]), (verdict, code), slot)
            self.assertEqual(self.writes(serial), written)
            slots.append(slot)
        status = self.factory.ask_line(self.state + "/recheck", do="status")
        self.assertEqual(status["station"]["mode"], "recheck")
        self.assertIn("NOTHING IS WRITTEN", status["station"]["banner"])
        self.assertEqual(self.line.stop(), 0)
        self.assertEqual(self.all_there(serials), before)
        told = [json.loads(line) for line in
                (self.factory.dir / self.state / "recheck/results.jsonl").read_text().splitlines()][-len(expected):]
        self.assertEqual([(t["serial"], t["verdict"], t["code"], t["on_record"]) for t in told], [tuple(e) for e in expected])
        return slots

    # --- units

    def test_units_fresh_from_their_maker_are_proved_also_twice_and_without_any_production(self):
        self.never_produced()
        fresh = self.unit()
        self.recheck((fresh, "PASS", "", False), (fresh, "PASS", "", False))
        self.assertFalse((self.factory.dir / self.state / "ledger.db").exists())

    def test_enrolled_units_are_what_is_on_record(self):
        for lines in ("finish = no\n", ""):
            with self.subTest(lines=lines):
                self.setUp()
                serial, = self.produced(lines=lines)
                slot, = self.recheck((serial, "PASS", "", True))
                self.assertTrue(slot["recognised"])
                again = json.loads(self.factory.verb("report", "--config", self.config, "--json"))
                self.assertEqual(again["units"][0]["registration_id"], slot["registration_id"])

    def test_units_of_the_tpm_attestation_are_proved_before_and_after(self):
        serial, = self.produced(attestation="tpm", lines="finish = no\n")
        fresh = self.unit()
        self.recheck((serial, "PASS", "", True), (fresh, "PASS", "", False))

    def test_another_units_bundle_is_not_what_is_on_record(self):
        one, other = self.produced(lines="finish = no\n", units=2)
        store, fresh = self.factory.tpms, self.unit()
        for name in ("bundle.bin", "leaf.pem", "chain.pem", "registration.json"):   # the simulator makes the others of the first
            for holder in (one, fresh):
                shutil.copy(store / other / name, store / holder / name)
        self.recheck((one, "FAIL", "E-ATT-008", True), (fresh, "FAIL", "E-ATT-008", False), (other, "PASS", "", True))

    def test_a_key_that_is_on_no_record_and_one_that_is_gone(self):
        gone, = self.produced(lines="finish = no\n")
        stranger = self.unit()
        self.tools(gone, ["tpm2_evictcontrol", "-C", "o", "-c", "0x81000200"])
        with self.factory.swtpm(stranger) as path:
            for words in ("createprimary -C o -G ecc -c other.ctx", "evictcontrol -C o -c other.ctx 0x81000200"):
                subprocess.run(["tpm2_" + words.split()[0], *words.split()[1:], "-T", "swtpm:path=%s" % path], check=True,
                               capture_output=True, cwd=self.factory.dir)
        self.recheck((stranger, "HOLD", "E-TPM-005", False), (gone, "FAIL", "E-ATT-008", True))

    def test_imitations_and_units_without_a_certificate_are_found(self):
        self.never_produced()
        self.factory.add_devices(1, prefix="ROGUE", rogue_vendor=True)
        self.factory.add_devices(1, prefix="BARE", no_cert=True)
        self.factory.add_devices(1, prefix="NOEK", no_ek=True)
        liar = self.unit()
        self.factory.plug(liar, 9)
        self.factory.knob(liar, "lie", "ActivateCredential:16:0000000000000000")
        self.factory.unplug(liar)
        self.recheck(("ROGUE0001", "FAIL", "E-ATT-004", False), ("BARE0001", "FAIL", "E-ATT-002", False),
                     ("NOEK0001", "FAIL", "E-TPM-003", False), (liar, "FAIL", "E-ATT-005", False))

    def test_a_unit_that_production_did_not_close_is_closed(self):
        elsewhere, = self.produced()
        self.state, first = self.state + "-other", self.config
        text = first.read_text().replace(self.state[:-len("-other")] + "\n", self.state + "\n")
        self.config = first.with_name("other.conf")
        self.config.write_text(text)
        self.recheck((elsewhere, "FAIL", "E-USB-008", False))

    def test_a_copy_under_another_name_is_held(self):
        serial, = self.produced(lines="finish = no\n")
        shutil.copytree(self.factory.tpms / serial, self.factory.tpms / "COPY")
        self.rename("COPY", "COPY")
        self.recheck(("COPY", "HOLD", "E-ID-002", False))

    def test_units_without_a_tpm_are_proved_when_closed_and_else_left_alone(self):
        closed, = self.produced(kind=SERIAL)
        self.recheck((closed, "PASS", "", True), (self.unit(), "HOLD", "E-USB-009", False))

    # --- the line

    def test_it_is_refused_beside_the_line_whose_record_it_would_copy(self):
        self.start(TPM, "x509-individual")
        output = self.factory.verb("run", "--recheck", "--config", self.config, status=3)
        self.assertIn("E-DB-004", output)
        self.passes(self.unit())

    def test_the_service_may_be_away_and_no_code_changes_anything(self):
        serial, = self.produced(lines="finish = no\n")
        self.factory.dps_goes_dark()
        try:
            before = self.all_there([serial])
            self.line = self.factory.start_line("--recheck", config=self.config)
            for request in ({"do": "scan", "code": "PIN"}, {"do": "lot-open", "id": "A"}, {"do": "upload"}, {"do": "retry"}):
                self.assertEqual(self.factory.ask_line(self.state + "/recheck", **request).get("code"), "E-CFG-003", request)
            for request in ({"do": "lot"}, {"do": "queue"}, {"do": "preflight"}, {"do": "units"}, {"do": "lots"}):
                self.assertNotIn("code", self.factory.ask_line(self.state + "/recheck", **request))
            self.passes(serial)
            self.assertEqual(self.line.stop(), 0)
            self.assertEqual(self.all_there([serial]), before)
        finally:
            self.factory.dps_comes_back()


if __name__ == "__main__":
    unittest.main()
