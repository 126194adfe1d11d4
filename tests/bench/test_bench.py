#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py says no when a benchmark is too slow or cannot say how fast it is. Programs of these tests stand where benchmarks
are built."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(__file__).resolve().parent / "bench.py"


def line(ratio, floor, name="x.y"):
    return json.dumps({"name": name, "own": 100 * ratio, "unit": "things/s", "against": "nothing", "limit": 100, "ratio": ratio,
                       "floor": floor})


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.bench = pathlib.Path(self.dir.name) / "tests" / "bench"
        self.bench.mkdir(parents=True)

    def program(self, name, *lines, status=0):
        """A benchmark that prints these lines, if it is asked for JSON, and ends so."""
        path = self.bench / name
        text = "".join("echo '%s'\n" % x for x in lines)
        path.write_text('#!/bin/sh\n[ "$*" = --json ] || exit 9\n%sexit %d\n' % (text, status), encoding="utf-8")
        path.chmod(0o755)

    def run_bench(self, *args):
        return subprocess.run([sys.executable, str(BENCH), "--build", self.dir.name, *args], capture_output=True, text=True,
                              check=False)

    def test_a_ratio_above_its_floor_passes(self):
        self.program("bench_x", line(0.81, 0.8))
        self.assertEqual(self.run_bench().returncode, 0)

    def test_a_ratio_within_a_tenth_of_its_floor_passes(self):
        self.program("bench_x", line(0.73, 0.8))
        self.assertEqual(self.run_bench().returncode, 0)

    def test_a_ratio_more_than_a_tenth_below_its_floor_fails(self):
        self.program("bench_x", line(0.71, 0.8), status=1)
        done = self.run_bench()
        self.assertEqual(done.returncode, 1)
        self.assertIn("TOO LOW", done.stdout)

    def test_a_low_ratio_fails_even_if_its_program_says_nothing(self):
        self.program("bench_x", line(0.71, 0.8), status=0)
        self.assertEqual(self.run_bench("--json").returncode, 1)

    def test_a_low_ratio_is_not_hidden_by_good_ones_after_it(self):
        self.program("bench_a", line(0.2, 0.8, "a.low"), line(0.9, 0.8, "a.good"), status=1)
        self.program("bench_b", line(0.9, 0.8, "b.good"))
        done = self.run_bench()
        self.assertEqual(done.returncode, 1)
        self.assertEqual([x.split()[0] for x in done.stdout.splitlines()], ["a.low", "a.good", "b.good"])

    def test_a_measurement_without_floor_passes(self):
        self.program("bench_x", line(0.1, None))
        self.assertEqual(self.run_bench().returncode, 0)

    def test_json_lines_are_measurements(self):
        self.program("bench_x", line(0.81, 0.8), line(0.5, None, "x.z"))
        done = self.run_bench("--json")
        self.assertEqual([json.loads(x)["name"] for x in done.stdout.splitlines()], ["x.y", "x.z"])
        self.assertEqual(json.loads(done.stdout.splitlines()[0]), json.loads(line(0.81, 0.8)))

    def test_a_program_that_measures_nothing_fails(self):
        self.program("bench_x")
        self.assertEqual(self.run_bench().returncode, 1)

    def test_a_program_that_fails_after_good_figures_fails(self):
        self.program("bench_x", line(0.9, 0.8), status=2)
        self.assertEqual(self.run_bench().returncode, 1)

    def test_a_line_that_is_no_measurement_fails(self):
        for bad in ("hello", "{}", "[]", line(0.9, 0.8).replace("0.9", "NaN"), line(0.9, 0.8).replace('"floor"', '"flour"')):
            self.program("bench_x", bad)
            self.assertEqual(self.run_bench().returncode, 1, bad)

    def test_only_what_is_named_is_run(self):
        self.program("bench_a", line(0.9, 0.8, "a.good"))
        self.program("bench_b", line(0.9, 0.8, "b.good"))
        self.assertEqual([x.split()[0] for x in self.run_bench("b").stdout.splitlines()], ["b.good"])
        self.assertEqual(self.run_bench("b", "c").returncode, 1)

    def test_the_long_form_is_passed_on(self):
        path = self.bench / "bench_x"
        path.write_text('#!/bin/sh\n[ "$*" = "--json --full" ] || exit 9\necho \'%s\'\n' % line(0.9, 0.8), encoding="utf-8")
        path.chmod(0o755)
        self.assertEqual(self.run_bench("--full").returncode, 0)
        self.assertEqual(self.run_bench().returncode, 1)

    def test_a_build_without_benchmarks_fails(self):
        self.assertEqual(self.run_bench().returncode, 1)


if __name__ == "__main__":
    unittest.main()
