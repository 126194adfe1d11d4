#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What happens around a unit: the cloud fails, the disk is full, helpers are killed, the station is stopped. Nothing is lost."""
import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, children, wait_until  # noqa: E402


class Case(unittest.TestCase):
    """A fresh ledger and a fresh unit for each test; the service's rules are empty at its begin and its end."""

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=12, slots=2, prepare=False)
        cls.rules_path = cls.factory.dir / "rules.json"
        cls.rules()
        cls.service("--polls", "0")
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
        cls.factory.start_dps("--listen", "127.0.0.1:%s" % port, "--rules", cls.rules_path, *words)

    @classmethod
    def rules(cls, *rules):
        new = cls.rules_path.with_suffix(".new")
        new.write_text(json.dumps(list(rules)))
        new.replace(cls.rules_path)

    def setUp(self):
        self.rules()
        shutil.rmtree(self.factory.dir / "state", ignore_errors=True)
        type(self).used += 1
        self.unit = "SIM%04d" % self.used
        self.line = self.factory.start_line()

    def tearDown(self):
        self.rules()
        self.factory.unplug_all()
        if self.line.process.running:
            self.line.stop()

    def verdict(self, nth=1, timeout_s=60):
        if not self.factory.list()[self.unit]["port"]:
            self.factory.plug(self.unit, 1)
        return self.line.wait_verdict("01", timeout_s, nth)

    def again(self, nth=2):
        self.factory.unplug(self.unit)
        self.line.wait_empty("01")
        return self.verdict(nth)

    def passed(self, slot):
        """PASS, with one key, one certificate and one device, and a log that fits."""
        self.assertEqual(slot["verdict"], "PASS", slot)
        units = self.factory.report()["units"]
        self.assertEqual([(u["verdict"], u["code"]) for u in units], [("PASS", "")])
        self.assertEqual(self.factory.leaf_of(self.unit), (units[0]["registration_id"], units[0]["leaf_sha256"]))
        self.assertEqual(self.factory.stats(self.unit)["tpm.EvictControl"], 1)
        self.assertEqual(len([t for t in self.factory.report()["traces"] if t["what"] == "hub device"]), 1)
        self.assertIn("fits         yes", self.factory.audit_verify())

    def state(self):
        return json.loads(self.factory.verb("status", "--config", self.factory.config, "--json"))["station"]

    def stop_in(self, stage, when="before"):
        """Starts the line anew so that it stands still before a stage (or when it is recorded), with the unit plugged in."""
        self.line.stop()
        self.line = self.factory.start_line("--stop-at", "%s:%s" % (stage, when))
        self.factory.plug(self.unit, 1)
        stat = pathlib.Path("/proc/%d/stat" % self.line.pid)
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", 30, "stopped in " + stage)

    def go_on(self):
        os.kill(self.line.pid, signal.SIGCONT)


REGISTER = {"path": "/register\\?"}


class Cloud(Case):
    def test_unit_whose_service_is_gone_is_built_and_passes_when_it_is_back(self):
        self.stop_in("verify")
        self.factory.dps.stop()
        self.go_on()
        slot = self.verdict()
        self.assertEqual((slot["verdict"], slot["code"]), ("BUILT", "E-DPS-001"), slot)
        self.assertEqual(self.factory.report()["units"][0]["verdict"], "BUILT")
        self.assertFalse(self.factory.list()[self.unit]["closed"])
        self.assertEqual(self.state()["state"], "running")
        self.service("--polls", "0")
        self.passed(self.again())

    def test_429_that_ends_within_the_stage_is_waited_for(self):
        self.rules({"match": {**REGISTER, "times": 3}, "do": {"status": 429, "retry_after": 1}})
        began = time.monotonic()
        self.passed(self.verdict())
        self.assertGreater(time.monotonic() - began, 3)

    def test_429_that_asks_for_more_patience_than_there_is_is_asked_once(self):
        self.rules({"match": REGISTER, "do": {"status": 429, "retry_after": 250}})
        before = len(self.factory.requests())
        slot = self.verdict()
        self.assertEqual((slot["verdict"], slot["code"]), ("BUILT", "E-DPS-004"), slot)
        asked = [r for r in self.factory.requests()[before:] if r["status"] == 429]
        self.assertEqual(len(asked), 1, "Retry-After is kept")
        self.rules()
        self.passed(self.again())

    def test_broken_answers_end_as_built_and_not_as_an_unfit_line(self):
        for nth, (do, code) in enumerate((({"truncate_body": True}, ("E-DPS-001", "E-DPS-006")), ({"status": 503}, ("E-DPS-004",)),
                                          ({"cut_before": "reset"}, ("E-DPS-001",)), ({"cut_after": "reset"}, ("E-DPS-001",))), 1):
            self.rules({"match": REGISTER, "do": do})
            slot = self.verdict() if nth == 1 else self.again(nth)
            with self.subTest(do=do):
                self.assertEqual(slot["verdict"], "BUILT", slot)
                self.assertIn(slot["code"], code)
        self.assertEqual(self.state()["state"], "running")
        self.rules({"match": {**REGISTER, "times": 1}, "do": {"cut_after": "reset"}})
        self.passed(self.again(5))

    def test_401_for_one_unit_holds_that_unit_alone(self):
        self.rules({"match": REGISTER, "do": {"status": 401, "error_code": 401002}})
        slot = self.verdict()
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-DPS-009"), slot)
        self.assertIn("401002", slot["what"])
        self.assertEqual(self.state()["state"], "running")
        self.rules()
        self.passed(self.again())


