#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A third driver, written in a test's own folder with its one line, passes conformance and enrolls a unit with no other file touched.

The line is the option extra_drivers of a build of its own, which is kept in the build directory for the next time.
"""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "sim"))
from factory import Factory  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ["STATION_BUILD"]).resolve()
OWN = BUILD / "tests" / "with_third_driver"
LINE = "-Dextra_drivers=tests/drivers/third/third.c"


def run(*words):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit("%s: exit status %d" % (words[0], done.returncode))
    return done.stdout


if not (OWN / "build.ninja").exists():
    run("meson", "setup", "--buildtype=debug", LINE, OWN, SOURCE)
run("ninja", "-j2", "-C", OWN, "tests/drivers/conformance", "station/cmd/station")
for mode in ("bare", "wrapped"):
    said = run(sys.executable, SOURCE / "tests/drivers/run_conformance.py", OWN / "tests/drivers/conformance", mode, "third")
    print(said)
    if "third, " + mode not in said:
        sys.exit("the third driver was not run")

with Factory(devices=1, slots=1, profile="driver = third", station=OWN / "station/cmd/station") as factory:
    line = factory.start_line()
    factory.plug("SIM0001", 1)
    slot = line.wait_verdict("01")
    print(slot)
    if (slot["verdict"], factory.report()["units"][0]["registration_id"]) != ("PASS", factory.leaf_of("SIM0001")[0]):
        sys.exit("the third driver did not enroll the unit")
