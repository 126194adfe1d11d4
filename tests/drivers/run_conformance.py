#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance test of drivers on a bench with a good unit of each kind, and units without EK and with a foreign one.

    run_conformance.py PROGRAM bare|wrapped [DRIVER...]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from sim import Bench  # noqa: E402

with Bench(devices=1, serial=1, ports=8) as bench:
    bench.add_devices(1, "NOEK", no_ek=True)
    bench.add_devices(2, "FORE", foreign_ek=True)
    status, output = bench.run([sys.argv[1], bench.dir] + sys.argv[2:], timeout_s=170)
    print(output)
    if bench.bus.output:
        print("the devices said:", bench.bus.output)
sys.exit(status)
