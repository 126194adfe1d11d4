#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shipped station on a real kernel's USB stack: Debian's kernel in QEMU, devices behind usb-redir, udev, the service.

usbcore, xhci, usbfs, netlink and udev are real; the devices' firmware and the controller's silicon are not (docs/testing.md).
    hil.py [--build DIR] [--short] [--pcap]
"""
import argparse
import json
import os
import pathlib
import random
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

CONTROLLER = "pci-0000:00:10.0-usb-0:"
SLOW_MS = 300       # per frame
PULLED_MS = 120
PULLS = 24
SERIALS = 2     # units without a TPM, behind the kernel's cdc_acm
DROP_PRIVILEGES = 0x4004551e    # USBDEVFS_DROP_PRIVILEGES of <linux/usbdevice_fs.h>

# The kernel's own record of what the station's children ask for, and of what it answers.
TRACE = """cd /sys/kernel/tracing/events/syscalls && \
echo 'comm == "st-driver"' >sys_exit_ioctl/filter && echo 'cmd == 0x%x' >sys_enter_ioctl/filter && \
for name in sys_enter_ioctl sys_exit_ioctl sys_exit_landlock_restrict_self; do echo 1 >$name/enable; done""" % DROP_PRIVILEGES
# "process call answer"; of the answers to ioctl only the one that follows the question, in the same process.
TRACED = """awk '/cmd: %x/ { asked[$1] = 1; next } /sys_ioctl ->/ && !asked[$1] { next } \
/->/ { print $1, $(NF - 2), $NF; asked[$1] = 0 }' /sys/kernel/tracing/trace""" % DROP_PRIVILEGES


class Guest:
    """A factory whose line runs in a virtual machine, one slot per device. The engineer's part is done before it boots."""

    def __init__(self, slots):
        from factory import Factory
        self.slots = slots
        self.serial = slots + 1     # the first port of a unit without a TPM, and its slot
        self.ports = slots + SERIALS + 1    # the last one is no slot
        self.factory = Factory(devices=slots + 1, slots=slots, usb=False, serial=SERIALS)
        self.place = self.factory.dir
        self.popen = self.shell = None

    def close(self):
        if self.shell:
            self.shell.close()
        self.factory.close()

    def boot(self, build, pcap):
        from guest import Root, Shell, kernel, machine_words
        from factory import wait_until
        port = self.factory.endpoint["url"].rsplit(":", 1)[1]
        self.factory.dps.stop()
        (self.place / "dps/endpoint.json").unlink()
        vmlinux, modules = kernel(build / "hil/kernel")
        self.fill(Root(self.place / "root", modules))
        self.start_devices()
        captures = build / "hil/pcap" if pcap else None
        if captures:
            captures.mkdir(parents=True, exist_ok=True)
        qemu = self.factory._start(machine_words(vmlinux, self.place / "initrd.img", self.place, self.ports, captures), "qemu",
                                   dict(os.environ))
        self.popen = qemu.popen
        self.wait(lambda: "GUEST-UP" in self.console, 180, "guest up")
        self.shell = Shell(self.place / "shell.sock")
        self.run(TRACE)
        self.run("dps-emulator --listen 127.0.0.1:%s --state %s/dps --polls 0 >/dev/ttyS0 2>&1 &" % (port, self.place))
        wait_until(lambda: self.shell.run("test -e %s/dps/endpoint.json" % self.place)[0] == 0, 60, "dps-emulator", 0.2)

    def fill(self, root):
        """The station and the service, with what the engineer has left for them."""
        root.add_program(self.factory.station, "/bin/station")
        root.add_program(self.factory.built("tests/sim/dps/dps-emulator"), "/bin/dps-emulator")
        for name in ("ca", "dps", "secrets", "vendor"):
            root.add_tree(self.place / name, self.place / name)
        config = self.factory.config.read_text()
        for n in range(1, self.ports):
            config = config.replace("port = %s\n" % self.factory.slot_port(n), "port = %s%d\n" % (CONTROLLER, n))
        root.write(self.factory.config, config)
        root.pack(self.place / "initrd.img")

    def start_devices(self):
        server = self.factory._start([self.factory.built("tests/sim/device/sim-devices-redir"), "--tpms", self.factory.tpms,
                                      "--sockets", self.place / "sockets", "--control", self.factory.control], "redir",
                                     dict(os.environ))
        server.wait_for_output("ready", 20)

    def start_line(self):
        from factory import Line
        self.run("station run --config %s --json >/dev/ttyS2 2>&1 & pid=$!" % self.factory.config)
        line = Line(self)
        line.wait_ready(180)
        return line

    def run(self, command, timeout_s=120):
        """A command in the guest, to its end; gives what it said."""
        status, said = self.shell.run(command, timeout_s)
        if status != 0:
            raise AssertionError("%s: exit status %d\n%s" % (command, status, said))
        return said

    def wait(self, look, timeout_s, what):
        from factory import BenchError, wait_until

        def alive():
            value = look()
            if not value and not self.running:
                raise BenchError("the machine ended before %s:\n%s" % (what, self.console[-4000:]))
            return value
        return wait_until(alive, timeout_s, what, 0.1)

    @property
    def console(self):
        path = self.place / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- what Line wants of a process: the one in the guest lives as long as the machine

    @property
    def running(self):
        return self.popen.poll() is None

    @property
    def output(self):
        return (self.place / "events.log").read_text(errors="replace")


