# SPDX-License-Identifier: Apache-2.0
"""What scenarios of several kinds of unit share: lines that are made for one kind each, beside one service, and what they left behind."""
import contextlib
import functools
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim" / "dps" / "test"))
from factory import Factory  # noqa: E402
from sim import bundle_fields  # noqa: E402,F401
from tpm import EK, SRK, Tpm  # noqa: E402

TPM, SERIAL = "", "driver = serial_csr\n"


class UnitTpm(Tpm):
    """The TPM of a unit that is not plugged in, as it is: through tpm2-tools alone."""

    def __init__(self, folder, path):
        self.folder = str(folder)
        self.env = dict(os.environ, TPM2TOOLS_TCTI="swtpm:path=%s" % path)
        self.forget()
        self.ek, self.srk = self.public(EK), self.public(SRK)


def for_each_kind(test):
    """The test once for each of the class's kinds of unit and attestation, each with a line of its own."""
    @functools.wraps(test)
    def run(self):
        for kind, attestation in self.kinds:
            with self.subTest(kind=kind.split("\n")[0] or "TPM", attestation=attestation):
                self.setUp()
                try:
                    test(self, kind, attestation)
                finally:
                    self.tearDown()
    return run


class Case(unittest.TestCase):
    devices, serial = 0, 0

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=cls.devices, slots=4, **({"serial": cls.serial} if cls.serial else {}))
        cls.hubs = [h["hostName"] for h in cls.factory.endpoint["hubs"]]
        cls.fresh = {prefix: iter(["%s%04d" % (prefix, n) for n in range(1, most + 1)])
                     for prefix, most in (("SIM", cls.devices), ("SER", cls.serial))}
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def setUp(self):
        type(self).number += 1
        self.state = "state-%d" % self.number
        self.line = None

    def tearDown(self):
        self.factory.unplug_all()
        if self.line and self.line.process.running:
            self.line.stop()

    # --- the line

    def start(self, kind, attestation, lines="", ready=True):
        """A line whose units are of one kind; each test has a ledger of its own."""
        path = self.factory.write_config("line", "line", "reader", self.state, kind + "attestation = %s\n" % attestation + lines)
        path.write_text(path.read_text().replace("/state\n", "/%s\n" % self.state))
        self.config = path
        self.kind = kind
        self.line = self.factory.start_line(config=path, ready=ready)

    def unit(self):
        return next(self.fresh["SER" if self.kind == SERIAL else "SIM"])

    def visit(self, serial, port=1):
        """One visit, from plug to verdict to unplug."""
        name = "%02d" % port
        done = len([s for s in self.line.slots(name) if s["verdict"]])
        self.factory.plug(serial, port)
        slot = self.line.wait(lambda: next((s for s in [s for s in self.line.slots(name) if s["verdict"]][done:]), None), 60,
                              "a verdict for " + serial)
        self.factory.unplug(serial)
        self.line.wait_empty(name)
        return slot

    def passes(self, serial, port=1):
        slot = self.visit(serial, port)
        self.assertEqual((slot["verdict"], slot["code"]), ("PASS", ""), slot)
        return slot

    def ledger(self, question):
        with contextlib.closing(sqlite3.connect(self.factory.dir / self.state / "ledger.db")) as db:
            return db.execute(question).fetchall()

    def audit(self, kind):
        return [json.loads(e) for (e,) in self.ledger("SELECT entry FROM entry WHERE type = '%s' ORDER BY idx" % kind)]

    def body_of(self, slot):
        """What the outbox holds for a unit."""
        (body,), = self.ledger("SELECT body FROM outbox WHERE registration_id = '%s'" % slot["registration_id"])
        return json.loads(body)

    # --- the devices

    def tools(self, serial, *commands):
        """tpm2-tools at the TPM of a unit that is not plugged in."""
        with self.factory.swtpm(serial) as path:
            for words in commands:
                subprocess.run(words, env=dict(os.environ, TPM2TOOLS_TCTI="swtpm:path=%s" % path), check=True, capture_output=True)

    def rename(self, device, serial):
        """Lets a device call itself by another serial number."""
        path = self.factory.tpms / device / "device.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "serial": serial}))

    # --- the service

    def entry(self, name, method="GET", body=None):
        """An entry as the service has it, or None; another method is a person's doing."""
        return self.factory.ask_service(method, "/enrollments/" + name, body)

    def counts(self, name):
        ids = self.factory.counts()["ids"]
        return ids.get("enrollments/" + name, {}).get("created", 0), ids.get("registrations/" + name, {}).get("assigned", 0)

    def hub_has(self, slot, auth):
        device = self.factory.hub_device(slot["hub"], slot["device_id"])
        self.assertEqual(device["authentication"]["type"], auth)
        return device
