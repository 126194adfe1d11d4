#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Units that hold the line up on purpose, in slots beside honest ones: nobody else notices."""
import unittest

from plant import Plant

FOR_EVER = 600000
SERIAL = "driver = serial_csr\nattestation = x509-individual\n"


class Hostile(Plant):
    devices, serial = 8, 8

    # Device, its profile's lines, and what it does.
    HOSTILE = [
        ("SIM0001", "", ("delay_ms", FOR_EVER)),
        ("SIM0002", "", ("busy", 1000000)),
        ("SER0001", SERIAL, ("stall", 1)),
        ("SER0002", SERIAL, ("garbage", 1000000)),
    ]
    HONEST = [("SIM%04d" % n, "") for n in range(3, 9)] + [("SER%04d" % n, SERIAL) for n in range(3, 9)]

    def test_while_units_stall_and_flood_the_others_pass(self):
        hostile, honest = len(self.HOSTILE), len(self.HONEST)
        for serial, _, knob in self.HOSTILE:
            self.factory.knob(serial, *knob)
        self.factory.knob("SER0002", "flood", 1)
        self.start([u[1] for u in self.HOSTILE] + [u[1] for u in self.HONEST])
        for n, unit in enumerate(self.HOSTILE, 1):
            self.factory.plug(unit[0], n)
        self.line.wait(lambda: all(self.line.slots("%02d" % n) for n in range(1, hostile + 1)), 30, "all at work")
        for n, unit in enumerate(self.HONEST, hostile + 1):
            self.factory.plug(unit[0], n)
        for n in range(hostile + 1, hostile + honest + 1):
            slot = self.line.wait_verdict("%02d" % n, 120)
            self.assertEqual((slot["verdict"], slot["code"]), ("PASS", ""), slot)
            self.assertFalse([s["code"] for s in self.line.slots("%02d" % n) if s["code"]], "not one try was disturbed")
        for n in range(1, hostile + 1):
            self.assertFalse([s for s in self.line.slots("%02d" % n) if s["verdict"] == "PASS"], "it was in the way until the end, or failed")
        self.assertGreater(self.factory.stats("SER0002")["noise"], 100, "it did flood")
        self.assertEqual(self.ledger("SELECT count(*) FROM job WHERE verdict = 'PASS'"), [(honest,)])
        self.assertTrue(all(self.factory.list()[unit[0]]["closed"] for unit in self.HONEST))


if __name__ == "__main__":
    unittest.main(verbosity=2)
