#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README shows is run: the demo twice (and on the screen), the CA, every verb and page that it names."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ["STATION_BUILD"]
README = (SOURCE / "README.md").read_text()
COMMANDS = [line.strip() for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines() if line.strip()]


def run(*words, **options):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=200, **options)


class Readme(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="readme."))

    def tearDown(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def demo(self, *words):
        return run(sys.executable, SOURCE / "tests/demo/demo.py", "--build", BUILD, "--dir", self.dir / "demo", *words)

    def test_demo_enrolls_the_good_refuses_the_bad_and_a_second_run_recognises_them(self):
        self.assertIn("./dev demo", COMMANDS)
        good, bad = map(int, re.search(r"(\d+) good units .*? and (\d+) bad ones", README).groups())
        end = "%d of %d good units enrolled and proved, %d of %d bad ones refused with their own code" % (good, good, bad, bad)
        first = self.demo()
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        self.assertIn(end, first.stdout)
        self.assertEqual(first.stdout.count(" PASS "), good)
        self.assertIn("the signer has counted 2 of 2", first.stdout)
        second = self.demo("--units")
        self.assertEqual(second.returncode, 0, second.stdout + second.stderr)
        self.assertIn(end, second.stdout)
        self.assertEqual(second.stdout.count("PASS (known)"), good)

    def test_demo_is_short_if_a_device_is(self):
        first = self.demo("--each", "2", "--units")
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        devices = self.dir / "demo/tpm"
        shutil.copy(devices / "SIM0002/bundle.bin", devices / "SIM0001/bundle.bin")    # it now holds another one's certificate
        second = self.demo("--each", "2", "--units")
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("SHORT: SIM0001", second.stdout)

    def test_demo_shows_itself_on_the_screen(self):
        tmux = ["tmux", "-L", "readme%d" % os.getpid(), "-f", "/dev/null"]
        words = "%s %s --build %s --dir %s --each 1 --console" % (sys.executable, SOURCE / "tests/demo/demo.py", BUILD, self.dir / "demo")
        env = dict(os.environ, LC_ALL="C.UTF-8", TERM="tmux-256color")
        run(*tmux, "new-session", "-d", "-x", "120", "-y", "40", words + "; sleep 60", env=env)
        try:
            end, screen = time.monotonic() + 90, ""
            while time.monotonic() < end and screen.count("✓") < 3:
                screen = run(*tmux, "capture-pane", "-p").stdout
                time.sleep(0.2)
            self.assertGreaterEqual(screen.count("✓"), 3, screen)
            run(*tmux, "send-keys", "q")
            while time.monotonic() < end and "good units enrolled" not in screen:
                screen = run(*tmux, "capture-pane", "-p").stdout
                time.sleep(0.2)
            self.assertIn("3 of 3 good units enrolled and proved, 4 of 4 bad ones", screen)
        finally:
            run(*tmux, "kill-server")

    def test_ca_is_made_as_shown(self):
        command = next(c for c in COMMANDS if " ca init " in c)
        passphrase = self.dir / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("a passphrase")
        command = command.replace("./dev run", BUILD + "/station/cmd/station").replace("/etc/station", str(self.dir))
        done = run("sh", "-c", command)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("root.pem", "root.key", "line.pem", "line.key", "chain.pem", "log.key", "log.vkey"):
            self.assertTrue((self.dir / "ca" / name).exists(), name)

    def test_every_verb_and_page_that_it_names_exists(self):
        verbs = run(BUILD + "/station/cmd/station", "help").stdout
        for verb in re.findall(r"`station ([a-z-]+(?: [a-z]+)?)", README):
            self.assertRegex(verbs, r"(?m)^  %s " % verb)
        dev = (SOURCE / "dev").read_text()
        for verb in re.findall(r"\./dev ([a-z]+)", README):
            self.assertRegex(dev, r"(?m)^%s\)" % verb)
        for page in re.findall(r"\]\(([\w./-]+)\)", README):
            self.assertTrue((SOURCE / page).exists(), page)


if __name__ == "__main__":
    unittest.main(verbosity=2)
