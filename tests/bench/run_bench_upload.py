#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs bench_upload against three emulated services: run_bench_upload.py PROGRAM [--json]

One answers as fast as it can, one after 50 ms, one takes OPERATIONS a minute and fails by chance once in a hundred. Of the last one's own
record comes one more line: how many of its calls were not answered 429."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from sim import Bench, built, wait_until  # noqa: E402

OPERATIONS = 6000   # in the published minute, six times as many as published, so that a minute has enough of them


def service(bench, name, *words):
    """Starts one and gives a directory that says where it is."""
    place = bench.dir / name
    place.mkdir()
    (place / "rules").write_text(json.dumps([{"do": {"latency_ms": 50}}] if name == "slow" else []))
    process = bench.popen([built("tests/sim/dps/dps-emulator"), "--state", place, "--rules", place / "rules", *words], name)
    wait_until(lambda: (place / "endpoint.json").exists() or not process.running, 20, name)
    endpoint = json.loads((place / "endpoint.json").read_text())
    (place / "endpoint").write_text(endpoint["url"].replace("//localhost:", "//127.0.0.1:"))
    (place / "ca").write_bytes(pathlib.Path(endpoint["ca"]).read_bytes())
    connection = place / "connection"
    connection.touch(mode=0o600)
    connection.write_text(endpoint["serviceConnectionString"].replace("HostName=localhost", "HostName=127.0.0.1"))
    return place, process


def calls(place):
    """Of the service plane, and how many of them were answered 429."""
    asked = [json.loads(line) for line in (place / "requests.jsonl").read_text().splitlines()]
    return len(asked), sum(r["status"] == 429 for r in asked)


with Bench(devices=1, usb=False) as bench:
    places = [service(bench, "plain")[0], service(bench, "slow")[0]]
    throttled, process = service(bench, "throttled", "--throttle", "--throttle-operations", OPERATIONS, "--fault-rate", "0.01")
    status = subprocess.run([str(pathlib.Path(sys.argv[1]).resolve()), *places, throttled, str(OPERATIONS), *sys.argv[2:]], cwd=bench.dir,
                            timeout=3600 if "--full" in sys.argv else 280).returncode
    process.stop()
    if status not in (0, 1):
        sys.exit(status)
    total, refused = calls(throttled)
    figure = {"name": "upload.not_429", "own": total - refused, "unit": "calls", "against": "all calls", "limit": total,
              "ratio": round((total - refused) / total, 3), "floor": 0.99}
    print(json.dumps(figure, separators=(",", ":")) if "--json" in sys.argv else "%(name)-28s %(own)12g %(unit)-12s limit %(limit)12g "
          "(%(against)s)  ratio %(ratio).3f  floor %(floor).2f" % figure)
    if status == 0 and figure["ratio"] < 0.9 * figure["floor"]:
        status = 1
sys.exit(status)
