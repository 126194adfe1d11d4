#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shipped station on a real kernel's USB stack: Debian's kernel in QEMU, devices behind usb-redir, udev, the emulated service.

usbcore, xhci, usbfs, netlink and udev are real; the devices' firmware and the controller's silicon are not (docs/testing.md).
    hil.py [--build DIR] [--short]
"""
import argparse
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
ip link set lo up
for m in usb_common usb-common usbcore xhci_hcd xhci-hcd xhci_pci xhci-pci; do [ -e /lib/modules/$m.ko ] && insmod /lib/modules/$m.ko; done
/bin/systemd-udevd --daemon; udevadm trigger; udevadm settle
/bin/dps-emulator --listen 127.0.0.1:{port} --state {place}/dps --polls 0 >/dev/ttyS0 2>&1 &
until [ -e {place}/dps/endpoint.json ]; do sleep 0.1; done
/bin/station devices
/bin/station run --config {place}/line.conf --json
/bin/station audit verify --config {place}/line.conf
/bin/station report --config {place}/line.conf --json
echo GUEST-DONE
poweroff -f
"""


class Guest:
    """A factory whose line runs in a virtual machine. The engineer's part is done outside, before it boots."""

    def __init__(self, build, devices):
        from factory import Factory
        from guest import Machine, Root, kernel
        self.devices = devices
        self.factory = Factory(devices=devices, usb=False)
        place = self.factory.dir
        port = self.factory.endpoint["url"].rsplit(":", 1)[1]
        self.factory.dps.stop()
        (place / "dps/endpoint.json").unlink(missing_ok=True)
        vmlinux, modules = kernel(pathlib.Path(build) / "hil")
        root = Root(place / "root")
        root.add_system(modules)
        root.add_program(self.factory.station, "/bin/station")
        root.add_program(self.factory.built("tests/sim/dps/dps-emulator"), "/bin/dps-emulator")
        (root.place / "bin/systemd-udevd").symlink_to("udevadm")
        for name in ("ca", "dps", "secrets", "vendor"):
            root.add_tree(place / name, place / name)
        root.write(place / "line.conf", self.factory.config.read_text().replace("0000:00:14.0-usb-0:1.", "0000:00:10.0-usb-0:"))
        root.write("/init", INIT.format(port=port, place=place), 0o755)
        root.pack(place / "initrd.img")
        (place / "sockets").mkdir()
        self.start_devices()
        self.machine = Machine(vmlinux, place / "initrd.img", place / "sockets", devices, place / "console.log")

    def start_devices(self):
        self.server = self.factory._start([self.factory.built("tests/sim/device/sim-devices-redir"), "--tpms", self.factory.tpms,
                                           "--sockets", self.factory.dir / "sockets", "--control", self.factory.control], "redir",
                                          dict(os.environ))
        self.server.wait_for_output("ready", 20)

    def close(self):
        self.machine.kill()
        self.factory.close()

    def events(self):
        found = []
        for line in self.machine.output.splitlines():
            if line.startswith('{"') and line.endswith("}"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    pass
        return found

    def slots(self, name):
        return [e["slot"] for e in self.events() if e.get("event") == "slot" and e["slot"]["name"] == name]

    def wait(self, look, timeout_s, what):
        from factory import BenchError, wait_until

        def alive():
            value = look()
            if not value and self.machine.process.poll() is not None:
                raise BenchError("the machine ended before %s:\n%s" % (what, self.machine.output[-4000:]))
            return value
        try:
            return wait_until(alive, timeout_s, what, 0.1)
        except BenchError as e:
            raise BenchError("%s\n%s" % (e, self.machine.output[-4000:])) from None

    def wait_ready(self):
        self.wait(lambda: any(e.get("event") == "line" and e["line"]["state"] == "ready" for e in self.events()), 120, "line ready")

    def wait_verdict(self, name, nth=1, timeout_s=120):
        def look():
            done, before = [], None
            for slot in self.slots(name):
                if slot["verdict"] and not before:
                    done.append(slot)
                before = slot["verdict"]
            return done[nth - 1] if len(done) >= nth else None
        return self.wait(look, timeout_s, "verdict %d in slot %s" % (nth, name))


class RealKernel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guest = Guest(ARGS.build, 2 if ARGS.short else 8)
        cls.guest.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.guest.close()

    def test_1_devices_on_a_real_bus_pass(self):
        guest = self.guest
        for n in range(1, guest.devices + 1):
            guest.factory.plug("SIM%04d" % n, n)
        for n in range(1, guest.devices + 1):
            slot = guest.wait_verdict("%02d" % n)
            self.assertEqual(slot["verdict"], "PASS", slot)
            name, _ = guest.factory.leaf_of("SIM%04d" % n)
            self.assertEqual(name, slot["registration_id"])

    def test_2_a_unit_that_was_done_is_recognised_after_a_replug(self):
        guest = self.guest
        guest.factory.unplug("SIM0001")
        guest.wait(lambda: guest.slots("01")[-1]["state"] == "empty", 30, "slot 01 empty")
        guest.factory.plug("SIM0001", 1)
        slot = guest.wait_verdict("01", nth=2)
        self.assertEqual((slot["verdict"], slot["recognised"]), ("PASS", True))

    def test_3_a_unit_pulled_in_mid_work_is_held_and_finished_by_a_replug(self):
        guest = self.guest
        if ARGS.short:
            self.skipTest("only in the long run")
        guest.factory.unplug("SIM0002")
        guest.wait(lambda: guest.slots("02")[-1]["state"] == "empty", 30, "slot 02 empty")
        guest.factory.add_devices(1, "NEW")
        guest.factory.knob("NEW0001", "delay_ms", 300)
        guest.factory.plug("NEW0001", 2)
        guest.wait(lambda: guest.slots("02")[-1]["stage"] == "read-key", 30, "read-key")
        guest.factory.unplug("NEW0001")
        slot = guest.wait_verdict("02", nth=2)
        self.assertEqual((slot["verdict"], slot["code"]), ("HOLD", "E-USB-002"))
        guest.factory.knob("NEW0001", "delay_ms", 0)
        guest.factory.plug("NEW0001", 2)
        self.assertEqual(guest.wait_verdict("02", nth=3)["verdict"], "PASS")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--short", action="store_true", help="one boot with two devices")
    ARGS, rest = parser.parse_known_args()
    ARGS.build = os.path.abspath(ARGS.build)
    os.environ["STATION_BUILD"] = ARGS.build
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
