#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every function of every driver, before, during and after it, meets a unit that is pulled, falls silent, talks nonsense, lies, or
whose process is killed.

    test_faults.py [--moments N] [--sample N] [--seed N] [--only WORDS]

The cases are generated: what a good unit of each driver is asked is recorded (drivers/record.c), and which stages touch a unit is the
station's own table. Each case is one slot with a profile of its own, whose driver misbehaves once (drivers/fault.c); pulling and
killing is done from outside, while the driver stands still at that moment. Then the same unit is plugged in once more, and must end with
one key, one certificate and one enrollment. An honest unit in another slot must not notice anything.

--moments N draws so many of before, during and after for each function of each driver and each kind of fault; --sample N takes so many
of all that.
"""
import argparse
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import unittest

from plant import SLOTS, Plant
from sim import SOURCE

CATALOGUE = {row[0]: row[1:] for row in re.findall(
    r'^ERR\(E_\w+, "(E-\w+-\d{3})", ERR_(\w+), ERR_(\w+), "([^"]*)"', (SOURCE / "station/base/err.def").read_text(), re.M)}
WHENS = ("before", "during", "after")
KINDS = ("unplug", "kill", "stall", "garbage", "lie")
STAGE_LIMIT_MS = 6000

# What the station may say of a kind of fault. What a unit says wrongly is seen as itself, as what it leads to, or not at all where
# it changes nothing; but it is never the station's own fault, and what the unit holds is looked at in any case. Only the service
# can judge a message authentication code of a TPM: that is a rehearsal that failed.
ABOUT_A_UNIT = r"E-(BASE-00[34]|USB-00[1257]|USB-01[12]|TPM-\d+|ATT-\d+|ID-00[2345]|DPS-009)$"
SAID = {"unplug": r"E-USB-002$", "kill": r"E-BASE-003$", "stall": r"E-BASE-004$", "garbage": ABOUT_A_UNIT, "lie": ABOUT_A_UNIT}

# Kind of unit, and how the service is to know it: driver, prefix of its simulated devices, profile's lines, statistics of the device that
# count keys and installations, and how many keys it makes.
UNITS = {
    "tpm_bridge, group": ("tpm_bridge", "SIM", "attestation = x509-group\n", "tpm.EvictControl", "BUNDLE_COMMIT", 1),
    "tpm_bridge, tpm": ("tpm_bridge", "SIM", "attestation = tpm\n", "tpm.EvictControl", "BUNDLE_COMMIT", 1),
    "tpm_bridge without an endorsement key, group":
        ("tpm_bridge", "NOEK", "attestation = x509-group\n", "tpm.EvictControl", "BUNDLE_COMMIT", 2),
    "serial_csr, individual": ("serial_csr", "SER", "attestation = x509-individual\n", "keys_made", "commit", 1),
}
NOEKS = 5   # how many units without an endorsement key are made


class Case:
    def __init__(self, number, unit, function, when, kind):
        self.unit, self.function, self.when, self.kind = unit, function, when, kind
        self.driver, self.prefix, self.lines, self.keys, self.commits, self.key_count = UNITS[unit]
        self.plan = "%s.%s.%s.%d.once" % (function, when, "stall" if kind in ("unplug", "kill") else kind, number)
        self.struck = self.first = self.last = self.stage = None

    def __str__(self):
        return "%s: %s %s, %s" % (self.unit, self.kind, self.when, self.function)


class Matrix(Plant):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.factory.add_devices(NOEKS, prefix="NOEK", no_ek=True)
        for n in range(1, NOEKS + 1):
            shutil.copytree(cls.factory.tpms / ("NOEK%04d" % n), cls.pristine / ("NOEK%04d" % n))

    # --- generated

    def functions_of_good_units(self):
        """Kind of unit → the functions that a good unit is asked, in order → "evidence", a "result" or "nothing" that it gives there."""
        self.start(["driver = record:%s\n%s" % (driver, lines) for driver, _, lines, *_ in UNITS.values()])
        found, there = {}, set()
        for n, (unit, (_, prefix, *_)) in enumerate(UNITS.items(), 1):
            self.factory.plug("%s%04d" % (prefix, n), n)
            slot = self.line.wait_verdict("%02d" % n, 90)
            self.assertEqual(slot["verdict"], "PASS", slot)
            capture, = set((self.state / "captures").iterdir()) - there
            there.add(capture)
            calls = [call.split("\n", 1) for call in re.split(r"^> ", capture.read_text(), flags=re.M)[1:]]
            marks = {function: {line[:1] for f, said in calls if f == function for line in said.splitlines()} for function, _ in calls}
            found[unit] = {function: "evidence" if "*" in said else "result" if "=" in said else "nothing"
                           for function, said in marks.items()}
        self.line.stop()
        return found

    @staticmethod
    def applies(function, gives, when, kind):
        """Only bytes can be changed, and a unit that is not open says nothing at all."""
        return kind not in ("garbage", "lie") or {"before": function != "open", "during": gives == "evidence",
                                                  "after": gives != "nothing"}[when]

    @staticmethod
    def drawn(cases):
        """Of all cases those that are run now."""
        chance, met, some = random.Random(ARGS.seed), {}, []
        for _, group in itertools.groupby(cases, lambda c: (c.unit, c.function, c.kind)):
            group = list(group)
            # What one kind of unit has met of a driver need not be met by the next, where not all is run.
            if ARGS.moments >= len(WHENS) or met.setdefault((group[0].driver, group[0].function), group[0].unit) == group[0].unit:
                some += chance.sample(group, min(ARGS.moments, len(group)))
        return chance.sample(some, ARGS.sample) if 0 < ARGS.sample < len(some) else some

    @staticmethod
    def batches(cases):
        """So many at a time as there are slots, and devices of their kind; first those of which there are few."""
        left = sorted(cases, key=lambda case: case.prefix != "NOEK")
        while left:
            batch, there = [], {"SIM": SLOTS - 1, "SER": SLOTS, "NOEK": NOEKS}
            for case in list(left):
                if len(batch) < SLOTS - 1 and there[case.prefix]:
                    case.serial = "%s%04d" % (case.prefix, there[case.prefix])
                    there[case.prefix] -= 1
                    batch.append(case)
                    left.remove(case)
            yield batch

    # --- one batch

    def hands(self, case, n):
        """What is done to a unit from outside, once its driver stands at the moment."""
        mark = self.state / "faults" / case.plan
        if case.struck or not mark.exists() or not mark.read_text().endswith("\n"):
            return
        case.struck = int(mark.read_text())
        if case.kind == "unplug":
            self.factory.unplug(case.serial)
        elif case.kind == "kill":
            os.kill(case.struck, signal.SIGKILL)

    def first_visit(self, cases):
        def look():
            for n, case in enumerate(cases, 1):
                self.hands(case, n)
            return all(self.verdicts("%02d" % n) for n in range(1, len(cases) + 2))
        self.line.wait(look, 120, "a verdict in every slot")
        for n, case in enumerate(cases, 1):
            name = "%02d" % n
            shown = [s for s in self.line.slots(name) if s["code"]]
            case.first, case.shown = self.verdicts(name)[0], shown[0] if shown else None

    def second_visit(self, cases):
        again = [(n, c) for n, c in enumerate(cases, 1) if c.first["verdict"] != "PASS"]
        for n, case in again:
            if case.kind != "unplug":
                self.factory.unplug(case.serial)
        for n, case in again:
            if case.kind != "unplug":       # who was pulled in mid-work stays on the screen
                self.line.wait_empty("%02d" % n)
            self.factory.plug(case.serial, n)
        for n, case in enumerate(cases, 1):
            case.last = self.line.wait_verdict("%02d" % n, 90, 2) if (n, case) in again else case.first

    def run_batch(self, cases):
        factory = self.factory
        honest = "SIM%04d" % SLOTS
        self.put_back([c.serial for c in cases] + [honest])
        before = {c.serial: factory.stats(c.serial) for c in cases}
        created = factory.counts()["created"]
        self.start(["driver = fault(%s):%s\n%s" % (c.plan, c.driver, c.lines) for c in cases] + [""],
                   "--stage-limit", STAGE_LIMIT_MS)
        for n, serial in enumerate([c.serial for c in cases] + [honest], 1):
            factory.plug(serial, n)
        self.first_visit(cases)
        self.second_visit(cases)
        self.assertIn("A driver is on trial", self.line.process.output)
        self.assertTrue(all(e["line"]["state"] != "unfit" for e in self.line.events() if e["event"] == "line"))
        neighbour = self.line.slots("%02d" % (len(cases) + 1))
        self.assertEqual((neighbour[-1]["verdict"], [s["code"] for s in neighbour if s["code"]]), ("PASS", []))
        factory.unplug_all()
        self.assertEqual(self.line.stop(), 0)
        self.line = None
        for case in cases:
            with self.subTest(case=str(case)):
                self.said_what_happened(case)
                self.one_of_each(case, before[case.serial])
        own = len([c for c in cases if not c.unit.endswith("group")])
        self.assertEqual(factory.counts()["created"] - created, own, "one enrollment for each unit that has its own")

    def said_what_happened(self, case):
        self.assertTrue((self.state / "faults" / case.plan).read_text(), "the fault struck")
        if case.shown is None:
            self.assertIn(case.kind, ("garbage", "lie"), case.first)
            self.assertEqual(case.first["verdict"], "PASS", case.first)
            return
        shown = case.shown
        self.assertRegex(shown["code"], SAID[case.kind], shown)
        cls, exhausted, happened = CATALOGUE[shown["code"]]
        self.assertNotEqual(cls, "STATION")
        self.assertTrue(shown["sentence"].startswith(happened), shown)
        case.stage = self.factory.stages()[shown["stage_index"]]
        if cls != "RETRY":
            self.assertEqual(case.first["verdict"], {"DEVICE": "FAIL", "OPERATOR": "HOLD"}[cls], case.first)

    def one_of_each(self, case, before):
        """What the device, the ledger and the service say; not what the slot said."""
        factory, slot = self.factory, case.last
        self.assertEqual((slot["verdict"], slot["code"]), ("PASS", ""), slot)
        stats = factory.stats(case.serial)
        self.assertEqual(stats[case.keys] - before[case.keys], case.key_count, "one key, and one endorsement key where there was none")
        self.assertEqual(stats[case.commits] - before[case.commits], 1, "one installation")
        self.assertTrue(factory.list()[case.serial]["closed"], "closed")
        certificate = not case.unit.endswith(" tpm")
        name, digest = factory.leaf_of(case.serial) if certificate else (slot["registration_id"], None)
        self.assertEqual(factory.device_file(case.serial, "leaf.pem").exists(), certificate)
        rows = self.ledger("SELECT leaf, verdict, closed FROM job WHERE registration_id = ?", name)
        self.assertEqual([(hashlib.sha256(leaf).hexdigest() if leaf else None, *rest) for leaf, *rest in rows], [(digest, "PASS", 1)],
                         "one certificate, or one permit")
        intents = [entry for (entry,) in self.ledger("SELECT entry FROM entry WHERE type LIKE '%.intent'")]
        self.assertEqual(len([i for i in intents if name in (i if isinstance(i, str) else i.decode())]), 1, "one intent")
        device = factory.hub_device(slot["hub"], slot["device_id"])
        self.assertEqual(device["status"], "enabled")

    # --- all of them

    def test_every_fault_of_every_function_ends_in_its_sentence_and_one_replug_finishes(self):
        asked = self.functions_of_good_units()
        numbers = itertools.count(1)
        every = [(u, f, w, k) for u in asked for f in asked[u] for k in KINDS for w in WHENS]
        cases = [Case(next(numbers), u, f, w, k) for u, f, w, k in every if self.applies(f, asked[u][f], w, k)]
        touching = {m.group(1) for m in re.finditer(r"^\| ([a-z-]+) \| [^|]*device", self.factory.verb("stages"), re.M)}
        apart = [s for s in self.factory.stages() if s not in touching]
        drawn = self.drawn([c for c in cases if re.search(ARGS.only, str(c))])
        print("Good units are asked: %s" % json.dumps(asked))
        print("%d faults: %d applied, %d would change bytes where there are none" % (len(every), len(cases), len(every) - len(cases)))
        print("%d do not touch the device: %s" % (len(apart) * len(asked) * len(WHENS) * len(KINDS), ", ".join(apart)))
        print("%d of them now, seed %d" % (len(drawn), ARGS.seed), flush=True)
        done = 0
        for batch in self.batches(drawn):
            began = time.monotonic()
            self.run_batch(batch)
            done += len(batch)
            print("%d done, %.1f s" % (done, time.monotonic() - began), flush=True)
        for case in drawn:
            print("%s → %s %s" % (case, case.stage or "-", case.shown["code"] if case.shown else "not noticed, and harmless"))
        stages = {c.stage for c in drawn if c.stage}
        self.assertLessEqual({c.stage for c in drawn if c.stage and c.kind in ("unplug", "kill", "stall")}, touching)
        if not ARGS.sample and not ARGS.only:
            self.assertEqual(stages & touching, touching, "every stage that touches a unit had its faults")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--moments", type=int, default=len(WHENS))
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
