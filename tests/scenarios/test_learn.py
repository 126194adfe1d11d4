#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`station slots learn`: an engineer plugs a device from place to place of the jig, and the configuration has its slots."""
import os
import pathlib
import pty
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402


class Lesson:
    """The verb at work, on a pipe or a terminal."""

    def __init__(self, factory, config, *words, terminal=False):
        self.log = factory.dir / "lesson.log"
        words = [factory.station, "slots", "learn", "--config", str(config), *words]
        keys, self.keys = pty.openpty()[::-1] if terminal else os.pipe()
        with open(self.log, "wb") as out:
            self.popen = subprocess.Popen(words, stdin=keys, stdout=out, stderr=subprocess.STDOUT, env=factory.env(factory.station))
        os.close(keys)
        factory.processes.append(self)
        self.factory, self.read = factory, 0

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    @property
    def said(self):
        return self.log.read_text()

    def hear(self, *words):
        """Waits until it has said all this, in this order, since it was heard last."""
        def look():
            at = self.read
            for word in words:
                at = self.said.find(word, at)
                if at < 0:
                    assert self.popen.poll() is None or word in self.said, self.said
                    return 0
                at += len(word)
            return at
        self.read = wait_until(look, 20, "%s in %s" % (words, self.said))

    def type(self, text):
        os.write(self.keys, (text + "\n").encode())

    def teach(self, serial, port, row, column):
        self.hear("Plug a device into row %d, column %d." % (row, column))
        self.factory.plug(serial, port)
        self.hear("is %s. Pull it." % self.factory.slot_port(port))
        self.factory.unplug(serial)

    def end(self):
        code = self.popen.wait(20)
        self.factory.processes.remove(self)
        os.close(self.keys)
        return code


