#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training: a line that works like the real one, and of which nothing real hears."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import BenchError, Factory, Line, children, signal, wait_until  # noqa: E402

# Slots 01 and 02 take units with a TPM, by certificate and by endorsement key; 03 one without a TPM.
PROFILES = {"meter": ("attestation = tpm\n", [2])}


def fingerprint(place):
    """Everything below a folder but training's own, bytewise."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_file() and not name.startswith("training"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class TrainingLine(Line):
    def __init__(self, factory, *words):
        super().__init__(factory.popen([factory.station, "training", "--config", factory.config, "--json", *words],
                                       "training.%d" % len(factory.processes)))
        self.wait_ready()


class Training(unittest.TestCase):
    def setUp(self):
        self.factory = Factory(devices=2, slots=2, serial=1, serial_profile="attestation = x509-individual\nexisting_key = replace\n",
                               profiles=PROFILES, floor="[lots]\nrequired = no\n")
        self.addCleanup(self.factory.close)
        self.state = self.factory.dir / "state"

    def plug_all(self):
        for slot, serial in enumerate(("SIM0001", "SIM0002", "SER0001"), 1):
            self.factory.plug(serial, slot)

    def pull_all(self, line):
        for slot, serial in enumerate(("SIM0001", "SIM0002", "SER0001"), 1):
            self.factory.unplug(serial)
            line.wait_empty("%02d" % slot)

    def verdicts(self, line, nth=1):
        slots = [line.wait_verdict("%02d" % n, nth=nth) for n in (1, 2, 3)]
        return [(s["serial"], s["verdict"], s["code"]) for s in slots]

    def test_units_pass_in_training_and_then_for_good_and_nothing_real_hears_of_training(self):
        self.factory.start_line().stop()
        before, asked = fingerprint(self.state), self.factory.counts()["ids"]
        requests = len(self.factory.requests())
        line = TrainingLine(self.factory)
        self.plug_all()
        passed = [("SIM0001", "PASS", ""), ("SIM0002", "PASS", ""), ("SER0001", "PASS", "")]
        self.assertEqual(self.verdicts(line), passed)
        trained = {name: line.slots(name)[-1]["hub"] for name in ("01", "02", "03")}
        self.assertTrue(all(trained.values()), trained)
        self.pull_all(line)
        self.assertEqual(line.stop(), 0)
        self.assertEqual(fingerprint(self.state), before)
        self.assertEqual((self.factory.counts()["ids"], len(self.factory.requests())), (asked, requests))
        self.assertEqual(len(self.factory.results_of("state/training")), 3)

        real = self.factory.start_line()
        self.plug_all()
        self.assertEqual(self.verdicts(real), passed)
        self.assertEqual({s["recognised"] for s in (real.slots(n)[-1] for n in trained)}, {False})
        self.assertEqual(len(self.factory.results()), 3)
        self.assertEqual(real.stop(), 0)
        self.factory.audit_verify()

    def test_it_says_in_every_place_that_nothing_is_real(self):
        line = TrainingLine(self.factory)
        status = json.loads(self.factory.verb("status", "--config", self.state / "training/station.conf", "--json"))
        self.assertEqual(status["station"]["mode"], "training")
        self.assertTrue(status["station"]["banner"].startswith("TRAINING - NOTHING HERE IS REAL."))
        for name in ("root.pem", "line.pem"):
            subject = subprocess.run(["openssl", "x509", "-in", self.state / "training/ca" / name, "-noout", "-subject"],
                                     stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertIn("TRAINING line-1", subject)
        self.assertEqual(list((self.state / "training").rglob("root.key")), [])
        self.assertEqual(line.stop(), 0)

    def test_a_line_that_runs_is_not_trained_beside_and_the_other_way_round(self):
        real = self.factory.start_line()
        said = self.factory.verb("training", "--config", self.factory.config, status=1)
        self.assertIn("E-DB-004", said)
        self.assertEqual(real.stop(), 0)
        line = TrainingLine(self.factory)
        said = self.factory.verb("run", "--config", self.factory.config, status=3)
        self.assertIn("E-DB-004", said)
        self.assertEqual(line.stop(), 0)

    def test_a_closed_unit_is_refused_and_left_as_it_is(self):
        real = self.factory.start_line()
        self.factory.plug("SIM0001", 1)
        self.assertEqual(real.wait_verdict("01")["verdict"], "PASS")
        self.factory.unplug("SIM0001")
        real.wait_empty("01")
        self.assertEqual(real.stop(), 0)
        leaf = self.factory.leaf_of("SIM0001")
        line = TrainingLine(self.factory)
        self.factory.plug("SIM0001", 1)
        slot = line.wait_verdict("01")
        self.assertIn(slot["verdict"], ("HOLD", "FAIL"), slot)
        self.assertEqual(line.stop(), 0)
        self.assertEqual(self.factory.leaf_of("SIM0001"), leaf)

    def test_everything_ends_with_it_and_it_goes_on_where_it_was(self):
        line = TrainingLine(self.factory)
        self.factory.plug("SIM0001", 1)
        first = line.wait_verdict("01")
        self.assertEqual(first["verdict"], "PASS")
        found = children(line.pid)
        self.assertIn("dps-emulator", found)
        os.kill(line.pid, signal.SIGKILL)
        wait_until(lambda: not any(pathlib.Path("/proc/%d" % pid).exists() for pids in found.values() for pid in pids), 20, "all ended")
        self.factory.unplug("SIM0001")
        again = TrainingLine(self.factory)
        self.factory.plug("SIM0001", 1)
        slot = again.wait_verdict("01")
        self.assertEqual((slot["verdict"], slot["registration_id"]), ("PASS", first["registration_id"]), slot)
        self.assertEqual(list(self.factory.results_of("state/training")), [first["registration_id"]])
        self.assertEqual(again.stop(), 0)

    def test_the_screen_says_training_and_ends_it_all_when_its_reader_leaves(self):
        tmux = ["tmux", "-L", "training%d" % os.getpid(), "-f", "/dev/null"]
        words = "%s training --config %s --console; echo ended $?; sleep 60" % (self.factory.station, self.factory.config)
        env = dict(os.environ, LC_ALL="C.UTF-8", TERM="tmux-256color")
        self.addCleanup(subprocess.run, [*tmux, "kill-server"], stderr=subprocess.DEVNULL)
        subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "40", words], env=env, check=True)

        def screen():
            return subprocess.run([*tmux, "capture-pane", "-p"], stdout=subprocess.PIPE, text=True).stdout
        wait_until(lambda: "TRAINING" in screen() and "01" in screen(), 60, "the screen")
        subprocess.run([*tmux, "send-keys", "q"], check=True)
        wait_until(lambda: "ended 0" in screen(), 60, "the end")
        self.factory.start_line().stop()

    def test_the_configuration_keeps_the_jig_and_drops_what_is_real(self):
        line = TrainingLine(self.factory)
        self.assertEqual(line.stop(), 0)
        made = (self.state / "training/station.conf").read_text()
        real = self.factory.config.read_text()
        for gone in (self.factory.endpoint["idScope"], str(self.factory.dir / "ca"), str(self.factory.dir / "secrets")):
            self.assertIn(gone, real)
            self.assertNotIn(gone, made)
        self.assertEqual(made.count("[slot "), 3)
        self.assertEqual(made.count("finish = no"), 3)
        self.assertEqual(made.count("key_handle = 0x810001f0"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