class Station(Case):
    def stays_stopped(self, code):
        state = wait_until(lambda: self.state()["state"] == "unfit" and self.state(), 20, "unfit")
        self.assertEqual(state["code"], code)

    def test_signer_that_is_killed_again_and_again_stops_the_line_and_blames_no_unit(self):
        self.stop_in("sign")
        launcher, = children(self.line.pid)["st-launcher"]
        ended = threading.Event()
        killer = threading.Thread(target=kill_all, args=(launcher, "st-signer", ended))
        killer.start()
        try:
            time.sleep(0.3)
            self.go_on()
            slot = self.verdict()
        finally:
            ended.set()
            killer.join()
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-CA-006"), slot)
        self.stays_stopped("E-CA-006")
        self.assertEqual(self.line.stop(), 3)
        self.line = self.factory.start_line()
        self.passed(self.verdict())

    def test_signer_that_hangs_is_replaced(self):
        self.stop_in("sign")
        old, = children(self.line.pid)["st-signer"]
        os.kill(old, signal.SIGSTOP)
        self.go_on()
        self.passed(self.verdict())
        new, = children(self.line.pid)["st-signer"]
        self.assertNotEqual(old, new)

    def no_room(self):
        """From now on no file of the line is written beyond what its log needs; the ledger is longer already."""
        _, hard = resource.prlimit(self.line.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.line.pid, resource.RLIMIT_FSIZE, (65536, hard))

    def test_ledger_that_takes_no_more_stops_the_line_and_nothing_is_lost(self):
        self.stop_in("install")
        self.no_room()
        self.go_on()
        slot = self.verdict()
        self.assertEqual(slot["verdict"], "HOLD", slot)
        self.assertIn(slot["code"], ("E-DB-001", "E-DB-002"))
        self.stays_stopped(slot["code"])
        self.assertEqual(self.line.stop(), 3)
        self.line = self.factory.start_line()
        self.passed(self.verdict())

    def mounted(self, *options):
        """A file system of its own for the station's state, which starts anew."""
        self.line.stop()
        state = self.factory.dir / "state"
        shutil.rmtree(state)
        state.mkdir()
        if subprocess.run(["mount", *options, state], capture_output=True).returncode:
            self.skipTest("mounting is not permitted here")
        self.addCleanup(subprocess.run, ["umount", "-l", state], check=True)
        return state

    def test_full_disk_stops_the_line_and_nothing_is_lost(self):
        state = self.mounted("-t", "tmpfs", "-o", "size=80m", "none")
        self.line = self.factory.start_line()
        fill = state / "fill"
        with contextlib.suppress(OSError), open(fill, "wb", buffering=0) as f:
            while f.write(bytes(65536)):
                pass
        slot = self.verdict()
        self.assertEqual(slot["verdict"], "HOLD", slot)
        self.stays_stopped(slot["code"])
        self.assertEqual(self.line.stop(), 3)
        code, output = self.factory.run([self.factory.station, "run", "--config", self.factory.config])
        self.assertEqual(code, 3)
        self.assertRegex(output, "E-DB-00[12]", "a full disk is known before the first unit")
        fill.unlink()
        self.line = self.factory.start_line()
        self.passed(self.verdict())
        self.line.stop()

    def test_read_only_disk_keeps_the_line_from_starting(self):
        state = self.mounted("-t", "tmpfs", "-o", "size=80m", "none")
        self.factory.start_line().stop()
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        code, output = self.factory.run([self.factory.station, "run", "--config", self.factory.config])
        self.assertEqual(code, 3)
        self.assertIn("E-DB-001", output)

    def test_proof_that_could_not_be_recorded_is_no_pass(self):
        self.stop_in("record", "recorded")
        self.no_room()
        self.go_on()
        self.assertEqual(self.verdict()["verdict"], "HOLD")
        self.assertEqual(self.line.stop(), 3)
        self.line = self.factory.start_line()
        self.passed(self.verdict())

    def test_sigterm_in_mid_job_finishes_the_stage_and_the_next_run_goes_on(self):
        self.factory.knob(self.unit, "delay_ms", 300)
        self.factory.plug(self.unit, 1)
        wait_until(lambda: [s for s in self.line.slots("01") if s["stage"] == "make-key"], 30, "make-key")
        watch = subprocess.Popen([self.factory.station, "watch", "--config", self.factory.config, "--json"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        self.assertIn("snapshot", watch.stdout.readline())
        self.assertEqual(self.line.stop(), 0)
        events = [json.loads(line) for line in watch.communicate(timeout=30)[0].splitlines()]
        self.assertEqual([e["line"]["state"] for e in events if e["event"] == "line"], ["stopping"])
        self.assertEqual(children(self.line.pid), {})
        self.factory.knob(self.unit, "delay_ms", 0)
        unit, = self.factory.report()["units"]
        self.assertEqual((unit["verdict"], unit["code"]), ("HOLD", "E-BASE-008"))
        self.assertIn(unit["stage"], ("make-key", "attest"))
        self.line = self.factory.start_line()
        self.passed(self.verdict())

    def test_closed_terminal_ends_the_line_in_order(self):
        self.line.process.signal(signal.SIGHUP)
        self.assertEqual(self.line.process.wait(30), 0)
        self.assertEqual(children(self.line.pid), {})
        self.line = self.factory.start_line()

    def test_flooded_control_socket_delays_no_unit(self):
        path = str(self.factory.dir / "state/station.sock")
        ended = threading.Event()
        flooders = [threading.Thread(target=flood, args=(path, text, ended)) for text in
                    (b'{"do":"watch"}\n', b'{"do":"status"}\n' * 50, b"\0" * 8192, b'{"do":', b"[" * 4000 + b"\n", b'{"do":1}\n"\xff"\n')]
        for f in flooders:
            f.start()
        try:
            self.passed_soon(self.verdict())
        finally:
            ended.set()
            for f in flooders:
                f.join()
        self.assertEqual(self.state()["state"], "running")

    def passed_soon(self, slot):
        self.assertEqual(slot["verdict"], "PASS", slot)

    def test_reader_of_the_log_that_goes_stops_nothing(self):
        self.line.stop()
        reader, writer = os.pipe()
        process = subprocess.Popen([self.factory.station, "run", "--config", self.factory.config, "--json"], stdin=subprocess.DEVNULL,
                                   stdout=writer, stderr=writer, env=self.factory.env(self.factory.station), start_new_session=True)
        os.close(writer)
        text = b""
        try:
            while b'"ready"' not in text:
                text += os.read(reader, 4096)
            os.close(reader)
            self.factory.plug(self.unit, 1)
            wait_until(lambda: [u for u in self.factory.report()["units"] if u["verdict"]], 30, "verdict")
            self.assertEqual(self.factory.report()["units"][0]["verdict"], "PASS")
            os.kill(children(process.pid)["st-signer"][0], signal.SIGKILL)      # the launcher says that in its log
            self.factory.unplug(self.unit)
            type(self).used += 1
            self.unit = "SIM%04d" % self.used
            self.factory.plug(self.unit, 1)
            wait_until(lambda: len([u for u in self.factory.report()["units"] if u["verdict"] == "PASS"]) == 2, 30, "second PASS")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def kill_all(parent, name, ended):
    """Kills every child of this name as soon as it is there."""
    while not ended.is_set():
        for victim in pathlib.Path("/proc/%d/task/%d/children" % (parent, parent)).read_text().split():
            with contextlib.suppress(OSError):
                if pathlib.Path("/proc/%s/comm" % victim).read_text().strip() == name:
                    os.kill(int(victim), signal.SIGKILL)
        time.sleep(0.005)


def flood(path, text, ended):
    """Many connections that say this and never read."""
    held = []
    while not ended.is_set():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(0.2)
        try:
            s.connect(path)
            s.send(text)
            held.append(s)
        except OSError:
            s.close()
            time.sleep(0.01)
        while len(held) > 40:
            held.pop(0).close()
    for s in held:
        s.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
