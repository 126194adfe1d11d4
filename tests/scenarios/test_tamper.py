#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way to tamper with the audit log, and who finds it: the table of docs/ledger.md, brought about.

    test_tamper.py [--go PROGRAM] [--changes N]

A log of 600 entries was signed at 200, 256 and 600. Its owner tampers with it: in the ledger's file, and in the files that he hands
out. Beside it there are those who look: the station on its ledger alone, the station with the newest checkpoint that left, the next
export into yesterday's directory, the auditor's program with both checkpoints, a witness who saw 600 entries, and Go's own library.
"""
import contextlib
import json
import pathlib
import random
import re
import shutil
import sqlite3
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/sim"))
from trail import Trail, root, note_root, tile_path, write_bundles, write_ledger, write_tiles  # noqa: E402

GO = sys.argv.pop(sys.argv.index("--go") + 1) if "--go" in sys.argv else None
if GO:
    sys.argv.remove("--go")

CHANGES = int(sys.argv.pop(sys.argv.index("--changes") + 1)) if "--changes" in sys.argv else 40
if "--changes" in sys.argv:
    sys.argv.remove("--changes")

SIZE, OLDER, FIRST, VICTIM, CUT = 600, 256, 200, 300, 500


def files(place):
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


def mangled(data, chance):
    """Other bytes, by one to four changes of any kind."""
    new = bytearray(data)
    while new == data:
        for _ in range(chance.randint(1, 4)):
            at, kind = chance.randrange(len(new) + 1), chance.randrange(4)
            if kind == 0:
                del new[at:]
            elif kind == 1:
                del new[at:at + chance.randint(1, 9)]
            elif kind == 2:
                new[at:at] = bytes(chance.choice(b'{}[]",:\\\n 0=+A\xff') for _ in range(chance.randint(1, 9)))
            elif at < len(new):
                new[at] ^= 1 << chance.randrange(8)
    return bytes(new)


def changed(entries):
    return entries[:VICTIM] + [entries[VICTIM].replace(b"unit-000300", b"unit-666666")] + entries[VICTIM + 1:]


def dropped(entries):
    return entries[:VICTIM] + entries[VICTIM + 1:]


def inserted(entries):
    return entries[:VICTIM] + [entries[7]] + entries[VICTIM:]


def swapped(entries):
    return entries[:VICTIM] + [entries[VICTIM + 1], entries[VICTIM]] + entries[VICTIM + 2:]


def truncated(entries):
    return entries[:CUT]


# What is done → who finds it: what each says, "-" where it is not found so. Columns: audit verify; with the checkpoint of 600; audit
# export; station-verify; witness; Go.
COLUMNS = ["`audit verify`", "with `--checkpoint`", "`audit export`", "`station-verify`", "a witness", "Go's library"]
TABLE = {
    "change an entry": ["entry 300", "entry 300", "from 256", "entry 300", "-", "entry 300"],
    "drop an entry": ["entry 300", "entry 300", "entry 599", "entry 300", "-", "entry 300"],
    "insert an entry": ["entry 300", "entry 300", "from 256", "entry 300", "-", "entry 300"],
    "swap two entries": ["entry 300", "entry 300", "from 256", "entry 300", "-", "entry 300"],
    "truncate": ["entry 500", "entry 500", "entry 500", "entry 500", "-", "refused"],
    "change a hash": ["entry 300", "entry 300", "-", "entry 300", "-", "refused"],
    "change an entry, hash all again": ["from 256", "from 256", "from 256", "from 256", "E-DB-006", "refused"],
    "… and forget the checkpoints": ["-", "from 0", "no checkpoint", "from 256", "E-DB-006", "refused"],
    "… and sign with another key": ["-", "from 0", "not signed by", "no checkpoint signed by", "E-WIT-001", "refused"],
    "fork at 200, signed by the log's key": ["-", "from 200", "from 256", "from 0", "E-WIT-003", "refused"],
    "show yesterday's": ["-", "entry 256", "-", "entry 256", "E-WIT-002", "refused"],
}

def pattern(words):
    """What is really said where the table says this."""
    m = re.fullmatch(r"(entry|from) (\d+)", words)
    if not m:
        return re.escape(words)
    return r"entry %s\b" % m.group(2) if m.group(1) == "entry" else r"entry from %s on|entry %s or a later one" % (m.group(2), m.group(2))


class Tamper(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.trail = trail = Trail()
        trail.make_ca("other")
        trail.fill(FIRST)
        shutil.copy(trail.ledger, trail.dir / "at-200.db")
        trail.fill(OLDER - FIRST)
        shutil.copy(trail.ledger, trail.dir / "at-256.db")
        cls.yesterday = trail.dir / "yesterday"
        trail.export(cls.yesterday)
        trail.fill(SIZE - OLDER)
        cls.tiles = trail.dir / "tiles"
        trail.export(cls.tiles)
        cls.older, cls.newest = trail.checkpoint(OLDER), trail.checkpoint(SIZE)
        cls.good = trail.entries()
        cls.witness = trail.dir / "witness"
        trail.verb("witness", "init", cls.witness, "--name", "witness.test", "--passphrase", trail.passphrase)
        trail.verb("witness", "watch", cls.witness, trail.vkey)
        cls.look_as_witness(cls.tiles)

    @classmethod
    def tearDownClass(cls):
        cls.trail.close()

    # --- those who look

    @classmethod
    def look_as_witness(cls, tiles):
        code, said = cls.trail.run("station/cmd/station", "witness", "cosign", cls.witness, tiles, "--passphrase", cls.trail.passphrase,
                                   "--out", cls.trail.dir / "cosigned")
        return code, said

    def look(self, ledger, tiles):
        """What each says: (found, words)."""
        station, vkey = "station/cmd/station", self.trail.vkey
        copy = self.trail.dir / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.yesterday, copy)
        yield self.trail.run(station, "audit", "verify", "--ledger", ledger)
        yield self.trail.run(station, "audit", "verify", "--ledger", ledger, "--checkpoint", self.newest, "--vkey", vkey)
        code, said = self.trail.run(station, "audit", "export", "--ledger", ledger, "--vkey", vkey, copy)
        if code:
            self.assertEqual(files(copy), files(self.yesterday), "nothing is written of what is refused")
        yield code, said
        yield self.trail.auditor(tiles, "--older", self.older, "--older", self.newest)
        yield self.look_as_witness(tiles)
        if GO:
            yield self.trail.run(GO, "log", tiles, vkey, self.newest)

    def found(self, what, ledger, tiles):
        """Compares with the row; nobody says yes who should not, and the witness keeps what it knows."""
        seen = {p.name: p.read_bytes() for p in self.witness.glob("*.log")}
        says = dict(zip(COLUMNS, self.look(ledger, tiles)))
        for (who, (code, said)), words in zip(says.items(), TABLE[what]):
            with self.subTest(what=what, who=who):
                self.assertEqual(code == 0, words == "-", said)
                if words != "-":
                    self.assertRegex(said, pattern(words))
        if TABLE[what][4] != "-":
            self.assertEqual({p.name: p.read_bytes() for p in self.witness.glob("*.log")}, seen)

    # --- those who tamper

    def ledger(self, entries, rehash=False, keep=True):
        """A copy of the ledger with these entries."""
        path = self.trail.copy("tampered.db")
        write_ledger(path, entries, rehash)
        if not keep:
            self.forget(path)
        return path

    def forget(self, path):
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM checkpoint")
            db.commit()

    def handed_out(self, entries=None):
        """A copy of the tiles; with the bundles of these entries, and nothing else changed."""
        tiles = self.trail.dir / "handed-out"
        shutil.rmtree(tiles, ignore_errors=True)
        shutil.copytree(self.tiles, tiles)
        if entries:
            write_bundles(tiles, entries)
        return tiles

    def made_well(self, entries, note):
        tiles = self.trail.dir / "handed-out"
        write_tiles(tiles, entries, note)
        return tiles

    def test_nothing_is_found_where_nothing_was_done(self):
        self.assertEqual(root(self.good), note_root(self.newest.read_text()))
        for who, (code, said) in zip(COLUMNS, self.look_at_good()):
            self.assertEqual(code, 0, "%s: %s" % (who, said))
        again = self.made_well(self.good, self.newest.read_text())
        self.assertEqual(files(again), files(self.tiles))

    def look_at_good(self):
        copy = self.trail.dir / "good"
        shutil.copytree(self.yesterday, copy)
        yield self.trail.run("station/cmd/station", "audit", "verify", "--ledger", self.trail.ledger)
        yield self.trail.run("station/cmd/station", "audit", "verify", "--ledger", self.trail.ledger, "--checkpoint", self.newest, "--vkey",
                             self.trail.vkey)
        yield self.trail.run("station/cmd/station", "audit", "export", "--ledger", self.trail.ledger, "--vkey", self.trail.vkey, copy)
        yield self.trail.auditor(copy, "--older", self.older, "--older", self.newest)
        yield self.look_as_witness(copy)
        if GO:
            yield self.trail.run(GO, "log", copy, self.trail.vkey, self.older)

    def test_change_an_entry(self):
        entries = changed(self.good)
        self.found("change an entry", self.ledger(entries), self.handed_out(entries))

    def test_drop_an_entry(self):
        entries = dropped(self.good)
        self.found("drop an entry", self.ledger(entries), self.handed_out(entries))

    def test_insert_an_entry(self):
        entries = inserted(self.good)
        self.found("insert an entry", self.ledger(entries), self.handed_out(entries))

    def test_swap_two_entries(self):
        entries = swapped(self.good)
        self.found("swap two entries", self.ledger(entries), self.handed_out(entries))

    def test_truncate(self):
        entries = truncated(self.good)
        tiles = self.handed_out(entries)
        tile_path(tiles, "entries", 1, CUT - 256).rename(tile_path(tiles, "entries", 1, 256))
        self.found("truncate", self.ledger(entries), tiles)

    def test_change_a_hash(self):
        ledger = self.trail.copy("tampered.db")
        with contextlib.closing(sqlite3.connect(ledger)) as db:
            db.execute("UPDATE entry SET hashes = zeroblob(length(hashes)) WHERE idx = ?", (VICTIM,))
            db.commit()
        tiles = self.handed_out()
        tile = tile_path(tiles, 0, VICTIM // 256, 256)
        data = bytearray(tile.read_bytes())
        data[VICTIM % 256 * 32] ^= 1
        tile.write_bytes(data)
        self.found("change a hash", ledger, tiles)

    def test_hash_all_again(self):
        entries = changed(self.good)
        self.found("change an entry, hash all again", self.ledger(entries, rehash=True),
                   self.made_well(entries, self.newest.read_text()))

    def test_hash_all_again_and_forget_the_checkpoints(self):
        entries = changed(self.good)
        self.found("… and forget the checkpoints", self.ledger(entries, rehash=True, keep=False),
                   self.made_well(entries, self.newest.read_text()))

    def test_sign_with_another_key(self):
        entries = changed(self.good)
        ledger = self.ledger(entries, rehash=True, keep=False)
        self.trail.fill(0, ledger=ledger, ca="other")
        self.found("… and sign with another key", ledger, self.made_well(entries, self.note_of(ledger)))

    def test_fork(self):
        ledger = self.trail.dir / "fork.db"
        shutil.copy(self.trail.dir / "at-200.db", ledger)
        self.trail.fill(SIZE - FIRST + 50, word="two", ledger=ledger)
        tiles = self.trail.dir / "handed-out"
        shutil.rmtree(tiles, ignore_errors=True)
        self.trail.export(tiles, ledger)
        self.found("fork at 200, signed by the log's key", ledger, tiles)
        kept = list(self.witness.glob("refused-650-*.checkpoint"))
        self.assertEqual([p.read_text() for p in kept], [(tiles / "checkpoint").read_text()], "the witness keeps the evidence")

    def test_yesterdays(self):
        self.found("show yesterday's", self.trail.dir / "at-256.db", self.yesterday)

    def test_the_auditors_program_reads_anything_and_takes_nothing_that_was_changed(self):
        """Whatever file is changed, in whatever way: it says yes only where that changes nothing of what is said."""
        trail, tiles, chance = self.trail, self.handed_out(), random.Random(CHANGES)
        trail.verb("audit", "receipt", "--ledger", trail.ledger, "--entry", 7, "--out", trail.dir)
        self.look_as_witness(self.tiles)
        result, receipt, cosigned = trail.dir / "result.json", trail.dir / "entry-7.tlog-proof", trail.dir / "cosigned"
        result.write_text(json.dumps({"checkpoint": self.older.read_text(), "hub": "h"}, ensure_ascii=False, separators=(",", ":")))
        self.assertIn("\\u2014", json.dumps({"checkpoint": self.older.read_text()}), "as others may write it")
        as_others = trail.dir / "as-others.json"
        as_others.write_text(json.dumps({"of": "checkpoint", "checkpoint": self.older.read_text()}, indent=2))
        words = ("--older", as_others, "--older", result, "--receipt", receipt, "--cosigned", cosigned, "--witness", self.witness / "witness.vkey")
        code, yes = trail.auditor(tiles, *words)
        self.assertEqual(code, 0, yes)
        files = [p for p in tiles.rglob("*") if p.is_file()] + [receipt, cosigned, result]
        said_no = 0
        for n in range(CHANGES):
            path = chance.choice(files)
            good = path.read_bytes()
            path.write_bytes(mangled(good, chance))
            code, said = trail.auditor(tiles, *words)
            path.write_bytes(good)
            self.assertIn(code, (0, 1, 2), "change %d, of %s: %s" % (n, path, said))
            self.assertNotRegex(said, "Sanitizer|runtime error", "change %d, of %s" % (n, path))
            if code == 0:
                self.assertEqual(said, yes, "change %d, of %s" % (n, path))
            said_no += code != 0
        self.assertGreater(said_no, CHANGES // 2)

    def note_of(self, ledger):
        with contextlib.closing(sqlite3.connect(ledger)) as db:
            return db.execute("SELECT note FROM checkpoint ORDER BY id DESC").fetchone()[0]

    def test_the_page_has_this_table(self):
        page = (SOURCE / "docs/ledger.md").read_text()
        rows = ["| %s |" % " | ".join(["what is done"] + COLUMNS), "|---" * (len(COLUMNS) + 1) + "|"]
        rows += ["| %s |" % " | ".join([what] + ["–" if w == "-" else w for w in row]) for what, row in TABLE.items()]
        self.assertIn("\n".join(rows), page)


if __name__ == "__main__":
    unittest.main(verbosity=2)
