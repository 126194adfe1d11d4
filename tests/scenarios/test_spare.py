#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Backup, restore and archive of a ledger, and a spare station that takes over, as docs/ledger.md and docs/spare-station.md say.

Held against the files that left the line, the emulated service's own record and the ledger."""
import contextlib
import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory  # noqa: E402
from sim import SOURCE  # noqa: E402

FLOOR = "[lots]\norders = {place}/orders\nhandover = {place}/handover\n"


class Spare(unittest.TestCase):
    """One long story on one factory: each step goes on where the last one ended."""

    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=1, slots=1, serial=4, floor=FLOOR)
        (cls.factory.dir / "orders").mkdir()
        cls.line = None
        cls.vkey = cls.factory.dir / "ca/log.vkey"
        cls.config = cls.factory.config

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    # --- doing

    def start(self):
        type(self).line = self.factory.start_line(config=self.config)

    def stop(self):
        self.assertEqual(self.line.stop(), 0)

    def visit(self, number):
        """One visit of SER000N in its own slot, 01 being another's."""
        name, serial = "%02d" % (number + 1), "SER%04d" % number
        done = len([s for s in self.line.slots(name) if s["verdict"]])
        self.factory.plug(serial, number + 1)
        slot = self.line.wait(lambda: next(iter([s for s in self.line.slots(name) if s["verdict"]][done:]), None), 60, serial)
        self.factory.unplug(serial)
        self.line.wait_empty(name)
        return slot

    def lot(self, what, name):
        if what == "open":
            order = {"order": name, "product": "gateway", "profile": "serial", "count": 4}
            (self.factory.dir / "orders" / (name + ".json")).write_text(json.dumps(order))
        self.factory.verb("lot", what, "--config", self.config, *([name] if what == "open" else []))

    def ledger_verb(self, *words, status=0):
        return self.factory.verb("ledger", words[0], "--config", self.config, *words[1:], status=status)

    def refused(self, code, *words):
        before = self.digest()
        output = self.ledger_verb(*words, status=1)
        self.assertIn(code, output)
        self.assertEqual(self.digest(), before, "a refusal changes nothing")
        return output

    def digest(self):
        path = self.state / "ledger.db"
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def ask(self, question, *values):
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as db:
            return db.execute(question, values).fetchall()

    def size(self, path):
        return int(re.search(r"(?m)^entries +(\d+)", self.factory.verb("audit", "verify", "--ledger", path)).group(1))

    def created(self):
        return {name.split("/", 1)[1]: n.get("created", 0) for name, n in self.factory.counts()["ids"].items()
                if name.startswith("enrollments/")}

    @property
    def state(self):
        return pathlib.Path(re.search(r"(?m)^state_dir = (.*)$", self.config.read_text()).group(1))

    # --- the story

    def test_the_story(self):
        for name in sorted(n for n in dir(self) if n.startswith("step_")):
            print(name, flush=True)
            getattr(self, name)()

    def step_1_a_backup_is_made_beside_a_running_line(self):
        self.start()
        self.lot("open", "L-1")
        self.assertEqual(self.visit(1)["verdict"], "PASS")
        self.copy = self.factory.dir / "monday.db"
        output = self.ledger_verb("backup", self.copy)
        self.assertIn("copy         %s" % self.copy, output)
        self.assertFalse(any(p.name.startswith("monday.db-") or p.name.endswith(".part") for p in self.factory.dir.iterdir()))
        # One file, which others can verify, and which the note beside it is of.
        (result,) = (self.state / "results").glob("*.json")
        for outside in (result, self.copy.with_name("monday.db.note")):
            self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--ledger", self.copy, "--checkpoint", outside,
                                                                "--vkey", self.vkey))
        self.assertIn("is there already", self.ledger_verb("backup", self.copy, status=1))
        self.assertEqual(self.visit(2)["verdict"], "PASS")
        self.lot("close", "L-1")

    def step_2_a_running_line_is_not_restored(self):
        self.assertIn("E-DB-004", self.ledger_verb("restore", self.copy, status=1))
        self.stop()

    def step_3_what_a_copy_lacks_is_said_first(self):
        lost = self.size(self.state / "ledger.db") - self.size(self.copy)
        self.assertGreater(lost, 10)
        for words in ([], ["--lose", str(lost - 1)], ["--lose", "all"]):
            output = self.refused("E-DB-007", "restore", *words, self.copy)
            self.assertIn("--lose %d" % lost, output)
            self.assertRegex(output, r"unit SER0002 .*PASS by .*, not there in the copy")
            self.assertRegex(output, r"lot L-1  closed by .*, open in the copy")
            self.assertNotIn("SER0001", output)

    def step_4_without_the_old_ledger_the_files_that_left_say_it(self):
        keep = self.factory.dir / "aside.db"
        (self.state / "ledger.db").rename(keep)
        output = self.refused("E-DB-007", "restore", self.copy)
        self.assertRegex(output, r"unit SER0002 .*PASS by .*\.json, not there in the copy")
        self.assertRegex(output, r"lot L-1  closed by L-1\.json, open in the copy")
        (self.state / "ledger.db").write_bytes(b"These are not the bytes of a database. " * 200)
        self.assertIn("the ledger here is no witness", self.refused("E-DB-007", "restore", self.copy))
        keep.rename(self.state / "ledger.db")

    def step_5_a_copy_of_another_log_is_refused(self):
        forged = self.factory.dir / "forged.db"
        shutil.copy(self.copy, forged)
        with contextlib.closing(sqlite3.connect(forged)) as db:
            guards = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in guards:
                db.execute("DROP TRIGGER %s" % name)
            # The last entries go, with the checkpoints over them: it verifies by itself, and is another history from there on.
            last, = db.execute("SELECT max(size) FROM checkpoint").fetchone()
            db.execute("DELETE FROM entry WHERE idx >= ?", (last,))
            kept, entry, hashes = db.execute("SELECT idx, entry, hashes FROM entry WHERE idx = ?", (last - 1,)).fetchone()
            while len(hashes) > 32:     # an entry that completes nothing but itself can be made anew by hand
                kept -= 1
                entry, hashes = db.execute("SELECT entry, hashes FROM entry WHERE idx = ?", (kept,)).fetchone()
            db.execute("DELETE FROM entry WHERE idx > ?", (kept,))
            db.execute("DELETE FROM checkpoint WHERE size > ?", (kept,))
            entry = entry.replace(b'"body":{', b'"body":{"a":1,', 1)
            db.execute("UPDATE entry SET entry = ?, hashes = ? WHERE idx = ?", (entry, hashlib.sha256(b"\0" + entry).digest(), kept))
            db.commit()
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--ledger", forged))
        # It guards nothing any more, which is seen; and when that was mended, too.
        self.assertIn("where a ledger has \"trigger ", self.refused("E-DB-005", "restore", forged))
        with contextlib.closing(sqlite3.connect(forged)) as db:
            for _, sql in guards:
                db.execute(sql)
            db.commit()
        self.refused("E-DB-006", "restore", "--lose", str(self.size(self.state / "ledger.db") - kept - 1), forged)

        # Where no other witness is, as on a spare: the copy's own newest checkpoint, signed by another hand.
        elsewhere = self.factory.dir / "elsewhere.conf"
        elsewhere.write_text(self.config.read_text().replace("%s\n" % self.state, "%s-2\n" % self.state).replace("/handover\n", "/none\n"))
        shutil.copy(self.copy, forged)
        with contextlib.closing(sqlite3.connect(forged)) as db:
            (guard,), = db.execute("SELECT sql FROM sqlite_master WHERE name = 'checkpoint_is_never_changed'").fetchall()
            db.execute("DROP TRIGGER checkpoint_is_never_changed")
            (number, note), = db.execute("SELECT id, note FROM checkpoint ORDER BY size DESC, id DESC LIMIT 1").fetchall()
            at = note.rindex("\u2014 ") + len("\u2014 log.origin ") + 20
            changed = note[:at] + ("B" if note[at] == "A" else "A") + note[at + 1:]
            db.execute("UPDATE checkpoint SET note = ? WHERE id = ?", (changed, number))
            db.execute(guard)
            db.commit()
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--ledger", forged))
        said = self.factory.verb("ledger", "restore", "--config", elsewhere, forged, status=1)
        self.assertIn("the copy's own newest checkpoint", said)
        there = self.state.with_name(self.state.name + "-2")
        self.assertEqual([p.name for p in there.iterdir()], ["ledger.db.lock"])

        # A copy from before an update of the station.
        old = self.factory.dir / "old.db"
        with contextlib.closing(sqlite3.connect(old)) as db:
            for version in sorted((SOURCE / "db/schema").glob("*.sql"))[:7]:
                db.executescript(version.read_text())
            (application,), = sqlite3.connect(self.copy).execute("PRAGMA application_id").fetchall()
            db.executescript("PRAGMA application_id = %d; PRAGMA user_version = 7" % application)
            db.execute("INSERT INTO meta VALUES ('origin', ?)", (sqlite3.connect(self.copy).execute(
                "SELECT value FROM meta WHERE name = 'origin'").fetchone()[0],))
            db.commit()
        self.factory.verb("ledger", "restore", "--config", elsewhere, old)
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--ledger", there / "ledger.db"))

    def step_6_a_restore_keeps_what_was_and_the_signer_remembers(self):
        lost = self.size(self.state / "ledger.db") - self.size(self.copy)
        before = self.digest()
        # Where people are known, two of them do it; and the log says who.
        peopled, two = self.factory.dir / "peopled.conf", self.factory.dir / "two"
        peopled.write_text(self.config.read_text() + "\n[people]\nfile = %s/two.json\n" % self.factory.dir)
        self.factory.verb("people", "init", "--config", peopled)
        ids = [subprocess.run([self.factory.station, "people", "add", "--config", peopled, "--name", name, "--role", "lead"], check=True,
                              input="%s-0815\n471100\n" % name, text=True, capture_output=True).stdout.strip() for name in ("Ana", "Ben")]
        two.touch(mode=0o600)
        words = ("ledger", "restore", "--config", peopled, "--lose", str(lost), "--badge", two, self.copy)
        for shown, code in (("Ana-0815\n471100\n" * 2, "E-LOT-009"), ("Ana-0815\n471100\nBen-0815\n471101\n", "E-LIN-005")):
            two.write_text(shown)
            self.assertIn(code, self.factory.verb(*words, status=1))
            self.assertEqual(self.digest(), before)
        two.write_text("Ana-0815\n471100\nBen-0815\n471100\n")
        self.factory.verb(*words)
        (entry,), = self.ask("SELECT entry FROM entry ORDER BY idx DESC LIMIT 1")
        for person in ids:
            self.assertIn(person, entry.decode())
        (aside,) = self.state.glob("before-restore-*")
        self.assertEqual(hashlib.sha256((aside / "ledger.db").read_bytes()).hexdigest(), before)
        kept = {json.loads(p.read_text()).get("serial", p.name) for p in aside.glob("*.json")}
        self.assertEqual(kept, {"SER0002", "L-1.json"})     # they are of the log as it was
        self.assertEqual([r["serial"] for r in self.factory.results().values()], ["SER0001"])
        (entry,), = self.ask("SELECT entry FROM entry WHERE type = 'ledger.restored'")
        self.assertEqual(json.loads(entry)["body"]["known"] - json.loads(entry)["body"]["entries"], lost)
        code, output = self.factory.run([self.factory.station, "run", "--config", self.config], timeout_s=60)
        self.assertEqual((code, "E-CA-007" in output), (3, True), output)

    def step_7_a_unit_that_the_copy_forgot_gets_no_second_identity(self):
        before = self.created()
        for name in ("signer.state", "signer.counted"):
            (self.state / name).rename(self.state / (name + ".before"))
        self.start()
        slot = self.visit(2)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-USB-008"), slot)
        self.assertEqual(self.visit(1)["verdict"], "PASS")
        self.assertEqual(self.created(), before)
        self.lot("close", "L-1")
        self.assertEqual(self.line.stop(), 0)

    def step_8_the_entries_of_a_closed_lot_leave_for_an_archive(self):
        path = self.factory.dir / "L-1.archive"
        before = (self.state / "ledger.db").stat().st_size
        output = self.ledger_verb("archive", "L-1", path)
        gone, = self.ask("SELECT count(*) FROM entry WHERE length(entry) = 0")[0]
        self.assertIn("entries      %d" % gone, output)
        self.assertGreater(gone, 20)
        verified = self.factory.audit_verify(path)
        self.assertIn("archived     %d" % gone, verified)
        self.assertIn("fits         yes", verified)
        self.assertLess((self.state / "ledger.db").stat().st_size, before)
        # By hand: each line is the entry whose hash stayed; the entry on record names the file.
        lines = path.read_bytes().splitlines()
        self.assertEqual(json.loads(lines[0])["lot"], "L-1")
        hashes = dict(self.ask("SELECT idx, substr(hashes, 1, 32) FROM entry WHERE length(entry) = 0"))
        for line in lines[1:]:
            index, entry = line.split(b" ", 1)
            self.assertEqual(hashes.pop(int(index)), hashlib.sha256(b"\0" + entry).digest())
        self.assertEqual(hashes, {})
        (entry,), = self.ask("SELECT entry FROM entry WHERE type = 'ledger.archived'")
        self.assertEqual(json.loads(entry)["body"]["sha256"], hashlib.sha256(path.read_bytes()).hexdigest())
        path.write_bytes(path.read_bytes().replace(b"PASS", b"FAIL", 1))
        self.assertIn("E-DB-006", self.factory.audit_verify(path, status=1))
        # A unit of that lot that comes back is told from what stayed.
        self.start()
        self.assertEqual(self.visit(1)["verdict"], "PASS")

    def step_9_a_spare_takes_over(self):
        """The line is dead. The spare has a copy of an hour ago, and what left the line since: results and hand-overs."""
        copy = self.factory.dir / "hour.db"
        self.ledger_verb("backup", copy)
        self.lot("open", "L-2")
        slot = self.visit(3)
        self.assertEqual(slot["verdict"], "PASS")
        enrolled = self.created()
        self.line.kill()
        self.line.process.wait(30)
        self.factory.unplug_all()
        old = self.state
        spare = self.factory.dir / "spare.conf"
        spare.write_text(self.config.read_text().replace("state_dir = %s\n" % old, "state_dir = %s/spare\n" % self.factory.dir))
        type(self).config = spare
        self.state.mkdir()
        shutil.copytree(old / "results", self.state / "results")
        output = self.refused("E-DB-007", "restore", copy)
        self.assertRegex(output, r"unit SER0003 .*PASS by .*, not there in the copy")
        lose = re.search(r"--lose (\d+)", output).group(1)
        self.ledger_verb("restore", "--lose", lose, copy)
        self.start()
        self.lot("open", "L-2")
        # Done on the old line: known by the copy, or by its own certificate; no identity is given twice.
        self.assertEqual(self.visit(1)["verdict"], "PASS")
        slot = self.visit(3)
        self.assertEqual((slot["verdict"], slot["code"]), ("FAIL", "E-USB-008"), slot)
        self.assertEqual(self.created(), enrolled)
        slot = self.visit(4)
        self.assertEqual(slot["verdict"], "PASS")
        self.assertEqual(self.created(), {**enrolled, slot["registration_id"]: 1})
        self.stop()
        self.assertIn("fits         yes", self.factory.verb("audit", "verify", "--config", self.config))


if __name__ == "__main__":
    unittest.main(verbosity=2)
