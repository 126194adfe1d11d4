#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kill -9 storms: a line of eight slots with units in all of them is killed at any moment, by a seed, again and again.

What was acknowledged is kept outside of the line: the verdicts that it told, the result files, and the emulated service's own record.
Nothing of that is lost or doubled, and every unit ends after one re-plug."""
import argparse
import contextlib
import pathlib
import random
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, children, wait_until  # noqa: E402

SLOTS = 8
SERIALS = ["SER%04d" % n for n in range(1, SLOTS + 1)]
LONGEST_S = 2.5     # a line that is left alone is done with all eight by then


class Storm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=1, slots=1, serial=SLOTS)
        cls.pristine = cls.factory.dir / "pristine"
        shutil.copytree(cls.factory.tpms, cls.pristine)

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def put_back(self):
        """Devices as they were made, a line without a past, and nothing of them in the service."""
        factory = self.factory
        factory.unplug_all()
        for serial in SERIALS:
            shutil.rmtree(factory.tpms / serial)
            shutil.copytree(self.pristine / serial, factory.tpms / serial)
        shutil.rmtree(factory.dir / "state", ignore_errors=True)
        for name in factory.counts()["ids"]:
            kind, name = name.split("/", 1)
            if kind == "enrollments" and factory.ask_service("GET", "/enrollments/" + name):
                factory.ask_service("DELETE", "/enrollments/" + name)

    def plug_all(self):
        for n, serial in enumerate(SERIALS, 2):
            self.factory.plug(serial, n)

    def told(self, line):
        """Units that this line said to be proved."""
        return {slot["registration_id"] for slot in line.slots() if slot["verdict"] == "PASS"}

    def leaves(self):
        return {serial: self.factory.device_file(serial, "leaf.pem").read_bytes() for serial in SERIALS
                if self.factory.device_file(serial, "leaf.pem").exists()}

    def kill_at(self, seconds):
        """A line lives so long; gives the units that it said to be proved, and the result files that lay there then."""
        line = self.factory.start_line()
        self.plug_all()
        with contextlib.suppress(Exception):
            line.process.wait(seconds)
        line.kill()
        line.process.wait(30)
        wait_until(lambda: not children(line.pid), 20, "children gone")
        told, results = self.told(line), self.factory.results()
        self.factory.unplug_all()
        return told, results

    def finish(self):
        """One re-plug of each, at a line that is let live."""
        line = self.factory.start_line()
        self.plug_all()
        slots = [line.wait_verdict("%02d" % n) for n in range(2, SLOTS + 2)]
        self.factory.unplug_all()
        self.assertEqual(line.stop(), 0)
        return slots

    def ledger(self, question):
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db:
            return db.execute(question).fetchall()

    def storm(self, chance, kills):
        """`kills` lines after each other on one ledger, then one that finishes. Counts of what is not as it must be."""
        self.put_back()
        created = {name: n.get("created", 0) for name, n in self.factory.counts()["ids"].items()}
        acknowledged, files, installed = set(), {}, {}
        for _ in range(kills):
            told, results = self.kill_at(chance.uniform(0.0, LONGEST_S))
            acknowledged |= told
            for name, result in results.items():
                self.assertEqual(files.setdefault(name, result)["leaf_sha256"], result["leaf_sha256"], "a result stands")
            self.assertLessEqual(told, set(results), "what was told to be proved has its file")
            for serial, leaf in self.leaves().items():
                self.assertEqual(installed.setdefault(serial, leaf), leaf, "one certificate")
        unfinished = [s for s in self.finish() if s["verdict"] != "PASS"]
        units = {u["registration_id"]: u for u in self.factory.report()["units"]}
        lost = [name for name in acknowledged | set(files) if units.get(name, {}).get("verdict") != "PASS"]
        lost += [name for name, r in files.items() if units.get(name, {}).get("leaf_sha256") != r["leaf_sha256"]]
        made = {name: n.get("created", 0) - created.get(name, 0) for name, n in self.factory.counts()["ids"].items()
                if name.startswith("enrollments/")}
        doubled = [name for name in units if made.get("enrollments/" + name) != 1]
        doubled += self.ledger("SELECT job FROM entry WHERE type LIKE '%.intent' GROUP BY job HAVING count(*) > 1")
        self.assertEqual((len(units), len(self.ledger("SELECT job FROM entry WHERE type LIKE '%.intent'"))), (SLOTS, SLOTS))
        self.assertEqual({leaf for leaf in installed.values()} - set(self.leaves().values()), set())
        newest = max(self.factory.results().values(), key=lambda r: r["intent"])["registration_id"]
        self.assertIn("fits         yes", self.factory.audit_verify("--checkpoint", self.factory.dir / "state/results" / (newest + ".json"),
                                                                    "--vkey", self.factory.dir / "ca/log.vkey"))
        return len(acknowledged | set(files)), lost, doubled, unfinished

    def test_whenever_the_line_is_killed_nothing_is_lost_or_doubled_and_a_replug_finishes(self):
        chance = random.Random(SEED)
        kills = acknowledged = lost = doubled = unfinished = 0
        while kills < KILLS:
            some = min(chance.randint(1, 4), KILLS - kills)
            sums = self.storm(chance, some)
            kills += some
            acknowledged += sums[0]
            lost, doubled, unfinished = lost + len(sums[1]), doubled + len(sums[2]), unfinished + len(sums[3])
            print("%d kills: %d units were acknowledged before one, %d of them lost, %d doubled, %d not finished after one re-plug" % (
                kills, acknowledged, lost, doubled, unfinished), flush=True)
            self.assertEqual(sums[1:], ([], [], []))
        self.assertGreater(acknowledged, 0, "some were done before the line was killed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=5)
    args, rest = parser.parse_known_args()
    KILLS, SEED = args.kills, args.seed
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
