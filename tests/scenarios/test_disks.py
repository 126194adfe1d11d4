#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disks that are full, read-only or failing, files that are damaged, lost or of another time, and two stations on one ledger: each is
found before harm, named by its code, and mended as docs/ledger.md says. Its table is walked: a code there without a test here fails."""
import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, Line, built, children, wait_until  # noqa: E402
from sim import sanitizer_of  # noqa: E402

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/ledger.md"
ENOSPC, EIO, NFS = 28, 5, 0x6969


def mends(*codes):
    """The codes of the table that a test is about."""
    def mark(test):
        test.codes = codes
        return test
    return mark


class Disks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = factory = Factory(devices=1, slots=1, serial=2)
        cls.good, cls.fresh = factory.dir / "good", factory.dir / "fresh"
        shutil.copytree(factory.tpms / "SER0002", cls.fresh)
        line = factory.start_line()
        cls.visit(line, 1)
        assert line.stop() == 0
        factory.verb("ledger", "backup", "--config", factory.config, factory.dir / "copy.db")
        shutil.copytree(factory.dir / "state", cls.good, ignore=lambda d, names: [n for n in names if n.endswith(".sock")])

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def setUp(self):
        factory = self.factory
        self.state = factory.dir / "state"
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.good, self.state)
        shutil.rmtree(factory.tpms / "SER0002")
        shutil.copytree(self.fresh, factory.tpms / "SER0002")
        self.armed = factory.dir / "armed"
        self.armed.unlink(missing_ok=True)
        self.config = factory.config

    def tearDown(self):
        self.factory.unplug_all()
        for process in [p for p in self.factory.processes if p.running and "line." in str(p.log)]:
            process.stop(30)

    # --- doing

    @classmethod
    def visit(cls, line, number):
        name, serial = "%02d" % (number + 1), "SER%04d" % number
        done = len([s for s in line.slots(name) if s["verdict"]])
        cls.factory.plug(serial, number + 1)
        slot = line.wait(lambda: next(iter([s for s in line.slots(name) if s["verdict"]][done:]), None), 60, serial)
        cls.factory.unplug(serial)
        return slot

    def elsewhere(self, state):
        path = self.factory.dir / "elsewhere.conf"
        path.write_text(re.sub(r"(?m)^state_dir = .*$", "state_dir = %s" % state, self.factory.config.read_text()))
        return path

    def refused(self, code, config=None, **env):
        got, output = self.factory.run([self.factory.station, "run", "--config", config or self.config], timeout_s=60, env=env)
        self.assertIn(code, output)
        self.assertEqual(got, 3, output)
        return output

    def torn(self, **more):
        """The environment of a program on a disk that fails."""
        env = self.factory.env(self.factory.station)
        return {"LD_PRELOAD": " ".join(filter(None, [env.get("LD_PRELOAD"), built("tests/torn/libtorn.so")])), **more}

    def fails_in_mid_run(self, call, name, number, code):
        """A line runs well until its disk fails under a unit; nothing is lost, and it goes on on a good disk."""
        env = self.torn(TORN_FAIL="%s:%s:1:%d" % (call, name, number), TORN_ARMED=str(self.armed))
        factory = self.factory
        process = factory.popen([factory.station, "run", "--config", self.config, "--json"], "line.%d" % len(factory.processes), env=env)
        line = Line(process)
        line.wait_ready()
        self.armed.touch()
        factory.plug("SER0002", 3)
        wait_until(lambda: code in process.output, 30, code)
        process.stop(30)
        factory.unplug_all()
        self.unit_passes()

    def unit_passes(self, config=None):
        """The line starts, finishes a unit, knows the one before, and its log holds against the file that left with that one."""
        line = self.factory.start_line(config=config or self.config)
        self.assertEqual(self.visit(line, 2)["verdict"], "PASS")
        self.assertEqual(self.visit(line, 1)["verdict"], "PASS")
        self.assertEqual(line.stop(), 0)
        (result,) = [p for p in (self.good / "results").glob("*.json")]
        said = self.factory.verb("audit", "verify", "--config", config or self.config, "--checkpoint", result, "--vkey",
                                 self.factory.dir / "ca/log.vkey")
        self.assertIn("fits         yes", said)

    @contextlib.contextmanager
    def mounted(self, *words):
        place = self.factory.dir / "mounted"
        place.mkdir(exist_ok=True)
        if subprocess.run(["mount", *words, place], capture_output=True).returncode:
            self.skipTest("nothing can be mounted here")
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", place], check=True)

    # --- disks

    @mends("E-DB-001")
    def test_a_disk_that_fails_to_sync_stops_the_line_and_nothing_is_lost(self):
        self.fails_in_mid_run("sync", "ledger.db-wal", EIO, "E-DB-001")

    @mends("E-DB-002")
    def test_a_disk_that_becomes_full_stops_the_line_and_nothing_is_lost(self):
        self.fails_in_mid_run("write", "ledger.db-wal", ENOSPC, "E-DB-002")

    @mends("E-DB-002")
    def test_a_disk_with_too_little_room_is_refused_before_the_first_unit(self):
        with self.mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs") as place:
            self.refused("E-DB-002", self.elsewhere(place / "state"))

    @mends("E-DB-001")
    def test_a_disk_that_became_read_only_is_said_and_goes_on_when_it_is_not(self):
        with self.mounted("-t", "tmpfs", "-o", "size=256m", "tmpfs") as place:
            shutil.copytree(self.good, place / "state")
            config = self.elsewhere(place / "state")
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            self.refused("E-DB-001", config)
            subprocess.run(["mount", "-o", "remount,rw", place], check=True)
            self.unit_passes(config)

    @mends("E-DB-001")
    def test_a_ledger_on_a_network_file_system_is_refused(self):
        # Not on the simulated bus, whose own library answers this question.
        station = self.factory.station
        loaded = " ".join(filter(None, [sanitizer_of(station), built("tests/torn/libtorn.so")]))
        done = subprocess.run([station, "ledger", "archive", "--config", self.config, "L-1", self.factory.dir / "never"], capture_output=True,
                              text=True, env=dict(os.environ, LD_PRELOAD=loaded, TORN_FILE_SYSTEM=str(NFS)))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "(?s)E-DB-001.*network file system")
        self.unit_passes()

    # --- two stations

    @mends("E-DB-004")
    def test_a_second_station_is_refused_whatever_path_it_comes_by(self):
        line = self.factory.start_line()
        other = self.factory.dir / "other"
        shutil.rmtree(other, ignore_errors=True)
        other.mkdir()
        (other / "ledger.db").hardlink_to(self.state / "ledger.db")
        symbolic = self.factory.dir / "symbolic"
        symbolic.unlink(missing_ok=True)
        symbolic.symlink_to(self.state)
        for state in (self.state, symbolic, other):
            self.refused("E-DB-004", self.elsewhere(state))
        with contextlib.suppress(unittest.SkipTest), self.mounted("--bind", self.state) as place:
            self.refused("E-DB-004", self.elsewhere(place))
        self.assertEqual(line.stop(), 0)
        self.unit_passes()

    # --- files

    @mends("E-DB-003")
    def test_a_newer_schema_is_left_alone(self):
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            db.execute("PRAGMA user_version = 99")
            db.commit()
        self.refused("E-DB-003")
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as db:
            db.execute("PRAGMA user_version = %d" % version)
            db.commit()
        self.unit_passes()

    def restore(self):
        """The way back to a copy, where nothing newer is known."""
        self.factory.verb("ledger", "restore", "--config", self.config, self.factory.dir / "copy.db")
        self.unit_passes()

    @mends("E-DB-005")
    def test_a_damaged_ledger_is_refused_and_a_copy_takes_its_place(self):
        with (self.state / "ledger.db").open("r+b") as ledger:
            ledger.write(b"junk" * 512)
        self.refused("E-DB-005")
        self.restore()

    @mends("E-DB-005", "E-DB-006")
    def test_damage_in_the_middle_is_found_by_verifying_and_a_copy_takes_its_place(self):
        ledger = self.state / "ledger.db"
        data = bytearray(ledger.read_bytes())
        at = data.index(b'"slot":"02"')     # in the body of an entry
        data[at + 8:at + 10] = b"07"
        ledger.write_bytes(data)
        self.assertIn("E-DB-006", self.factory.audit_verify(status=1))
        with ledger.open("r+b") as file:
            file.seek(len(data) // 2 // 2048 * 2048)
            file.write(b"junk" * 512)
        self.assertIn("E-DB-005", self.factory.audit_verify(status=1))
        self.restore()

    @mends("E-DB-007")
    def test_a_copy_that_is_too_old_is_not_taken_by_accident(self):
        line = self.factory.start_line()
        self.visit(line, 2)
        self.assertEqual(line.stop(), 0)
        said = self.factory.verb("ledger", "restore", "--config", self.config, self.factory.dir / "copy.db", status=1)
        self.assertIn("E-DB-007", said)
        self.assertIn("SER0002", said)

    @mends("E-CA-007")
    def test_a_wal_that_was_lost_is_missed_by_the_signer(self):
        line = self.factory.start_line()
        self.assertEqual(self.visit(line, 2)["verdict"], "PASS")
        line.kill()
        line.process.wait(30)
        wait_until(lambda: not children(line.pid), 20, "children gone")
        wal, kept = self.state / "ledger.db-wal", self.factory.dir / "kept-wal"
        shutil.move(wal, kept)
        shutil.copy(self.state / "ledger.db", self.factory.dir / "kept-db")
        self.refused("E-CA-007")
        for name in ("ledger.db-wal", "ledger.db-shm"):
            (self.state / name).unlink(missing_ok=True)
        shutil.copy(self.factory.dir / "kept-db", self.state / "ledger.db")
        shutil.move(kept, wal)
        self.unit_passes()

    def test_every_row_of_the_table_is_walked(self):
        table = PAGE.read_text().split("## When something is wrong", 1)[1]
        codes = set(re.findall(r"E-[A-Z]+-\d+", "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| E-"))))
        walked = {code for name in dir(self) for code in getattr(getattr(self, name), "codes", ())}
        self.assertEqual(codes, walked)


if __name__ == "__main__":
    unittest.main(verbosity=2)