class RealKernel(unittest.TestCase):
    """One boot and one line for the whole story; the tests are its chapters, in order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.guest = Guest(2 if ARGS.short else 8)
        cls.addClassCleanup(cls.guest.close)
        cls.factory = cls.guest.factory
        cls.guest.boot(ARGS.build, ARGS.pcap)
        cls.line = cls.guest.start_line()

    def wait_empty(self, name):
        self.line.wait_empty(name, 60)

    def verdict(self, name, nth=1):
        return self.line.wait_verdict(name, 180, nth)

    def test_1_devices_on_a_real_bus_pass_all_at_once(self):
        for n in range(1, self.guest.slots + 1):
            self.factory.plug("SIM%04d" % n, n)
        self.factory.plug("SIM%04d" % (self.guest.slots + 1), self.guest.ports)
        for n in range(1, self.guest.slots + 1):
            slot = self.verdict("%02d" % n)
            self.assertEqual(slot["verdict"], "PASS", slot)
            name, _ = self.factory.leaf_of("SIM%04d" % n)
            self.assertEqual(name, slot["registration_id"])
            self.assertEqual(slot["port"], "%s%d" % (CONTROLLER, n))

    def test_2_device_in_a_port_that_is_no_slot_is_shown_and_left_alone(self):
        serial = "SIM%04d" % (self.guest.slots + 1)
        self.line.wait(lambda: [e for e in self.line.events() if e["event"] == "device" and e["device"]["serial"] == serial],
                       60, "stray")
        self.assertEqual(self.factory.stats(serial)["frames"], 0)
        self.assertEqual([s for s in self.line.slots() if s["serial"] == serial], [])
        said = self.guest.run("station devices")
        self.assertRegex(said, r"port = %s%d .*%s" % (re.escape(CONTROLLER), self.guest.ports, serial))

    def test_3_unit_that_was_done_is_recognised_after_a_replug(self):
        self.factory.unplug("SIM0001")
        self.wait_empty("01")
        self.factory.plug("SIM0001", 1)
        slot = self.verdict("01", nth=2)
        self.assertEqual((slot["verdict"], slot["recognised"]), ("PASS", True), slot)

    def test_4_children_are_locked_in_while_they_work(self):
        self.factory.add_devices(1, "NEW")
        self.factory.knob("NEW0001", "delay_ms", SLOW_MS)
        self.factory.unplug("SIM0002")
        self.wait_empty("02")
        self.factory.plug("NEW0001", 2)
        self.line.wait(lambda: self.line.slots("02")[-1]["stage"] == "read-key", 60, "read-key")
        found = processes(self.guest.run("grep -HE '^(Name|Seccomp|NoNewPrivs|Threads):' /proc/[0-9]*/status"))
        for name in ("st-driver", "st-verifier", "st-signer"):
            locks = [(p["Seccomp"], p["NoNewPrivs"], p["Threads"]) for p in found if p["Name"] == name]
            self.assertEqual(locks, [("2", "1", "1")], name)

    def test_5_unit_pulled_in_mid_work_is_held_and_finished_by_a_replug(self):
        self.assertEqual(self.line.slots("02")[-1]["state"], "working")
        self.factory.unplug("NEW0001")
        slot = self.verdict("02", nth=2)
        self.assertEqual((slot["serial"], slot["verdict"], slot["code"]), ("NEW0001", "HOLD", "E-USB-002"), slot)
        self.factory.knob("NEW0001", "delay_ms", 0)
        self.factory.plug("NEW0001", 2)
        slot = self.verdict("02", nth=3)
        self.assertEqual((slot["serial"], slot["verdict"]), ("NEW0001", "PASS"), slot)

    def test_6_this_kernel_took_all_rights_that_the_children_gave_up(self):
        self.assertIn("landlock", self.guest.run("cat /sys/kernel/security/lsm").split(","))
        answers = {}
        for line in self.guest.run(TRACED).splitlines():
            process, call, answer = line.split()
            answers.setdefault((process.rsplit("-", 1)[0], call), []).append(answer)
        jobs = self.guest.slots + 3     # the first ones, a known unit, and one unit twice
        for process, call, times in (("st-driver", "sys_ioctl", jobs), ("st-driver", "sys_landlock_restrict_self", jobs),
                                     ("st-verifier", "sys_landlock_restrict_self", jobs),
                                     ("st-signer", "sys_landlock_restrict_self", 1)):
            self.assertEqual(answers.get((process, call)), ["0x0"] * times, (process, call))

    def test_7_units_pulled_again_and_again_at_any_moment_pass_in_the_end(self):
        if ARGS.short:
            self.skipTest("only in the long form")
        slots = range(1, self.guest.slots + 1)
        self.factory.unplug_all()
        self.factory.add_devices(len(slots), "ANY")
        for n in slots:
            self.wait_empty("%02d" % n)
            self.factory.knob("ANY%04d" % n, "delay_ms", PULLED_MS)
            self.factory.plug("ANY%04d" % n, n)
        chance = random.Random(PULLED_MS)
        for _ in range(PULLS):
            time.sleep(chance.uniform(0, 1))
            n = chance.choice(slots)
            self.factory.unplug("ANY%04d" % n)
            time.sleep(chance.choice((0, 0.05, 0.3)))
            self.factory.plug("ANY%04d" % n, n)
        held = [s for s in self.line.slots() if s["serial"].startswith("ANY") and s["verdict"] == "HOLD"]
        self.assertTrue(held, "no pull came at a moment that mattered")
        self.assertEqual({s["code"] for s in held}, {"E-USB-002"})
        for n in slots:
            self.line.wait(lambda n=n: passed(self.line.slots("%02d" % n)[-1], "ANY%04d" % n), 180, "PASS in slot %d" % n)

    def serial_unit(self, n):
        """Serial number, port and slot of the nth unit without a TPM."""
        port = self.guest.serial + n - 1
        return "SER%04d" % n, port, "%02d" % port

    def test_8_units_on_the_ttys_of_a_real_kernel_pass_on_bad_lines_too(self):
        bad = {2: {"noise": 300, "echo": 1, "loss": 10, "damage": 10, "boot_ms": 200}}
        for n in range(1, SERIALS + 1):
            serial, port, _ = self.serial_unit(n)
            for name, value in bad.get(n, {}).items():
                self.factory.knob(serial, name, value)
            self.factory.plug(serial, port)
        for n in range(1, SERIALS + 1):
            serial, port, name = self.serial_unit(n)
            slot = self.verdict(name)
            self.assertEqual((slot["serial"], slot["verdict"]), (serial, "PASS"), slot)
            self.assertEqual(self.factory.leaf_of(serial)[0], slot["registration_id"])
            self.assertGreater(self.factory.stats(serial)["resets"], 0)     # the kernel raised DTR
        self.assertIn("cdc_acm", self.guest.run("readlink /sys/class/tty/ttyACM0/device/driver"))

    def test_9a_serial_unit_pulled_in_mid_work_is_held_and_finished_by_a_replug(self):
        serial, port, name = self.serial_unit(1)
        self.factory.unplug(serial)
        self.wait_empty(name)
        self.factory.add_serial(1, "NEWTTY")
        self.factory.knob("NEWTTY0001", "delay_ms", SLOW_MS)
        self.factory.plug("NEWTTY0001", port)
        self.line.wait(lambda: self.line.slots(name)[-1]["stage"] == "attest", 60, "attest")
        self.factory.unplug("NEWTTY0001")
        slot = self.verdict(name, nth=2)
        self.assertEqual((slot["serial"], slot["verdict"], slot["code"]), ("NEWTTY0001", "HOLD", "E-USB-002"), slot)
        self.factory.knob("NEWTTY0001", "delay_ms", 0)
        self.factory.plug("NEWTTY0001", port)
        slot = self.verdict(name, nth=3)
        self.assertEqual((slot["serial"], slot["verdict"]), ("NEWTTY0001", "PASS"), slot)
        self.assertEqual(self.factory.stats("NEWTTY0001")["keys_made"], 1)

    def test_9b_ledger_is_whole_when_the_line_has_ended(self):
        units = json.loads(self.guest.run("station report --config %s --json" % self.factory.config))["units"]
        self.assertEqual(len(units), self.guest.slots + 1 + SERIALS + 1 + (0 if ARGS.short else self.guest.slots))
        self.assertTrue(all(unit["closed"] for unit in units), units)
        self.guest.run("kill -TERM $pid; wait $pid", 60)
        self.guest.run("station audit verify --config %s" % self.factory.config)


def passed(slot, serial):
    return (slot["serial"], slot["verdict"], slot["present"]) == (serial, "PASS", True)


def processes(said):
    """/proc/PID/status of several processes, as grep -H shows it: a dict for each."""
    found = {}
    for line in said.splitlines():
        path, key, value = line.split(":", 2)
        found.setdefault(path, {})[key] = value.strip()
    return found.values()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--short", action="store_true", help="two slots instead of eight")
    parser.add_argument("--pcap", action="store_true", help="leave usbmon captures in BUILD/hil/pcap")
    ARGS, rest = parser.parse_known_args()
    ARGS.build = pathlib.Path(ARGS.build).resolve()
    os.environ["STATION_BUILD"] = str(ARGS.build)
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
