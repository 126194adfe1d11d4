#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every benchmark that is built: one line per measurement, with its ratio to the limit of the same run.

    bench.py --build DIR [--json] [--full] [NAME…]

A benchmark is a program DIR/tests/bench/bench_NAME that speaks as tests/bench/bench.h says; where a run_bench_NAME.py stands beside
this file, that starts it (with the devices that it needs). They run one after another; with NAMEs only those. With --json each
measurement is the JSON object as the benchmark gave it. --full is passed on: the sizes that are too long or too big for every day,
ten million entries and a million leaves. Status: 0; 1 if a ratio is more than 10 % below its floor, or a benchmark fails or measures
nothing.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MARGIN = 0.9  # of the floor; bench.c has the same
LIMIT_S = 600  # of one benchmark
LIMIT_FULL_S = 3600


class Failed(Exception):
    pass


def programs(build, names):
    found = sorted(p for p in (build / "tests" / "bench").glob("bench_*") if p.is_file() and os.access(p, os.X_OK))
    if not found:
        raise Failed(f"no benchmarks in {build}/tests/bench")
    unknown = [name for name in names if f"bench_{name}" not in [p.name for p in found]]
    if unknown:
        raise Failed(f"no benchmark {unknown[0]}")
    return [p for p in found if not names or p.name[len("bench_"):] in names]


def measurement(line):
    """One line of a benchmark, checked, since a figure that is missing must not pass for a good one."""
    try:
        m = json.loads(line)
        texts = all(isinstance(m[key], str) for key in ("name", "unit", "against"))
        figures = all(isinstance(m[key], (int, float)) and m[key] > 0 for key in ("own", "limit", "ratio"))
        floor = m["floor"] is None or (isinstance(m["floor"], (int, float)) and m["floor"] > 0)
    except (ValueError, KeyError, TypeError):
        texts = figures = floor = False
    if not (texts and figures and floor):
        raise Failed(f"no measurement: {line!r}")
    return m


def run(program, build, full):
    """The measurements of one program. Its own status says the same as the ratios, or that it could not measure."""
    starter = HERE / f"run_{program.name}.py"
    command = ([sys.executable, str(starter)] if starter.exists() else []) + [str(program), "--json"] + ["--full"] * full
    env = dict(os.environ, STATION_BUILD=str(build))
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, env=env, cwd=build, timeout=LIMIT_FULL_S if full else LIMIT_S, text=True, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Failed(str(e)) from e
    found = [measurement(line) for line in done.stdout.splitlines()]
    if not found:
        raise Failed(f"measured nothing, status {done.returncode}")
    if done.returncode != 0 and not any(is_low(m) for m in found):
        raise Failed(f"status {done.returncode}")
    return found


def is_low(m):
    return m["floor"] is not None and m["ratio"] < MARGIN * m["floor"]


def columns(m):
    floor = "-" if m["floor"] is None else "%.2f" % m["floor"]
    return "%-22s %11.6g %-13s limit %11.6g (%s)  ratio %.3f  floor %s%s" % (
        m["name"], m["own"], m["unit"], m["limit"], m["against"], m["ratio"], floor, "  TOO LOW" if is_low(m) else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    build, good = args.build.resolve(), True
    try:
        to_run = programs(build, args.names)
    except Failed as e:
        sys.exit(f"bench.py: {e}")
    for program in to_run:
        try:
            for m in run(program, build, args.full):
                print(json.dumps(m, separators=(",", ":")) if args.json else columns(m), flush=True)
                good = good and not is_low(m)
        except Failed as e:
            print(f"bench.py: {program.name}: {e}", file=sys.stderr)
            good = False
    sys.exit(0 if good else 1)


main()
