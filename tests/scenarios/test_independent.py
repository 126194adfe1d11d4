#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The promise behind it all: without the station, with tools that are not ours, an enrolled device registers with what it holds."""
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory  # noqa: E402
from sim import bundle_fields  # noqa: E402


# A device's operating system manages the few object slots of its TPM; here tpm2-abrmd does, in a bus session of its own.
RESOURCE_MANAGER = """
tpm2-abrmd --allow-root --session --tcti=swtpm:path=$1 >&2 &
manager=$!
shift
export TPM2OPENSSL_TCTI=tabrmd:bus_type=session TPM2TOOLS_TCTI=tabrmd:bus_type=session
until tpm2_getcap -l >/dev/null 2>&1; do sleep 0.1; done
"$@"
status=$?
kill $manager
exit $status
"""


class Independent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=2, slots=2)
        line = cls.factory.start_line()
        for n in (1, 2):
            cls.factory.plug("SIM%04d" % n, n)
        cls.slots = [line.wait_verdict("%02d" % n) for n in (1, 2)]
        cls.factory.unplug_all()
        line.stop()

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def register(self, serial, tpm):
        """A registration over TLS by OpenSSL's own client, whose key is in the TPM by way of tpm2-openssl."""
        factory = self.factory
        fields = dict(bundle_fields(factory.device_file(serial, "bundle.bin").read_bytes()))
        scope, endpoint, name, uri = (fields[tag].decode() for tag in (3, 4, 5, 9))
        host, port = re.match(r"https://([^:/]+)(?::(\d+))?$", endpoint).groups()
        body = json.dumps({"registrationId": name})
        request = ("PUT /%s/registrations/%s/register?api-version=2021-06-01 HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                   "Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (scope, name, host, len(body), body))
        client = ["openssl", "s_client", "-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2", "-connect",
                  "%s:%s" % (host, port or 443), "-CAfile", str(factory.endpoint["ca"]), "-verify_return_error", "-quiet", "-ign_eof",
                  "-cert", str(factory.device_file(serial, "leaf.pem")), "-cert_chain", str(factory.device_file(serial, "chain.pem")),
                  "-key", uri]
        done = subprocess.run(["dbus-run-session", "--", "sh", "-c", RESOURCE_MANAGER, "sh", str(tpm), *client], input=request,
                              capture_output=True, text=True, timeout=60, env=factory.env(LD_PRELOAD=""))
        return name, done.stdout + done.stderr

    def test_restarted_devices_register_without_the_station(self):
        for slot, serial in zip(self.slots, ("SIM0001", "SIM0002")):
            self.assertEqual(slot["verdict"], "PASS", slot)
            with self.factory.swtpm(serial) as tpm:
                name, answer = self.register(serial, tpm)
            self.assertEqual(name, slot["registration_id"])
            self.assertRegex(answer, r"HTTP/1\.1 20[02]", answer)
            self.assertIn(name, answer)

    def test_each_stands_in_the_hub_that_the_station_said(self):
        for slot in self.slots:
            device = self.factory.hub_device(slot["hub"], slot["device_id"])
            self.assertEqual(device["deviceId"], slot["registration_id"])
            self.assertEqual(device["authentication"]["type"], "selfSigned")


if __name__ == "__main__":
    unittest.main(verbosity=2)
