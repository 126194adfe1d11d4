#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/errors.md from station/base/err.def: tests/house/errors_page.py > docs/errors.md"""
import pathlib
import re

text = (pathlib.Path(__file__).parents[2] / "station/base/err.def").read_text()
print("""# Errors

Every refusal says what happened, what to do and whom to call, with a code that never changes its meaning.
This page is made from `station/base/err.def` by `tests/house/errors_page.py`; a test holds them together.

Class says what the station does: RETRY tries again by itself, DEVICE ends the job of this unit (FAIL), OPERATOR waits for a person (HOLD), STATION stops all slots.
""")
for line in text.splitlines():
    area = re.match(r"/\* ---- (\w+): (.*) ---- \*/", line)
    row = re.match(r'ERR\(E_\w+, "(E-\w+-\d{3})", ERR_(\w+), ERR_\w+, "([^"]*)", "([^"]*)", "([^"]*)"\)', line)
    if area:
        print("\n## %s: %s\n\n| code | class | what happened | what to do | call |\n|---|---|---|---|---|" % area.groups())
    if row:
        print("| %s | %s | %s | %s | %s |" % row.groups())
