#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conversations with units, recorded once (tests/drivers/captures), played back to a whole station: its real judge, ledger and service.

    test_replay.py [--record DIR]

A capture of a faulty unit ends in the code and the stage that its second line names. A capture of a good unit is an attack: it cannot
meet a fresh challenge, and gets no certificate. --record makes all captures anew, from simulated devices that misbehave.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import unittest

from plant import Plant
from sim import SOURCE

CAPTURES = SOURCE / "tests/drivers/captures"
ENDS = re.compile(r"^# ends: (E-\w+-\d{3}) in ([a-z-]+)$", re.M)
BRIDGE, SERIAL = "tpm_bridge", "serial_csr"
PROFILE = {BRIDGE: "attestation = x509-group\n", SERIAL: "attestation = x509-individual\n"}

# Name of the capture: driver, options of tests/pki/manufacture, knobs of the simulated device.
UNITS = {
    "good_tpm": (BRIDGE, {}, {}),
    "good_serial": (SERIAL, {}, {}),
    "bridge_of_a_later_version": (BRIDGE, {}, {"lie": "GET_INFO:4:02"}),
    "serial_line_of_a_later_version": (SERIAL, {}, {"version": 2}),
    "identity_that_is_no_text": (BRIDGE, {}, {"lie": "IDENTIFY:0:07"}),
    "another_serial_inside": (BRIDGE, {}, {"serial_inside": "ANOTHER1"}),
    "tpm_that_is_none": (BRIDGE, {}, {"lie": "GetCapability:0:00c4"}),
    "tpm_that_makes_no_key": (BRIDGE, {}, {"lie": "CreatePrimary:6:00000101"}),
    "endorsement_key_of_another_template": (BRIDGE, {}, {"lie": "ReadPublic:16:00000000"}),
    "endorsement_key_that_its_certificate_does_not_name": (BRIDGE, {"foreign_ek": True}, {}),
    "endorsement_certificate_missing": (BRIDGE, {"no_cert": True}, {}),
    "endorsement_certificate_broken": (BRIDGE, {}, {"lie": "NV_Read:16:0000"}),
    "maker_that_nobody_accepts": (BRIDGE, {"rogue_vendor": True}, {}),
}
# What a good unit's conversation ends in when it is played back: no secret, and no nonce of today.
ATTACKS = {"good_tpm": "E-ATT-005", "good_serial": "E-ATT-012"}


class Player(Plant):
    devices, serial = len(UNITS), len(UNITS)

    def stand_in(self, capture, device):
        """A device that says the capture's serial number on USB; what it says itself is never heard."""
        said = re.search(r"^= serial (\w+)$", capture, re.M)
        serial = said.group(1) if said and said.group(1) != "ANOTHER1" else "USB" + device
        place = self.factory.tpms / serial
        if not place.exists():
            shutil.copytree(self.factory.tpms / device, place)
            facts = json.loads((place / "device.json").read_text())
            (place / "device.json").write_text(json.dumps({**facts, "serial": serial}))
        return serial


