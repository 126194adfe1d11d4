#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, from nothing to devices that register by themselves: `./dev demo`.

Starts the emulated service, makes a CA and proves it there, plugs 8 simulated TPM devices into the station's slots, waits until
each is enrolled and proved, unplugs them, and holds what the station says against what others saw. Everything stays in one
directory, so doing it again meets the same devices, which are recognised. Exits 0 only if nothing is short.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))


def arguments():
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--build", default="build")
    parser.add_argument("--dir", default="build/demo")
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--console", action="store_true", help="watch it on the station's screen")
    return parser.parse_args()


def say(text):
    print(text, flush=True)


def plug(factory, line, count):
    """Plugs all in and waits for all verdicts; gives the slots as they are then."""
    for n in range(1, count + 1):
        factory.plug("SIM%04d" % n, n)
    return [line.wait_verdict("%02d" % n, 180) for n in range(1, count + 1)]


def pull(factory, line, count):
    for n in range(1, count + 1):
        factory.unplug("SIM%04d" % n)
        line.wait_empty("%02d" % n)


def show(slots, stages):
    say("%-5s %-9s %-53s %-24s %-14s %s" % ("slot", "serial", "registration id", "hub", "verdict", "milliseconds by stage"))
    for slot in slots:
        times = " ".join("%s %d" % (name, slot["times"][name]) for name in stages if name in slot["times"])
        verdict = slot["verdict"] + (" (known)" if slot["recognised"] else "")
        say("%-5s %-9s %-53s %-24s %-14s %s" % (slot["name"], slot["serial"], slot["registration_id"], slot["hub"], verdict, times))


def disagreements(factory, slots):
    """What the ledger, the service's own record, and the devices' own storage say of the same devices."""
    wrong = []
    ledger = {u["serial"]: u for u in factory.report()["units"]}
    asked = {r.get("registrationId") for r in factory.requests() if r.get("plane") == "device" and r.get("status") in (200, 202)}
    for slot in slots:
        name, digest = factory.leaf_of(slot["serial"])
        unit = ledger.get(slot["serial"], {})
        checks = {
            "verdict %s" % slot["verdict"]: slot["verdict"] == "PASS",
            "the ledger's id": unit.get("registration_id") == slot["registration_id"],
            "the ledger's hub": unit.get("hub") == slot["hub"] and bool(slot["hub"]),
            "the certificate's name": name == slot["registration_id"],
            "the certificate's hash": digest == unit.get("leaf_sha256"),
            "the service's record": slot["registration_id"] in asked,
            "the hub's registry": factory.hub_device(slot["hub"], slot["device_id"])["deviceId"] == slot["registration_id"],
        }
        wrong += ["%s: %s" % (slot["serial"], what) for what, ok in checks.items() if not ok]
    return wrong


def console(factory):
    """The screen, in this terminal; ends when its reader quits it."""
    subprocess.run([factory.station, "console", "--config", str(factory.config)], check=False)


def main():
    args = arguments()
    os.environ["STATION_BUILD"] = args.build
    from factory import Factory
    say("demo: the emulated service, a CA of our own, and %d TPM devices (%s)" % (args.devices, args.dir))
    with Factory(devices=args.devices, place=args.dir) as factory:
        line = factory.start_line()
        screen = threading.Thread(target=console, args=(factory,)) if args.console else None
        if screen:
            screen.start()
        slots = plug(factory, line, args.devices)
        if screen:
            screen.join()   # the units stay until the reader leaves the screen
        pull(factory, line, args.devices)
        status = line.stop()
        show(slots, factory.stages())
        wrong = disagreements(factory, slots)
        if status != 0:
            wrong.append("the line ended with %d" % status)
        checkpoint = factory.dir / "state/results" / (slots[0]["registration_id"] + ".json")
        say("\naudit log, held against the checkpoint in %s:" % checkpoint)
        say(factory.audit_verify("--checkpoint", checkpoint, "--vkey", factory.dir / "ca/log.vkey"))
    for what in wrong:
        say("SHORT: " + what)
    say("demo: %d of %d devices enrolled and proved" % (sum(s["verdict"] == "PASS" for s in slots), args.devices))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
