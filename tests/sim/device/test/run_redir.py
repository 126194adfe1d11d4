#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test_redir against sim-devices-redir."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from sim import Bench, built  # noqa: E402


class RedirBench(unittest.TestCase):
    def test_a_usbredir_guest_finds_a_device_as_the_page_describes_it(self):
        with Bench(devices=1, usb=False) as bench:
            ports = bench.dir / "ports"
            server = bench.popen([built("tests/sim/device/sim-devices-redir"), "--tpms", bench.tpms, "--sockets", ports,
                                  "--control", bench.control, "--ports", "4"], "redir")
            server.wait_for_output("ready")
            status, output = bench.run([built("tests/sim/device/test/test_redir"), bench.control, ports])
            self.assertEqual(status, 0, output)
            self.assertEqual(server.stop(), 0, server.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
