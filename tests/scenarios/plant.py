# SPDX-License-Identifier: Apache-2.0
"""A line whose slots have a profile each, and simulated devices that are put back as they were made."""
import contextlib
import pathlib
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory  # noqa: E402

SLOTS = 16      # as many profiles as a configuration may have


class Plant(unittest.TestCase):
    """A factory with a line whose slots have profiles of their own, made anew for each batch."""
    devices, serial = SLOTS, SLOTS

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=cls.devices, slots=1, serial=cls.serial)
        cls.pristine = cls.factory.dir / "pristine"
        shutil.copytree(cls.factory.tpms, cls.pristine)
        cls.batch = 0
        cls.line = None

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def tearDown(self):
        self.factory.unplug_all()
        if self.line and self.line.process.running:
            self.line.stop()

    def start(self, profiles, *words):
        """A line with a fresh ledger; slot NN has the Nth profile's lines."""
        factory = self.factory
        type(self).batch += 1
        self.state = factory.dir / ("state-%d" % self.batch)
        path = factory.write_config("line", "line", "reader", "batch")
        text = path.read_text()
        text = text[:text.index("[profile demo]")].replace("/state\n", "/%s\n" % self.state.name)
        for n, lines in enumerate(profiles, 1):
            text += "[profile p%02d]\n%s\n[slot %02d]\nport = %s\nprofile = p%02d\n" % (
                n, factory.profile_lines(lines), n, factory.slot_port(n), n)
        path.write_text(text)
        self.config = path
        self.line = factory.start_line(*words, config=path)

    def put_back(self, serials):
        """Devices as they were made, and nothing of them in the service."""
        factory = self.factory
        factory.unplug_all()
        for serial in serials:
            shutil.rmtree(factory.tpms / serial)
            shutil.copytree(self.pristine / serial, factory.tpms / serial)
        for name in factory.counts()["ids"]:
            kind, name = name.split("/", 1)
            if kind == "enrollments" and factory.ask_service("GET", "/enrollments/" + name):
                factory.ask_service("DELETE", "/enrollments/" + name)

    def verdicts(self, name):
        """The slot's states at each of its verdicts."""
        done, before = [], ""
        for slot in self.line.slots(name):
            if slot["verdict"] and not before:
                done.append(slot)
            before = slot["verdict"]
        return done

    def ledger(self, question, *values):
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as db:
            return db.execute(question, values).fetchall()
