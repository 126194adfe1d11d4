# SPDX-License-Identifier: Apache-2.0
"""The verbs people and cards, as programs: what stands in the file and on the terminal, and that a scanner reads each card.

    test_people_verbs.py STATION SOURCE_DIR
"""
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import unittest

STATION, SOURCE = os.path.abspath(sys.argv.pop(1)), pathlib.Path(sys.argv.pop(1))

CONFIG = """[station]
name = line-3
state_dir = .
[ca]
chain = c
key = k
log_key = l
passphrase = file:p
issue_until = 2030-01-01
[dps]
endpoint = https://x.azure-devices-provisioning.net
id_scope = 0ne1
sas_token = file:s
[people]
file = people.json
[profile gw]
group = g
ek_certificate = optional
[slot 01]
port = pci-0000:00:14.0-usb-0:1
profile = gw
[slot a-slot_with.a-name-of-32-letters]
port = pci-0000:00:14.0-usb-0:2
profile = gw
"""


class Verbs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="people")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.config, self.file = self.dir / "station.conf", self.dir / "people.json"
        self.config.write_text(CONFIG)

    def station(self, *words, said="", status=0):
        done = subprocess.run([STATION, *words, "--config", str(self.config)], input=said, capture_output=True, encoding="utf-8",
                              timeout=30, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr if status else done.stdout

    def add(self, name, role, badge, pin, status=0):
        return self.station("people", "add", "--name", name, "--role", role, said="%s\n%s\n" % (badge, pin), status=status).strip()

    def people(self):
        return {p["id"]: p for p in json.loads(self.file.read_text())["people"]}


class People(Verbs):
    def test_person_is_added_listed_given_another_pin_and_removed(self):
        self.station("people", "init")
        ana = self.add("Ana Ordinary", "operator", "0417", "2580")
        lea = self.add("Lea Leading", "lead", "0099", "")
        self.assertRegex(ana, r"^p-[0-9a-f]{8}$")
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        listed = [line.split() for line in self.station("people", "list").splitlines()]
        self.assertEqual(listed, [[ana, "operator", "Ana", "Ordinary"], [lea, "lead", "Lea", "Leading"]])
        before = self.people()
        self.assertEqual(before[lea]["pin"], "")
        self.station("people", "pin", lea, said="741258\n")
        self.assertTrue(self.people()[lea]["pin"].startswith("$argon2id$"))
        self.assertEqual(self.people()[lea]["badge"], before[lea]["badge"])
        self.assertEqual(self.people()[ana], before[ana])
        self.station("people", "remove", ana)
        self.assertEqual((self.people()[ana]["badge"], self.people()[ana]["pin"]), ("", ""))
        self.assertIn("(removed)", self.station("people", "list").splitlines()[0])
        self.station("people", "pin", ana, said="1234\n", status=2)
        text = self.file.read_text()
        for secret in ("0417", "0099", "2580", "741258"):
            self.assertNotIn('"%s"' % secret, text)

    def test_what_is_refused_leaves_the_file_as_it_was(self):
        self.station("people", "init")
        self.add("Ana", "operator", "0417", "2580")
        before = self.file.read_bytes()
        self.assertIn("is there already", self.station("people", "init", status=1))
        self.assertIn("E-LIN-004", self.add("Ben", "lead", "0417", "2580", status=1))
        self.assertIn("E-LIN-005", self.add("Ben", "lead", "0418", "25 80", status=1))
        self.assertIn("E-LIN-004", self.add("Ben", "lead", "", "2580", status=1))
        self.assertIn("E-CFG-003", self.add("Ben", "boss", "0418", "2580", status=2))
        self.station("people", "remove", "p-nobody", status=2)
        self.assertEqual(self.file.read_bytes(), before)

    def test_badge_and_pin_that_are_typed_are_not_shown(self):
        self.station("people", "init")
        child, terminal = pty.fork()
        if not child:
            os.execv(STATION, [STATION, "people", "add", "--config", str(self.config), "--name", "Ana"])
        shown = b""
        for prompt, typed in ((b"Badge: ", b"card-0417\n"), (b"PIN (empty: none): ", b"258036\n")):
            while not shown.endswith(prompt):
                shown += os.read(terminal, 1000)
            os.write(terminal, typed)
        try:
            while chunk := os.read(terminal, 1000):
                shown += chunk
        except OSError:     # the terminal's other end is closed
            pass
        os.close(terminal)
        self.assertEqual(os.waitpid(child, 0)[1], 0, shown)
        self.assertNotIn(b"0417", shown)
        self.assertNotIn(b"258036", shown)
        self.assertEqual(len(self.people()), 1)

    def test_page_about_people_has_the_table_of_roles(self):
        said = subprocess.run([STATION, "people", "roles"], capture_output=True, encoding="utf-8", check=True).stdout
        printed = [[line[:28].strip(), *line[28:].split()] for line in said.splitlines()]
        lines = (SOURCE / "docs" / "people.md").read_text().split("## Roles", 1)[1].split("##", 1)[0].splitlines()
        table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        self.assertEqual([row for row in table if set(row[0]) != {"-"}], printed)


class Cards(Verbs):
    def page(self):
        out = self.dir / "cards.html"
        self.station("cards", "--out", str(out))
        self.assertEqual(out.read_text(), self.station("cards"))
        return out.read_text()

    def cards(self):
        """(bars, code, meaning) of each."""
        return re.findall(r"<figure>(<svg.*?</svg>)<figcaption><b>(.*?)</b> (.*?)</figcaption></figure>", self.page())

    def read(self, svg):
        """What a scanner reads: rendered at 300 dots per inch, on white."""
        (self.dir / "card.svg").write_text(svg)
        subprocess.run(["rsvg-convert", "-d", "300", "-p", "300", "-b", "white", "-o", str(self.dir / "card.png"), str(self.dir / "card.svg")],
                       check=True)
        return subprocess.run(["zbarimg", "--nodbus", "--xml", "-q", "-Sdisable", "-Scode128.enable", str(self.dir / "card.png")],
                              capture_output=True, encoding="utf-8", check=False).stdout

    def test_every_card_is_read_back_as_it_is_named(self):
        for svg, code, _ in self.cards():
            read = re.findall(r"type='CODE-128'.*?<!\[CDATA\[(.*?)\]\]>", self.read(svg), re.S)
            self.assertEqual(read, [code])

    def test_there_is_a_card_for_each_command_digit_slot_and_screen(self):
        commands = dict(re.findall(r'\{"([A-Z-]+)", (?:true|false), "(.*)"\}', (SOURCE / "station/shift/scan.c").read_text()))
        cards = {code: meaning for _, code, meaning in self.cards()}
        wanted = {"CMD:PIN:%d" % n for n in range(10)} | {"CMD:SLOT:01", "CMD:SLOT:a-slot_with.a-name-of-32-letters"}
        screens = re.findall(r'\.name = "(\w+)"', "".join(p.read_text() for p in (SOURCE / "ui").glob("screen_*.c")))
        self.assertGreater(len(screens), 5)
        wanted |= {"CMD:SCREEN:" + s.upper() for s in screens}
        wanted |= {"CMD:" + c for c in commands if c not in ("PIN", "SLOT", "SCREEN")}
        self.assertEqual(set(cards), wanted)
        for code, meaning in cards.items():
            self.assertEqual(meaning, commands[code.split(":")[1]], code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
