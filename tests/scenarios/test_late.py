#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device that the kernel has announced and not yet configured: for that moment it has no interfaces, so nothing fits it."""
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402

CONFIGURED_MS = 5000    # drivers/usb.c waits as long


class Late(unittest.TestCase):
    """Each test has a unit in slot 01 that is there when the line starts, and stays without a configuration."""

    def setUp(self):
        self.factory = Factory(devices=1)
        self.addCleanup(self.factory.close)
        self.factory.plug("SIM0001", 1)
        sysfs = pathlib.Path(self.factory.env()["UMOCKDEV_DIR"]) / "sys/bus/usb/devices" / self.factory.port_path(1)
        self.value = wait_until(lambda: (sysfs / "bConfigurationValue").exists() and sysfs / "bConfigurationValue", 10, "sysfs")
        self.text = self.value.read_text()
        self.value.write_text("")       # as the kernel's own reads before it has chosen one
        self.line = self.factory.start_line()

    def test_device_is_waited_for_until_the_kernel_has_configured_it(self):
        self.assertEqual([s for s in self.line.slots("01") if s["present"]], [])
        self.value.write_text(self.text)
        self.assertEqual(self.line.wait_verdict("01")["verdict"], "PASS")

    def test_device_that_is_never_configured_is_shown_as_one_without_a_driver(self):
        start = time.monotonic()
        slot = self.line.wait_verdict("01")
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-USB-009"), slot)
        self.assertGreater(time.monotonic() - start, CONFIGURED_MS / 1000 / 2)

    def test_device_that_leaves_before_it_is_configured_was_never_there(self):
        self.factory.unplug("SIM0001")
        time.sleep(CONFIGURED_MS / 1000 + 0.5)
        self.assertEqual([s for s in self.line.slots("01") if s["present"]], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