class Learn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=2, slots=2)
        cls.good = "# of line 1\n" + cls.factory.config.read_text() + "\n# last words\n"

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def setUp(self):
        self.config = self.factory.dir / "learn.conf"
        for left in self.factory.dir.glob("learn.conf*"):
            left.unlink()
        self.config.write_text(self.good)
        self.config.chmod(0o640)

    def tearDown(self):
        self.factory.unplug_all()

    def check_config(self):
        self.factory.verb("check-config", "--config", self.config)

    def slots(self):
        """Of the file: name → port, row, column; by Python's own reading."""
        slots, now = {}, None
        for line in self.config.read_text().splitlines():
            if line.startswith("["):
                now = slots.setdefault(line[6:-1], {}) if line.startswith("[slot ") else {}
            elif now is not None and " = " in line:
                key, value = line.split(" = ")
                now[key] = value
        return {name: (s["port"], int(s["row"]), int(s["column"]), s["profile"]) for name, s in slots.items()}

    def test_jig_is_learnt_place_by_place_and_the_line_works_with_it(self):
        lesson = Lesson(self.factory, self.config, "--rows", "2", "--columns", "2")
        lesson.teach("SIM0001", 7, 1, 1)
        lesson.hear("row 1, column 2")
        lesson.type("s")
        lesson.teach("SIM0002", 9, 2, 1)
        lesson.teach("SIM0001", 3, 2, 2)
        lesson.hear("turned")
        lesson.type("90")
        lesson.hear("profile")
        lesson.type("")
        self.assertEqual(lesson.end(), 0, lesson.said)
        port = self.factory.slot_port
        self.assertEqual(self.slots(), {"01": (port(7), 1, 1, "demo"), "03": (port(9), 2, 1, "demo"), "04": (port(3), 2, 2, "demo")})
        self.assertIn("[jig]\nrows = 2\ncolumns = 2\nrotation = 90\n", self.config.read_text())
        self.check_config()
        line = self.factory.start_line(config=self.config)
        try:
            self.factory.plug("SIM0002", 9)
            slot = line.wait_verdict("03")
            self.assertEqual((slot["verdict"], slot["row"], slot["column"]), ("PASS", 2, 1))
        finally:
            line.stop()

    def test_all_else_of_the_file_stays_and_so_does_the_old_one_beside_it(self):
        lesson = Lesson(self.factory, self.config, "--rows", "1", "--columns", "1")
        lesson.teach("SIM0001", 5, 1, 1)
        lesson.type("\n")
        self.assertEqual(lesson.end(), 0, lesson.said)
        text = self.config.read_text()
        kept = self.good[:self.good.index("[slot 01]")]
        self.assertEqual(text[:len(kept)], kept)
        self.assertIn("# last words\n", text)
        self.assertEqual(text.count("[slot "), 1)
        self.assertEqual((self.factory.dir / "learn.conf.before-learn").read_text(), self.good)
        self.assertEqual(self.config.stat().st_mode & 0o777, 0o640)
        self.assertEqual(sorted(p.name for p in self.factory.dir.glob("learn.conf*")), ["learn.conf", "learn.conf.before-learn"])

    def test_port_that_is_known_is_refused_and_going_back_frees_it(self):
        lesson = Lesson(self.factory, self.config, "--rows", "1", "--columns", "2")
        lesson.teach("SIM0001", 1, 1, 1)
        lesson.hear("row 1, column 2")
        self.factory.plug("SIM0002", 1)
        lesson.hear("This port is row 1, column 1 already")
        self.factory.unplug("SIM0002")
        lesson.type("b")
        lesson.teach("SIM0002", 2, 1, 1)
        lesson.teach("SIM0002", 1, 1, 2)
        lesson.type("\n")
        self.assertEqual(lesson.end(), 0, lesson.said)
        self.assertEqual([s[0] for s in self.slots().values()], [self.factory.slot_port(2), self.factory.slot_port(1)])

    def test_interrupted_lesson_goes_on_where_it_was_left(self):
        lesson = Lesson(self.factory, self.config, "--rows", "1", "--columns", "2")
        lesson.teach("SIM0001", 1, 1, 1)
        lesson.hear("row 1, column 2")
        wait_until((self.factory.dir / "learn.conf.learn").exists, 5, "what was learnt, on disk")
        lesson.kill()
        lesson.end()
        self.assertEqual(self.config.read_text(), self.good)
        lesson = Lesson(self.factory, self.config)
        lesson.hear("Going on where it was left.")
        lesson.teach("SIM0001", 2, 1, 2)
        lesson.type("\n")
        self.assertEqual(lesson.end(), 0, lesson.said)
        self.assertEqual(len(self.slots()), 2)

    def test_device_that_was_there_before_counts_only_when_it_is_plugged_in_again(self):
        self.factory.plug("SIM0002", 4)
        lesson = Lesson(self.factory, self.config, "--rows", "1", "--columns", "1")
        lesson.hear("Plugged in already: 1.")
        self.factory.unplug("SIM0002")
        lesson.teach("SIM0002", 4, 1, 1)
        lesson.type("\n")
        self.assertEqual(lesson.end(), 0, lesson.said)
        self.assertEqual(self.slots()["01"][0], self.factory.slot_port(4))

    def test_engineer_at_a_terminal_is_asked_for_the_size(self):
        lesson = Lesson(self.factory, self.config, terminal=True)
        lesson.hear("How many rows")
        lesson.type("1")
        lesson.hear("How many columns")
        lesson.type("3")
        lesson.teach("SIM0001", 1, 1, 1)
        lesson.hear("row 1, column 2")
        lesson.type("e")
        lesson.type("270")
        lesson.type("demo")
        self.assertEqual(lesson.end(), 0, lesson.said)
        self.assertIn("rows = 1\ncolumns = 3\nrotation = 270\n", self.config.read_text())

    def test_input_that_ends_leaves_the_file_as_it_is(self):
        lesson = Lesson(self.factory, self.config, "--rows", "1", "--columns", "2")
        lesson.teach("SIM0001", 1, 1, 1)
        lesson.hear("row 1, column 2")
        os.close(lesson.keys)
        lesson.keys = os.open("/dev/null", os.O_WRONLY)
        self.assertEqual(lesson.end(), 2, lesson.said)
        self.assertIn("E-CFG-003", lesson.said)
        self.assertEqual(self.config.read_text(), self.good)

    def test_new_file_that_has_a_mistake_does_not_take_the_old_ones_place(self):
        """A slot of the old file that the learner does not see as one: INI reads a section behind blanks, too."""
        text = self.good.replace("[slot 01]", "[lots]\n [slot 01]")
        self.config.write_text(text)
        self.check_config()
        lesson = Lesson(self.factory, self.config, "--rows", "1", "--columns", "1")
        lesson.teach("SIM0001", 1, 1, 1)
        lesson.type("\n")
        self.assertEqual(lesson.end(), 1, lesson.said)
        self.assertIn("E-CFG-001", lesson.said)
        self.assertEqual(self.config.read_text(), text)

    def test_nothing_is_learnt_while_the_line_runs(self):
        line = self.factory.start_line(config=self.config)
        try:
            output = self.factory.verb("slots", "learn", "--config", self.config, "--rows", "1", "--columns", "1", status=1)
            self.assertIn("E-CFG-007", output)
        finally:
            line.stop()

    def test_jig_that_cannot_be_is_refused(self):
        for rows, columns in (("0", "1"), ("x", "1"), ("-1", "1"), ("257", "1"), ("16", "17")):
            self.assertIn("E-CFG-003", self.factory.verb("slots", "learn", "--config", self.config, "--rows", rows, "--columns",
                                                         columns, status=2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
