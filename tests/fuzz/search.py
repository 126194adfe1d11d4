#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets libFuzzer search on from the corpora: builds every target with clang and its sanitizers, and runs each for a while.

    search.py SOURCE_DIR BUILD_DIR [SECONDS [TARGET...]]

What it finds lies in BUILD_DIR/found; a new file there that is worth keeping goes into the target's corpus. Without clang there
is nothing to do, and it says so.
"""
import os
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77    # as meson reads it


def run(words, **options):
    print("+", " ".join(str(w) for w in words), flush=True)
    return subprocess.run([str(w) for w in words], **options).returncode


def build(source, place):
    """A build of its own, in which all code reports what it covers."""
    if not (place / "build.ninja").exists():
        words = ["meson", "setup", place, source, "-Dfuzzer=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debugoptimized",
                 "-Dwerror=false"]
        if run(words, env={**os.environ, "CC": "clang", "CFLAGS": "-fsanitize=fuzzer-no-link"}) != 0:
            return False
    targets = ["tests/fuzz/" + p.stem for p in sorted((source / "tests/fuzz").glob("fuzz_*.c"))]
    return run(["ninja", "-C", place, "--quiet", *targets]) == 0


def search(source, place, name, seconds):
    """True if nothing was found in that time."""
    seeds, corpus, found = source / "tests/fuzz" / name, place / "corpus" / name, place / "found" / name
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    log = place / ("%s.log" % name)
    with open(log, "wb") as out:
        status = run([place / "tests/fuzz" / ("fuzz_" + name), "-max_total_time=%s" % seconds, "-max_len=32768", "-timeout=20", "-print_final_stats=1",
                      "-artifact_prefix=%s/" % found, corpus, seeds], env={**os.environ, "TSS2_LOG": "all+none"}, stdout=out, stderr=out)
    said = log.read_text(errors="replace").splitlines()
    if status != 0:
        print("\n".join(said[-40:]))
    tried = "".join(line.split()[-1] for line in said if line.startswith("stat::number_of_executed_units"))
    print("%s: %s inputs, %s" % (name, tried, "nothing found" if status == 0 else "FOUND: see %s" % found), flush=True)
    return status == 0


def main():
    source, place = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    seconds = sys.argv[3] if len(sys.argv) > 3 else "60"
    if not shutil.which("clang"):
        print("no clang here: apt-get install clang")
        return SKIPPED
    if not build(source, place):
        return 1
    names = sys.argv[4:] or sorted(p.stem.removeprefix("fuzz_") for p in (source / "tests/fuzz").glob("fuzz_*.c"))
    return 0 if all([search(source, place, name, seconds) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
