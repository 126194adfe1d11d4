#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test_usb on a bench, and tests what only shows from outside a program."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from sim import Bench, BenchError, built  # noqa: E402

PROGRAM = "tests/sim/device/test/test_usb"


class UsbBench(unittest.TestCase):
    def test_a_libusb_program_finds_a_device_as_the_page_describes_it(self):
        with Bench(devices=2) as bench:
            status, output = bench.run([built(PROGRAM), bench.control], timeout_s=60)
            self.assertEqual(status, 0, output)
            counts = bench.stats("SIM0001")
            self.assertEqual(counts["BUNDLE_COMMIT"], 1)
            self.assertEqual(counts["power_cuts"], 1)
            self.assertGreater(counts["tpm.GetRandom"], 20)
            self.assertEqual(bench.bus.stop(), 0, bench.bus.output)
            self.assertEqual(bench.bus.output, "")

    def test_port_is_found_at_the_path_that_the_bench_names(self):
        with Bench(devices=2, ports=24) as bench:
            bench.plug("SIM0001", 11)
            self.assertEqual(bench.list()["SIM0001"]["path"], Bench.port_path(11))
            status, output = bench.run(["ls", "/sys/bus/usb/devices"])
            self.assertIn(Bench.port_path(11), output.split())
            with self.assertRaises(BenchError):
                bench.plug("SIM0002", 11)
            with self.assertRaises(BenchError):
                bench.plug("SIM0002", 25)

    def test_device_numbers_go_up_and_come_round(self):
        with Bench(devices=1, ports=8) as bench:
            seen = []
            for _ in range(130):
                bench.plug("SIM0001", 1)
                seen.append(int((pathlib.Path(bench._bus_env["UMOCKDEV_DIR"])
                                 / "sys/bus/usb/devices/1-1.1/devnum").read_text()))
                bench.unplug("SIM0001")
            self.assertEqual(seen[:3], [3, 4, 5])
            self.assertEqual(max(seen), 127)
            self.assertEqual(seen[125:127], [3, 4])


if __name__ == "__main__":
    unittest.main(verbosity=2)
