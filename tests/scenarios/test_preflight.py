#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`station preflight`: all that a line needs, row by row; each row can fail alone, says what to do, and keeps the others from nothing."""
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, built, wait_until  # noqa: E402

SYNCHRONISED, NOT_SYNCHRONISED = 0, 5
ALONE = {"configuration", "drivers", "root key", "clock", "disk", "clock runs", "people", "orders", "hand-over", "MES folder",
         "ModemManager", "state", "API", "units", "MES hook", "ledger", "CA validity", "CA", "issuing", "tcp", "tls", "service clock", "token", "group"}
RUNNING = {"drivers", "root key", "clock", "disk", "clock runs", "people", "orders", "hand-over", "MES folder", "ModemManager", "CA validity",
           "units", "service", "line"}


class Preflight(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=1, slots=1, serial=1)
        cls.good = cls.factory.config.read_text()

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def config(self, more="", old="", new=""):
        path = self.factory.dir / "other.conf"
        text = re.sub(old, new, self.good) if old else self.good
        self.assertTrue(not old or text != self.good, old)
        path.write_text(text + more.format(dir=self.factory.dir))
        return path

    def env(self, clock=SYNCHRONISED):
        env = self.factory.env(self.factory.station, CLOCK_STATE=clock)
        env["LD_PRELOAD"] = " ".join(filter(None, [env.get("LD_PRELOAD"), built("tests/scenarios/libclock.so")]))
        return env

    def look(self, config=None, clock=SYNCHRONISED):
        """Exit status and rows by name."""
        done = subprocess.run([self.factory.station, "preflight", "--config", str(config or self.factory.config), "--json"],
                              env=self.env(clock), capture_output=True, text=True, timeout=120)
        self.assertTrue(done.stdout.startswith("{"), done)
        answer = json.loads(done.stdout)
        self.assertEqual(answer["ready"], done.returncode == 0)
        return done.returncode, {row["name"]: row for row in answer["rows"]}

    def only(self, name, *args, words="", **options):
        """This row alone is not ok; it says what to do."""
        code, rows = self.look(*args, **options)
        self.assertEqual((code, [n for n, row in rows.items() if not row["ok"]]), (3, [name]), rows)
        self.assertTrue(rows[name]["todo"])
        self.assertIn(words, rows[name]["text"] + rows[name]["todo"])
        self.assertTrue(all(row["todo"] == "" for row in rows.values() if row["ok"]))
        return rows

    # --- all is well

    def test_station_that_is_ready_says_so_and_leaves_nothing_open(self):
        code, rows = self.look()
        self.assertEqual(code, 0, rows)
        self.assertLessEqual(ALONE, set(rows))
        self.assertIn("none is plugged in", rows["units"]["text"])
        line = self.factory.start_line()
        self.assertEqual(line.stop(), 0)

    def test_units_that_are_plugged_in_are_opened_by_nobody(self):
        self.factory.plug("SIM0001", 1)
        try:
            _, rows = self.look()
            self.assertEqual((rows["units"]["ok"], rows["units"]["text"]), (True, "1 that are plugged in"))
            self.assertEqual(self.factory.stats("SIM0001")["frames"], 0)
        finally:
            self.factory.unplug("SIM0001")

    def test_table_for_people_has_a_row_each_and_what_to_do(self):
        config = self.config("[lots]\nrequired = yes\n")
        done = subprocess.run([self.factory.station, "preflight", "--config", str(config)], env=self.env(), capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 3, done)
        self.assertRegex(done.stdout, r"(?m)^ok +disk +\S")
        self.assertRegex(done.stdout, r"(?m)^NOT +orders +\S.*\n +→ Make the directory")
        self.assertTrue(done.stdout.endswith("Not ready.\n"))

    # --- each row alone

    @contextlib.contextmanager
    def closed(self, port, stands=False):
        """The node of what is plugged in here cannot be opened, by root either: it is away, or another thing stands there."""
        bus = pathlib.Path(self.factory.env()["UMOCKDEV_DIR"])
        number = int((bus / "sys/bus/usb/devices" / Factory.port_path(port) / "devnum").read_text())
        node = bus / ("dev/bus/usb/001/%03d" % number)
        away = node.rename(node.with_suffix(".away"))
        if stands:
            node.mkdir()
        try:
            yield
        finally:
            if stands:
                node.rmdir()
            away.rename(node)

    def test_unit_that_this_user_may_not_open(self):
        self.factory.plug("SIM0001", 1)
        try:
            with self.closed(1):
                self.only("units", words="70-station.rules")
        finally:
            self.factory.unplug("SIM0001")

    def test_clock_that_nobody_keeps(self):
        self.only("clock runs", clock=NOT_SYNCHRONISED, words="timedatectl")

    def test_root_key_that_was_forgotten(self):
        copy = self.factory.dir / "ca/forgotten.key"
        shutil.copy(self.factory.dir / "vault/root.key", copy)
        try:
            self.only("root key", words="forgotten.key")
        finally:
            copy.unlink()

    def test_people_that_cannot_be_read(self):
        self.factory.secret("people.json", "{}")
        self.only("people", self.config("[people]\nfile = {dir}/secrets/people.json\n"), words="station people")

    def test_orders_that_are_not_there(self):
        self.only("orders", self.config("[lots]\nrequired = yes\norders = {dir}/nowhere\n"), words="nowhere")

    def test_hand_over_that_is_no_directory(self):
        (self.factory.dir / "handover-file").touch()
        self.only("hand-over", self.config("[lots]\nhandover = {dir}/handover-file\n"), words="no directory")

    def test_mes_folder_that_is_not_mounted(self):
        self.only("MES folder", self.config("[mes-folder]\nout = {dir}/not-mounted\n"), words="not-mounted")

    def test_mes_hook_that_does_not_answer(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            _, rows = self.look(self.config("[mes-http]\nurl = https://127.0.0.1:%d/hook\n" % port))
            self.assertTrue(rows["MES hook"]["ok"], rows)
        self.only("MES hook", self.config("[mes-http]\nurl = https://127.0.0.1:%d/hook\n" % port), words=str(port))

    def test_place_of_the_api_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.only("API", self.config("[api]\nlisten = 127.0.0.1:%d\n" % server.getsockname()[1]), words="listen")

    def test_modem_manager_that_would_talk_to_units(self):
        program = self.factory.dir / "ModemManager"
        shutil.copy(shutil.which("sleep"), program)
        manager = subprocess.Popen([program, "60"])
        try:
            wait_until(lambda: pathlib.Path("/proc/%d/comm" % manager.pid).read_text() == "ModemManager\n", 5, "ModemManager")
            if list(pathlib.Path("/").glob("*/udev/rules.d/*station*.rules")) + list(pathlib.Path("/usr").glob("*/udev/rules.d/*station*.rules")):
                self.skipTest("the rules are installed here")
            self.only("ModemManager", words="70-station.rules")
        finally:
            manager.kill()
            manager.wait()

    def test_ca_that_ends_soon(self):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=9)
        self.only("CA validity", self.config(old=r"issue_until = \S+", new="issue_until = " + soon.strftime("%Y-%m-%d")), words="for 9 days")

    def test_signer_that_cannot_open_its_key(self):
        self.factory.secret("wrong-words", "not the passphrase")
        rows = self.only("ledger", self.config(old=r"passphrase = \S+", new="passphrase = file:%s/secrets/wrong-words" % self.factory.dir))
        self.assertNotIn("CA", rows)

    def test_service_that_does_not_know_the_group(self):
        self.only("group", self.config(old=r"group = \S+", new="group = nobody-made-it"), words="group ensure")

    def test_service_that_cannot_be_reached(self):
        rows = self.only("tcp", self.config(old=r"\nendpoint = \S+", new="\nendpoint = https://127.0.0.1:1"))
        self.assertTrue(rows["ledger"]["ok"])

    @unittest.skipIf(os.geteuid() != 0, "only root can give files to another user")
    def test_state_of_another_user_is_not_touched(self):
        place = self.factory.dir / "others-state"
        place.mkdir()
        os.chown(place, 65534, 65534)
        rows = self.only("state", self.config(old=r"state_dir = \S+", new="state_dir = %s" % place), words="65534")
        self.assertNotIn("ledger", rows)
        self.assertEqual(list(place.iterdir()), [])

    def test_mistakes_of_the_configuration_are_listed_instead(self):
        code, output = self.factory.run([self.factory.station, "preflight", "--config", self.config("[slot 99]\nport = x\n")])
        self.assertEqual(code, 1, output)
        self.assertRegex(output, r"other\.conf:\d+: .*profile")

    # --- a line that runs

    @contextlib.contextmanager
    def line(self):
        line = self.factory.start_line()
        try:
            yield line
        finally:
            line.stop()

    def test_line_that_runs_answers_itself(self):
        with self.line():
            answer = self.factory.ask_line(do="preflight")
            rows = {row["name"]: row for row in answer["rows"]}
            self.assertEqual(set(rows), RUNNING)
            self.assertEqual([n for n, row in rows.items() if not row["ok"] and n != "clock runs"], [])
            _, asked = self.look(clock=NOT_SYNCHRONISED)
            self.assertEqual(asked, rows, "the verb shows the line's own rows, not this process's")

    def test_line_whose_unit_could_not_be_opened_says_so(self):
        line = self.factory.start_line("--stop-at", "detect:before")
        try:
            self.factory.plug("SIM0001", 1)
            stat = pathlib.Path("/proc/%d/stat" % line.pid)
            wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", 30, "it stands still")
            with self.closed(1, stands=True):
                line.process.signal(signal.SIGCONT)
                self.assertEqual(line.wait_verdict("01")["code"], "E-USB-004")
                rows = {row["name"]: row for row in self.factory.ask_line(do="preflight")["rows"]}
            self.assertEqual([n for n, row in rows.items() if not row["ok"] and n != "clock runs"], ["units", "line"])
            self.assertIn("slot 01", rows["units"]["text"])
            self.assertIn("udev", rows["units"]["todo"])
        finally:
            self.factory.unplug("SIM0001")
            line.stop()

    def test_line_that_started_without_the_service_says_so(self):
        with self.line():
            pass    # it passed once, and remembers that
        port = self.factory.endpoint["url"].rsplit(":", 1)[1]
        self.factory.dps.stop()
        try:
            with self.line():
                rows = {row["name"]: row for row in self.factory.ask_line(do="preflight")["rows"]}
                self.assertEqual([n for n, row in rows.items() if not row["ok"] and n != "clock runs"], ["service"])
        finally:
            self.factory.start_dps("--polls", "0", "--listen", "127.0.0.1:" + port)


if __name__ == "__main__":
    unittest.main(verbosity=2)
