#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, from nothing to devices that register by themselves: `./dev demo`.

Starts the emulated service, makes a CA and proves it there, and plugs simulated units into the station's slots: units with a TPM that
come as members of an enrollment group, units with a TPM that come by an entry of their own with its endorsement key, units without a TPM
behind a serial line that come by an entry of their own with their certificate; and one bad unit of each kind, and a twin, which must fail
with their own codes. Holds what the station says against what others saw. Everything stays in one directory, so doing it again meets
the same units: the good ones are recognised, the bad ones refused again. Then the CA's key in a token and in a TPM (keys.py). Exits 0 only
if nothing is short.
"""
import argparse
import collections
import os
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))

Kind = collections.namedtuple("Kind", "profile lines title")
KINDS = [
    Kind("gateway", "attestation = x509-group\n", "TPM, member of a group"),
    Kind("meter", "attestation = tpm\n", "TPM, entry by its endorsement key"),
    Kind("sensor", "driver = serial_csr\nattestation = x509-individual\n", "no TPM, entry by its certificate"),
]

Bad = collections.namedtuple("Bad", "serial profile code why knobs")
BAD = [
    Bad("ROGUE0001", "gateway", "E-ATT-004", "its TPM comes from a maker that nobody trusts", {}),
    Bad("NOCERT0001", "meter", "E-ATT-002", "its TPM has no certificate of its maker", {}),
    Bad("MUTE0001", "sensor", "E-ATT-009", "its key does not sign as it should", {"lie": "silent"}),
    Bad("TWIN0001", "sensor", "E-ID-002", "it says the serial number of another unit", {"serial_inside": "SER0001"}),
]


def arguments():
    parser = argparse.ArgumentParser(prog="./dev demo")
    parser.add_argument("--build", default="build")
    parser.add_argument("--dir", default="build/demo")
    parser.add_argument("--each", type=int, default=3, help="good units of each kind")
    parser.add_argument("--units", action="store_true", help="the first part alone")
    parser.add_argument("--console", action="store_true", help="watch it on the station's screen")
    return parser.parse_args()


def say(text):
    print(text, flush=True)


def slots_of(each):
    """Slot → (serial, kind, bad unit or None): the good ones of each kind, then the bad ones."""
    slots, tpms = {}, 0
    for kind in KINDS:
        for n in range(1, each + 1):
            tpms += kind.profile != "sensor"
            serial = "SER%04d" % n if kind.profile == "sensor" else "SIM%04d" % tpms
            slots[len(slots) + 1] = (serial, kind, None)
    for bad in BAD:
        slots[len(slots) + 1] = (bad.serial, next(k for k in KINDS if k.profile == bad.profile), bad)
    return slots


def profiles_of(slots):
    return {kind.profile: (kind.lines, [n for n, (_, k, _) in slots.items() if k == kind]) for kind in KINDS}


def make_bad_units(factory):
    """They are made once: a second run meets the same."""
    if not (factory.tpms / "ROGUE0001").exists():
        factory.add_devices(1, prefix="ROGUE", rogue_vendor=True)
        factory.add_devices(1, prefix="NOCERT", no_cert=True)
        factory.add_serial(1, prefix="MUTE")
        factory.add_serial(1, prefix="TWIN")


def plug(factory, line, slots):
    """Plugs in the good ones, then the bad ones, and waits for all verdicts; gives the slots as they are then."""
    ends = {}
    for bad in (False, True):
        batch = [n for n, unit in slots.items() if bool(unit[2]) == bad]
        for n in batch:
            serial, _, unit = slots[n]
            for name, value in (unit.knobs if unit else {}).items():
                factory.knob(serial, name, value)
            factory.plug(serial, n)
        ends.update({n: line.wait_verdict("%02d" % n, 180) for n in batch})
    return ends


def pull(factory, line, slots):
    for n, (serial, _, _) in slots.items():
        factory.unplug(serial)
        line.wait_empty("%02d" % n)


def show(slots, ends, stages):
    say("%-5s %-11s %-34s %-53s %-13s %-10s %s" %
        ("slot", "serial", "kind", "registration id", "verdict", "code", "milliseconds by stage"))
    for n, (serial, kind, bad) in slots.items():
        end = ends[n]
        times = " ".join("%s %d" % (name, end["times"][name]) for name in stages if name in end["times"])
        verdict = end["verdict"] + (" (known)" if end["recognised"] else "")
        say("%-5s %-11s %-34s %-53s %-13s %-10s %s" %
            (end["name"], serial, kind.title, end["registration_id"], verdict, end["code"], bad.why if bad else times))


def entry_is_right(factory, kind, end):
    """A group's member has no entry of its own; the others have one, of their kind, made once."""
    entry = factory.ask_service("GET", "/enrollments/" + end["registration_id"])
    made = factory.counts()["ids"].get("enrollments/" + end["registration_id"], {}).get("created", 0)
    wanted = {"gateway": None, "meter": "tpm", "sensor": "x509"}[kind.profile]
    return (entry and entry["attestation"]["type"]) == wanted and made <= 1


