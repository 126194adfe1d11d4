#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs bench_ek on 8 manufactured software TPMs: run_bench_ek.py PROGRAM [--json]"""
import contextlib
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from sim import Bench  # noqa: E402

with Bench(devices=8, usb=False) as bench, contextlib.ExitStack() as stack:
    sockets = [str(stack.enter_context(bench.swtpm("SIM%04d" % n))) for n in range(1, 9)]
    status = subprocess.run([sys.argv[1]] + sockets + sys.argv[2:], timeout=240).returncode
sys.exit(status)