class Replay(Player):
    def play(self, names):
        """All captures at once, a slot each; gives name → the slot at its verdict."""
        profiles, devices = [], []
        for n, name in enumerate(names, 1):
            text = (CAPTURES / (name + ".txt")).read_text()
            (self.factory.dir / (name + ".txt")).write_text(text)
            driver = re.search(r"^# of a unit behind (\w+)$", text, re.M).group(1)
            devices.append(self.stand_in(text, "%s%04d" % ("SER" if driver == SERIAL else "SIM", n)))
            roots = "ek_roots = %s\n" % (CAPTURES / "vendor.pem") if driver == BRIDGE else ""
            profiles.append("driver = replay(%s/%s.txt):%s\n%s%s" % (self.factory.dir, name, driver, roots, PROFILE[driver]))
        self.start(profiles)
        for n, device in enumerate(devices, 1):
            self.factory.plug(device, n)
        return {name: self.line.wait_verdict("%02d" % n, 120) for n, name in enumerate(names, 1)}

    def nothing_was_granted(self):
        self.assertEqual(self.ledger("SELECT count(*) FROM entry WHERE type LIKE '%.intent'"), [(0,)])
        self.assertEqual(self.ledger("SELECT count(*) FROM job WHERE leaf IS NOT NULL"), [(0,)])
        counts = self.factory.counts()
        self.assertEqual(counts["created"], 1, "the group, and nothing else")
        self.assertFalse([i for i in counts["ids"] if i.startswith("registrations/")])

    def test_every_capture_ends_as_its_second_line_says_and_nothing_is_granted(self):
        names = sorted(p.stem for p in CAPTURES.glob("*.txt"))
        self.assertGreaterEqual(len(names), 8)
        for at in range(0, len(names), 16):
            for name, slot in self.play(names[at:at + 16]).items():
                with self.subTest(capture=name):
                    code, stage = ENDS.search((CAPTURES / (name + ".txt")).read_text()).groups()
                    self.assertEqual((slot["code"], self.factory.stages()[slot["stage_index"]], slot["verdict"]), (code, stage, "FAIL"),
                                     slot)
            self.nothing_was_granted()
            self.tearDown()

    def test_good_unit_played_back_is_an_attack_and_gets_no_certificate(self):
        for name, slot in self.play(list(ATTACKS)).items():
            with self.subTest(capture=name):
                self.assertEqual((slot["verdict"], slot["code"], slot["whom"]), ("FAIL", ATTACKS[name], "security officer"), slot)
        self.nothing_was_granted()

    def test_conversation_that_goes_on_otherwise_is_said_to(self):
        text = (CAPTURES / "good_tpm.txt").read_text()
        (self.factory.dir / "other.txt").write_text(re.sub(r"(?s)> read_ek\n.*?(?=> )", "", text))
        self.start(["driver = replay(%s/other.txt):tpm_bridge\n" % self.factory.dir])
        self.factory.plug(self.stand_in(text, "SIM0001"), 1)
        slot = self.line.wait_verdict("01")
        self.assertEqual((slot["code"], slot["verdict"]), ("E-USB-014", "FAIL"), slot)
        self.assertIn('asks to read_ek, in the capture stands "> make_key"', slot["what"])
        self.nothing_was_granted()

    def test_capture_holds_no_secret(self):
        for path in CAPTURES.glob("*.txt"):
            self.assertNotRegex(path.read_text(), r"(?m)^\* secret [^-]|^= mac [^-]")


class Record(Player):
    def test_record(self):
        """Not a test: makes the captures anew."""
        serials = {}
        for n, (name, (driver, made, knobs)) in enumerate(UNITS.items(), 1):
            serial = ("SER%04d" if driver == SERIAL else "SIM%04d") % n
            if made:
                serial = "BAD%02d0001" % n
                self.factory.add_devices(1, "BAD%02d" % n, **made)
            for knob in knobs.items():
                self.factory.knob(serial, *knob)
            serials[name] = serial
        self.start(["driver = record:%s\n%s" % (d, PROFILE[d]) for d, _, _ in UNITS.values()])
        pathlib.Path(ARGS.record).mkdir(parents=True, exist_ok=True)
        there = set()
        for n, (name, serial) in enumerate(serials.items(), 1):
            self.factory.plug(serial, n)
            slot = self.line.wait_verdict("%02d" % n, 120)
            code, stage = slot["code"], self.factory.stages()[slot["stage_index"]]
            if name in ATTACKS:
                code, stage = ATTACKS[name], "attest"
            captures = set((self.state / "captures").iterdir())
            first, rest = max(captures - there).read_text().split("\n", 1)     # the last process of a unit that was tried again
            there = captures
            (pathlib.Path(ARGS.record) / (name + ".txt")).write_text("%s\n# ends: %s in %s\n%s" % (first, code, stage, rest))
            print(name, slot["verdict"], code, stage, flush=True)
        shutil.copy(self.factory.vendor / "bundle.pem", pathlib.Path(ARGS.record) / "vendor.pem")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", default="")
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest, defaultTest="Record" if ARGS.record else "Replay", verbosity=2)