def disagreements(factory, slots, ends):
    """What the ledger, the service's own record, and the devices' own storage say of the same units."""
    wrong = []
    ledger = {u["serial"]: u for u in factory.report()["units"]}
    asked = {r.get("registrationId") for r in factory.requests() if r.get("plane") == "device" and r.get("status") in (200, 202)}
    for n, (serial, kind, bad) in slots.items():
        end = ends[n]
        if bad:
            ok = end["verdict"] in ("FAIL", "HOLD") and end["code"] == bad.code and not end["registration_id"]
            wrong += [] if ok else ["%s: %s %s, should end with %s" % (serial, end["verdict"], end["code"], bad.code)]
            continue
        unit = ledger.get(serial, {})
        checks = {
            "verdict %s %s" % (end["verdict"], end["code"]): end["verdict"] == "PASS",
            "the ledger's id": unit.get("registration_id") == end["registration_id"],
            "the ledger's hub": unit.get("hub") == end["hub"] and bool(end["hub"]),
            "the service's record": end["registration_id"] in asked,
            "the service's entry": entry_is_right(factory, kind, end),
            "the hub's registry": factory.hub_device(end["hub"], end["device_id"])["deviceId"] == end["registration_id"],
        }
        if kind.profile != "meter":     # a unit that comes by its endorsement key has no certificate
            name, digest = factory.leaf_of(serial)
            checks["the certificate's name"] = name == end["registration_id"]
            checks["the certificate's hash"] = digest == unit.get("leaf_sha256")
        wrong += ["%s: %s" % (serial, what) for what, ok in checks.items() if not ok]
    return wrong


def console(factory):
    """The screen, in this terminal; ends when its reader quits it."""
    subprocess.run([factory.station, "console", "--config", str(factory.config)], check=False)


def main():
    args = arguments()
    os.environ["STATION_BUILD"] = args.build
    import keys
    from factory import Factory
    slots = slots_of(args.each)
    good = sum(1 for unit in slots.values() if not unit[2])
    say("demo: the emulated service, a CA of our own, %d good units of %d kinds, and %d bad ones (%s)" %
        (good, len(KINDS), len(BAD), args.dir))
    with Factory(devices=2 * args.each, serial=args.each, slots=len(slots) - args.each, place=args.dir,
                 profiles=profiles_of(slots)) as factory:
        make_bad_units(factory)
        line = factory.start_line()
        screen = threading.Thread(target=console, args=(factory,)) if args.console else None
        if screen:
            screen.start()
        ends = plug(factory, line, slots)
        if screen:
            screen.join()   # the units stay until the reader leaves the screen
        pull(factory, line, slots)
        status = line.stop()
        show(slots, ends, factory.stages())
        wrong = disagreements(factory, slots, ends)
        if status != 0:
            wrong.append("the line ended with %d" % status)
        checkpoint = factory.dir / "state/results" / (ends[1]["registration_id"] + ".json")
        say("\naudit log, held against the checkpoint in %s:" % checkpoint)
        say(factory.audit_verify("--checkpoint", checkpoint, "--vkey", factory.dir / "ca/log.vkey"))
    if not args.console and not args.units:
        wrong += keys.on_a_token() + keys.in_the_tpm()
    for what in wrong:
        say("SHORT: " + what)
    say("\ndemo: %d of %d good units enrolled and proved, %d of %d bad ones refused with their own code" %
        (sum(ends[n]["verdict"] == "PASS" for n, unit in slots.items() if not unit[2]), good,
         sum(ends[n]["code"] == unit[2].code for n, unit in slots.items() if unit[2]), len(BAD)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
