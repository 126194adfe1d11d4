#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house, read from the sources: who may include whom, doors, banned calls, sizes, and documents in step.

Each rule has a test of its own that a small bad file trips, so that a rule that has stopped working is noticed.
    house.py SOURCE_DIR STATION_PROGRAM
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
STATION = sys.argv[2] if len(sys.argv) > 2 else None

ROOMS = ["station/base", "station/net", "station/dps", "station/mes", "station/api", "station", "drivers", "certs", "db", "ui"]

# room → what it may include beside itself; a name with .h is that header alone
MAY = {
    "station/base": [],
    "certs": ["station/base"],
    "db": ["station/base"],
    "drivers": ["certs", "station/base"],
    "station/net": ["certs", "station/base"],
    "station/dps": ["station/net", "certs", "station/base"],
    "station/mes": ["station/net", "certs", "station/base"],
    "station/api": ["station/base"],
    "station": ["station/base", "station/net", "station/dps", "station/mes", "station/api", "certs", "db", "drivers"],
    "ui": ["station/base", "station/client.h", "station/cmd/cmd.h"],
}

# a library's headers → the files that may include them
DOORS = {
    r"libusb": ["drivers/usb.c"],
    r"termios": ["drivers/serial.c"],
    r"tss2/": ["drivers/tpm_sapi.h", "drivers/tcti_usb.h", "certs/own_tpm_esys.h"],
    r"p11-kit/": ["certs/token.c", "certs/token_inside.h"],
    r"curl/": ["station/net/http.c"],
    r"sqlite3": ["db/"],
    r"openssl/": ["certs/", "station/base/sha256.c", "station/auditor/station-verify.c"],
    r"seccomp": ["station/base/lockdown.c"],
    r"ini\.h": ["station/config.c"],
    r"n?cursesw?": ["ui/term.c"],
    r"microhttpd": ["station/api/"],
    r"sodium": ["station/shift/pin.c"],
    r"zint": ["station/shift/barcode.c"],
}

BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "localtime", "gmtime", "asctime", "ctime", "system", "popen",
          "mktemp", "tmpnam", "alloca", "atoi", "atol", "rand", "srand"]

FILE_MAX = 600
LONGER = {"station/auditor/station-verify.c": 700}      # by purpose one file, which an auditor reads and builds alone
FUNCTION_MAX = 80
LINE_MAX = 132


def room_of(path):
    for room in ROOMS:
        if path == room or path.startswith(room + "/"):
            return room
    return None


def sources(root, *endings):
    for room in ("station", "drivers", "certs", "db", "ui"):
        for path in sorted((root / room).rglob("*")):
            if path.suffix in endings:
                yield path


def strip(text):
    """The code without comments and strings, line for line."""
    keep_lines = lambda m: re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', keep_lines, text, flags=re.S)


def included(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        m = re.match(r'#\s*include\s+(["<])([^">]+)[">]', line)
        if m:
            yield number, m.group(1) == '"', m.group(2)


def may_include(room, target):
    if room_of(target) == room:
        return True
    for allowed in MAY[room]:
        if target == allowed or (not allowed.endswith(".h") and room_of(target) == allowed):
            return True
    return False


def wrong_arrows(root):
    for path in sources(root, ".c", ".h"):
        name = path.relative_to(root).as_posix()
        for number, ours, target in included(path):
            if ours and "/" not in target and target.endswith((".h", ".def")):
                yield "%s:%d: include of \"%s\" names no room" % (name, number, target)
            elif ours and room_of(target) and not may_include(room_of(name), target):
                yield "%s:%d: %s may not include %s" % (name, number, room_of(name), target)


def wrong_doors(root):
    for path in sources(root, ".c", ".h"):
        name = path.relative_to(root).as_posix()
        for number, ours, target in included(path):
            for pattern, doors in DOORS.items():
                if not ours and re.match(pattern, target) and not any(name == d or (d.endswith("/") and name.startswith(d)) for d in doors):
                    yield "%s:%d: <%s> has its door elsewhere" % (name, number, target)


def banned_calls(root):
    call = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
    for path in sources(root, ".c", ".h"):
        for number, line in enumerate(strip(path.read_text()).splitlines(), 1):
            m = call.search(line)
            if m:
                yield "%s:%d: %s()" % (path.relative_to(root), number, m.group(1))
            if "//" in line:
                yield "%s:%d: a // comment" % (path.relative_to(root), number)


def too_long(root):
    for path in sources(root, ".c", ".h"):
        name = path.relative_to(root)
        lines = path.read_text().splitlines()
        if len(lines) > LONGER.get(name.as_posix(), FILE_MAX):
            yield "%s: %d lines" % (name, len(lines))
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_MAX:
                yield "%s:%d: %d characters" % (name, number, len(line))
        start = None
        for number, line in enumerate(strip("\n".join(lines)).splitlines(), 1):
            if line.startswith("{"):
                start = number
            elif line.startswith("}") and start:
                if number - start > FUNCTION_MAX:
                    yield "%s:%d: a function of %d lines" % (name, start, number - start)
                start = None


def without_license(root):
    for path in list(sources(root, ".c", ".h", ".def", ".sql")) + sorted((root / "tests").rglob("*.[ch]")):
        if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]:
            yield str(path.relative_to(root))


