#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares traffic that the emulated service kept (--record-traffic) with the OpenAPI files, both directions.

    check.py TRAFFIC...     directories or files; the exit status is 1 if anything breaks the contract
"""
import collections
import json
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from schema import answer_breaks, both_specs, find_operation, request_breaks  # noqa: E402

PLANES = ("service", "device", "none")


def exchange_breaks(specs, row):
    """What is wrong with one exchange of the two data planes."""
    operation = find_operation(specs, row["method"], row["path"])
    if not operation:
        return ["the API has no such operation"]
    query = dict(urllib.parse.parse_qsl(row["path"].partition("?")[2], keep_blank_values=True))
    found = ["request: " + b for b in request_breaks(operation, query, row["headers"], row["body"])]
    if row["operation"] != operation.id:
        found.append("the emulator calls it %s" % row["operation"])
    if not row["cut"]:
        found += ["answer: " + b for b in answer_breaks(operation, row["status"], row["answerHeaders"], row["answer"])]
    return found


def rows_of(place):
    path = pathlib.Path(place)
    path = path / "traffic.jsonl" if path.is_dir() else path
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if line.endswith("\n"):     # the last one may still be half written
                yield number, json.loads(line)


def check(places):
    """(what is wrong, as sentences; how often each operation came)."""
    specs, found, seen = both_specs(), [], collections.Counter()
    for place in places:
        for number, row in rows_of(place):
            if row["plane"] not in PLANES:
                continue
            seen[row["operation"]] += 1
            found += ["%s:%d: %s %s, %d: %s" % (place, number, row["method"], row["path"], row["status"], b)
                      for b in exchange_breaks(specs, row)]
    return found, seen


def main(places):
    if not places:
        sys.exit(__doc__)
    found, seen = check(places)
    for line in found:
        print(line)
    print("%d exchanges of %d operations, %d break the contract" % (sum(seen.values()), len(seen), len(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
