#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two units that call themselves the same, in two slots at one moment: one of them is held, and is nothing but itself afterwards."""
import json
import unittest

from plant import Plant

SERIAL = "attestation = x509-individual\ndriver = %sserial_csr\n"
TWIN = "fault(identify.after.twin.1):"    # says that it is SIM0001, whoever it is


class Twins(Plant):
    devices, serial = 1, 4

    def setUp(self):
        self.created = self.factory.counts()["created"]

    def outcomes(self):
        """Of slots 01 and 02, each PASS or HOLD: the one that passed, the one that was held."""
        slots = [self.line.wait_verdict(name, 120) for name in ("01", "02")]
        passed, held = sorted(slots, key=lambda slot: slot["verdict"] != "PASS")
        self.assertEqual((passed["verdict"], passed["code"]), ("PASS", ""), slots)
        self.assertEqual((held["verdict"], held["code"]), ("HOLD", "E-ID-002"), slots)
        return int(passed["name"]), int(held["name"])

    def unit(self, serial):
        units = json.loads(self.factory.verb("report", "--config", self.config, "--json"))["units"]
        found, = [u for u in units if u["serial"] == serial]
        return found

    def granted(self):
        """Certificates by the ledger, and entries that the service made."""
        return (self.ledger("SELECT count(*) FROM entry WHERE type = 'sign.intent'")[0][0],
                self.factory.counts()["created"] - self.created)

    def is_unbegun(self, device):
        self.assertFalse(self.factory.device_file(device, "leaf.pem").exists())
        self.assertFalse(self.factory.list()[device]["closed"])

    def test_of_two_units_with_one_serial_number_at_one_moment_one_is_held(self):
        self.start([SERIAL % TWIN, SERIAL % TWIN])
        self.factory.plug("SER0001", 1)
        self.factory.plug("SER0002", 2)
        passed, held = ("SER000%d" % n for n in self.outcomes())
        unit = self.unit("SIM0001")
        self.assertEqual((unit["verdict"], unit["leaf_sha256"]), ("PASS", self.factory.leaf_of(passed)[1]))
        self.assertEqual(self.granted(), (1, 1))
        self.is_unbegun(held)
        self.assertEqual(self.line.stop(), 0)
        self.factory.unplug_all()
        # Under its own name, at the same ledger, the one that was held is a unit like any other.
        self.config.write_text(self.config.read_text().replace(TWIN, ""))
        self.line = self.factory.start_line(config=self.config)
        self.factory.plug(held, int(held[-1]))
        slot = self.line.wait_verdict("0" + held[-1])
        self.assertEqual((slot["verdict"], slot["serial"]), ("PASS", held), slot)
        self.assertEqual(self.granted(), (2, 2))
        self.assertEqual(self.unit("SIM0001"), unit)

    def test_of_two_units_of_two_kinds_with_one_serial_number_one_is_held(self):
        self.start(["", SERIAL % TWIN])
        self.factory.plug("SIM0001", 1)
        self.factory.plug("SER0003", 2)
        devices = {1: "SIM0001", 2: "SER0003"}
        passed, held = (devices[n] for n in self.outcomes())
        self.assertEqual(self.unit("SIM0001")["leaf_sha256"], self.factory.leaf_of(passed)[1])
        self.assertEqual(self.granted(), (1, 1 if passed == "SER0003" else 0))     # the other kind is a member of a group
        self.is_unbegun(held)


if __name__ == "__main__":
    unittest.main(verbosity=2)