def bad_code(**files):
    """A tree with only these files: for the tests of the rules themselves."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="house."))
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class Rules(unittest.TestCase):
    def none(self, found):
        found = list(found)
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def some(self, found):
        self.assertNotEqual(list(found), [])

    def test_arrows_go_one_way(self):
        self.none(wrong_arrows(SOURCE))

    def test_each_library_has_one_door(self):
        self.none(wrong_doors(SOURCE))

    def test_banned_calls_are_absent(self):
        self.none(banned_calls(SOURCE))

    def test_files_functions_and_lines_are_short(self):
        self.none(too_long(SOURCE))

    def test_every_file_names_its_license(self):
        self.none(without_license(SOURCE))

    def test_rule_of_arrows_fires(self):
        self.some(wrong_arrows(bad_code(certs__x_dot_c='#include "drivers/usb.h"\n')))
        self.some(wrong_arrows(bad_code(station__x_dot_c='#include "ui/app.h"\n')))
        self.some(wrong_arrows(bad_code(ui__x_dot_c='#include "station/job.h"\n')))

    def test_rule_of_doors_fires(self):
        self.some(wrong_doors(bad_code(station__x_dot_c="#include <openssl/evp.h>\n")))
        self.some(wrong_doors(bad_code(drivers__x_dot_c="#include <libusb-1.0/libusb.h>\n")))

    def test_rule_of_banned_calls_fires(self):
        self.some(banned_calls(bad_code(db__x_dot_c="void f(char *a, char *b)\n{\n\tstrcpy(a, b);\n}\n")))
        self.none(banned_calls(bad_code(db__x_dot_c='/* strcpy() */ const char *s = "strcpy(";\n')))

    def test_rule_of_sizes_fires(self):
        self.some(too_long(bad_code(db__x_dot_c="int x;\n" * 601)))
        self.some(too_long(bad_code(db__x_dot_c="void f(void)\n{\n" + "\tg();\n" * 90 + "}\n")))


class Documents(unittest.TestCase):
    def errors(self):
        text = (SOURCE / "station/base/err.def").read_text()
        return re.findall(r'^ERR\((E_\w+), "(E-\w+-\d{3})", (ERR_\w+), (ERR_\w+), "([^"]*)", "([^"]*)", "([^"]*)"\)', text, re.M)

    def test_every_error_code_is_unique_and_every_row_is_read(self):
        text = (SOURCE / "station/base/err.def").read_text()
        rows = self.errors()
        self.assertEqual(len(rows), len(re.findall(r"^ERR\(", text, re.M)), "a row is not in the form of one line")
        self.assertEqual(len({r[1] for r in rows}), len(rows))

    def test_every_error_is_used(self):
        code = "\n".join(p.read_text() for p in sources(SOURCE, ".c", ".h"))
        unused = [r[0] for r in self.errors() if not re.search(r"\b%s\b" % r[0], code)]
        self.assertEqual(unused, [])

    def test_errors_page_is_the_catalogue(self):
        page = (SOURCE / "docs/errors.md").read_text()
        for name, code, cls, exhausted, happened, todo, whom in self.errors():
            row = "| %s | %s | %s | %s | %s |" % (code, cls.removeprefix("ERR_"), happened, todo, whom)
            self.assertIn(row, page)

    def test_pipeline_page_holds_the_table_of_stages(self):
        if not STATION:
            self.skipTest("no program given")
        table = subprocess.run([STATION, "stages"], capture_output=True, text=True, check=True).stdout
        page = (SOURCE / "docs/pipeline.md").read_text()
        self.assertIn("<!-- stages:begin -->\n" + table + "<!-- stages:end -->", page)

    def test_every_meson_test_of_a_page_exists(self):
        pages = "\n".join(p.read_text() for p in (SOURCE / "docs").glob("*.md"))
        for path in set(re.findall(r"`((?:tests|station|drivers|certs|db|ui)/[\w./]+\.(?:c|h|py|sql|def))`", pages)):
            self.assertTrue("acme" in path or (SOURCE / path).exists(), "docs name %s" % path)

    def test_every_promise_names_tests_that_exist(self):
        page = (SOURCE / "docs/security.md").read_text()
        promises = re.findall(r"^(\d+)\. \*\*.*\n((?:   .*\n)?)", page, re.M)
        self.assertEqual([int(number) for number, _ in promises], list(range(1, 13)))
        for number, line in promises:
            if number == "4":
                continue    # the page says that it is not kept yet
            named = re.findall(r"`([\w/.]+)` ((?:\w+(?:, )?)+)", line)
            self.assertTrue(line.startswith("   *Test:* ") and named, "promise %s names no test" % number)
            for path, names in named:
                text = (SOURCE / path).read_text()
                for name in names.split(", "):
                    self.assertRegex(text, r"(def |static void )%s\(" % name, "%s, promise %s" % (path, number))

    def test_nothing_is_left_for_later(self):
        words = re.compile(r"TODO|FIXME|XXX|not (yet )?implemented")
        for path in list(sources(SOURCE, ".c", ".h", ".def", ".sql")) + [SOURCE / "dev", SOURCE / "README.md"] + sorted((SOURCE / "docs").rglob("*.md")):
            m = words.search(path.read_text())
            self.assertIsNone(m, "%s: %s" % (path, m and m.group(0)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
