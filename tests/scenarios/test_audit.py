#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What leaves the line's audit log: the auditor's page, command by command, at a real line on two days; and exports that are cut off."""
import base64
import contextlib
import fcntl
import json
import os
import pathlib
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
import unittest

from case import SERIAL, Case

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from sim import SOURCE, built, wait_until  # noqa: E402
from trail import Trail, leaf_hash, root, write_tiles  # noqa: E402


class Page(Case):
    """docs/audit.md, in order."""
    serial = 3

    def sh(self, *blocks, status=0):
        """Runs blocks of the page as they stand there, but for the places."""
        text = "\n".join(self.blocks[n] for n in blocks)
        for there, here in (("/media/audit", self.stick), ("/home/auditor", self.home), ("/etc/station/station.conf", self.config),
                            ("ser0001.intent", self.receipt), ("SER0001", self.name)):
            text = text.replace(str(there), str(here))
        env = {**os.environ, "PATH": "%s:%s:%s" % (self.home, pathlib.Path(built("station/cmd/station")).parent, os.environ["PATH"])}
        done = subprocess.run(["sh", "-e", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=self.home,
                              timeout=120)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def test_the_page_works_on_two_days_and_finds_the_third(self):
        page = (SOURCE / "docs/audit.md").read_text()
        self.blocks = re.findall(r"```sh\n(.*?)```", page, re.S)
        build, witness, at_the_line, verify, cosign = range(5)
        self.assertEqual(len(self.blocks), 5)
        self.home, self.stick = self.factory.dir / "home", self.factory.dir / "stick"
        self.home.mkdir()
        self.stick.mkdir()
        shutil.copy(SOURCE / "station/auditor/station-verify.c", self.home)
        shutil.copy(self.factory.dir / "ca/log.vkey", self.stick)
        (self.home / "passphrase").touch(mode=0o600)
        (self.home / "passphrase").write_text("kept apart\n")
        self.start(SERIAL, "x509-individual")
        results = self.factory.dir / self.state / "results"

        # Yesterday: one unit, and the line goes on.
        self.name = self.unit()
        first = self.passes(self.name)
        self.receipt = first["registration_id"] + ".intent"
        shutil.copy(results / (first["registration_id"] + ".json"), self.stick / "result.json")
        self.sh(build, witness)
        said = self.sh(at_the_line)
        self.assertIn("fits         yes", said)
        self.assertIn("its verdict, entry", said, "the verdict is under the next checkpoint")
        said = self.sh(verify, cosign)
        self.assertEqual(said.count("fits         yes"), 2)
        self.assertIn("order        (none): 1 certificates, 0 permits, of these 0 replace another", said)
        self.assertIn("witnessed    by auditor.example/stick-1 at 20", said)
        seen = self.entries()
        self.assertRegex(said, r"line-1.demo +%d\n" % seen)
        yesterday = self.factory.dir / "yesterday.db"
        subprocess.run(["sqlite3", self.factory.dir / self.state / "ledger.db", ".backup %s" % yesterday], check=True)

        # Today: another unit; the stick goes on, and the first one's verdict is proved too.
        second = self.passes(self.unit())
        said = self.sh(at_the_line)
        self.assertIn("verdict.tlog-proof", said)
        said = self.sh(verify, cosign)
        self.assertIn("2 certificates", said)
        self.assertIn("seen before  %d\n" % seen, said)
        self.receipts_prove(first, second, results)
        self.consistency(seen)

        # The day after, somebody put yesterday's ledger back.
        self.config = self.home / "other.conf"
        self.config.write_text((self.factory.dir / (self.state + ".conf")).read_text().replace(self.state + "\n", "put-back\n"))
        (self.factory.dir / "put-back").mkdir()
        shutil.copy(yesterday, self.factory.dir / "put-back/ledger.db")
        self.assertIn("E-DB-006", self.sh(at_the_line, status=1))
        code, said = self.factory.run([self.factory.station, "audit", "verify", "--ledger", yesterday, "--checkpoint",
                                       self.stick / "cosigned", "--vkey", self.stick / "log.vkey"])
        self.assertEqual(code, 1, said)
        self.assertIn("is missing: there is a checkpoint of size %d" % self.entries(), said)

    def entries(self):
        return int((self.stick / "tiles/checkpoint").read_text().split("\n")[1])

    def check_receipt(self, path, *words, status=0):
        return self.factory.verb("audit", "check-receipt", path, "--vkey", self.stick / "log.vkey", *words, status=status)

    def receipts_prove(self, first, second, results):
        """A receipt lies beside each result; it is of the unit's own intent, and no other entry passes for it."""
        for unit in (first, second):
            path = results / (unit["registration_id"] + ".intent.tlog-proof")
            entry = json.loads(self.check_receipt(path).splitlines()[-1])
            self.assertEqual((entry["type"], entry["body"]["id"]), ("sign.intent", unit["registration_id"]))
            self.assertEqual(entry["job"], json.loads((results / (unit["registration_id"] + ".json")).read_text())["job"])
            mine = self.factory.dir / "entry"
            (index, body), = self.ledger("SELECT idx, entry FROM entry WHERE type = 'sign.intent' AND CAST(entry AS TEXT) LIKE '%%%s%%'"
                                         % unit["registration_id"])
            mine.write_bytes(body)
            self.assertIn("entry        %d\n" % index, self.check_receipt(path, "--entry", mine))
            mine.write_bytes(body.replace(b"sign.intent", b"sign.indent"))
            self.assertIn("E-DB-006", self.check_receipt(path, "--entry", mine, status=1))
        verdict = json.loads(self.check_receipt(self.stick / (first["registration_id"] + ".verdict.tlog-proof")).splitlines()[-1])
        self.assertEqual((verdict["type"], verdict["body"]["verdict"]), ("verdict", "PASS"))
        # With a witness's line the same receipt says more, and without it it does not.
        path = results / (second["registration_id"] + ".intent.tlog-proof")
        vkey = self.stick / "witness/witness.vkey"
        self.assertIn("not signed by auditor.example/stick-1", self.check_receipt(path, "--witness", vkey, status=1))
        proof, checkpoint = path.read_text().split("\n\n", 1)
        self.assertEqual((self.stick / "tiles/checkpoint").read_text(), checkpoint)
        witnessed = self.factory.dir / "witnessed.tlog-proof"
        witnessed.write_text(proof + "\n\n" + (self.stick / "cosigned").read_text())
        self.assertIn("witnessed    20", self.check_receipt(witnessed, "--witness", vkey))

    def consistency(self, seen):
        """A witness that is not shown the tiles."""
        other = self.factory.dir / "other-witness"
        secret = "file:%s/passphrase" % self.home
        self.factory.verb("witness", "init", other, "--name", "other", "--passphrase", secret)
        self.factory.verb("witness", "watch", other, self.stick / "log.vkey")
        proof = self.factory.dir / "proof"
        for size in (0, self.entries()):
            proof.write_text(self.factory.verb("audit", "consistency", "--config", self.config, "--from", size))
            self.factory.verb("witness", "cosign", other, proof, "--passphrase", secret, "--out", self.factory.dir / "out")
        proof.write_text(self.factory.verb("audit", "consistency", "--config", self.config, "--from", seen))
        said = self.factory.verb("witness", "cosign", other, proof, "--passphrase", secret, "--out", self.factory.dir / "out", status=1)
        self.assertIn("E-WIT-004", said)

    def test_all_receipts_of_a_lot_at_once(self):
        self.start(SERIAL, "x509-individual")
        unit = self.passes(self.unit())
        self.line.stop()
        ledger = self.factory.dir / self.state / "ledger.db"
        with contextlib.closing(sqlite3.connect(ledger)) as db:
            (job,), = db.execute("SELECT id FROM job").fetchall()
            db.execute("INSERT INTO lot (id, product, profile, count, order_sha256, state, opened_by, closed_by, opened_ms, closed_ms, \"order\")"
                       " VALUES ('WO-1', '', '', 1, x'', 'closed', '', '', 0, 0, x'')")
            db.execute("INSERT INTO place (lot, job, given_up) VALUES ('WO-1', ?, 0)", (job,))
            db.commit()
        out = self.factory.dir / "receipts"
        out.mkdir()
        self.factory.verb("audit", "receipt", "--ledger", ledger, "--lot", "WO-1", "--out", out)
        self.assertEqual([p.name for p in out.iterdir()], [unit["registration_id"] + ".intent.tlog-proof"])


class CutOff(unittest.TestCase):
    """An export that is killed: what lay there before still fits, and the next one finishes."""
    KILLS = 6

    def test_killed_anywhere_the_old_export_holds_and_the_next_one_finishes(self):
        with Trail() as trail:
            tiles, whole = trail.dir / "tiles", trail.dir / "whole"
            trail.fill(1000)
            trail.export(tiles)
            trail.fill(20000)
            began = time.monotonic()
            trail.export(whole)
            took = time.monotonic() - began
            kills = 0
            for n in range(self.KILLS):
                work = trail.dir / "work"
                shutil.rmtree(work, ignore_errors=True)
                shutil.copytree(tiles, work)
                child = subprocess.Popen([built("station/cmd/station"), "audit", "export", "--ledger", trail.ledger, "--vkey", trail.vkey, work],
                                         stdout=subprocess.DEVNULL)
                time.sleep(took * (n + 1) / (self.KILLS + 1))
                kills += child.poll() is None
                child.kill()
                child.wait()
                code, said = trail.auditor(work)
                self.assertEqual(code, 0, said)
                trail.export(work)
                there = files(work)
                self.assertEqual(there, {**there, **files(whole)})
            print("exports killed: %d" % kills)

    def test_what_lies_there_is_never_changed(self):
        with Trail() as trail:
            tiles = trail.dir / "tiles"
            trail.fill(300)
            trail.export(tiles)
            trail.fill(300)
            for path, words in (("tile/0/001.p/44", "are not those of their checkpoint"), ("tile/entries/001.p/44", "is not the one that its tile names"),
                                ("tile/entries/001", "is left as it is"), ("tile/1/000.p/1", "are not those of their checkpoint")):
                with self.subTest(path=path):
                    work = trail.dir / "work"
                    shutil.rmtree(work, ignore_errors=True)
                    shutil.copytree(tiles, work)
                    data = bytearray((work / path).read_bytes() if (work / path).exists() else b"something else")
                    data[5] ^= 1
                    (work / path).write_bytes(data)
                    before = files(work)
                    self.assertIn(words, trail.export(work, status=1))
                    after = files(work)
                    self.assertEqual({p: after.get(p) for p in before}, before)

    def test_killed_anywhere_a_witness_stands_where_it_stood_or_where_it_came_to(self):
        with Trail() as trail:
            witness, tiles = trail.dir / "witness", trail.dir / "tiles"
            trail.verb("witness", "init", witness, "--name", "witness.test", "--passphrase", trail.passphrase)
            trail.verb("witness", "watch", witness, trail.vkey)
            words = ["witness", "cosign", witness, tiles, "--passphrase", trail.passphrase, "--out", trail.dir / "cosigned"]
            size = seen = 0
            for n in range(self.KILLS):
                trail.fill(10)
                size += 10
                trail.export(tiles)
                child = subprocess.Popen([built("station/cmd/station"), *map(str, words)], stdout=subprocess.DEVNULL)
                time.sleep(0.004 * n)
                child.kill()
                child.wait()
                now = int(trail.verb("witness", "list", witness).split()[1])
                self.assertIn(now, (seen, size))
                seen = now
            self.assertIn("seen before  %d\nentries      %d\n" % (seen, size), trail.verb(*words))

    def test_a_witness_with_his_key_in_hand_leaves_no_core(self):
        with Trail() as trail:
            witness, tiles = trail.dir / "witness", trail.dir / "tiles"
            trail.fill(1)
            trail.export(tiles)
            trail.verb("witness", "init", witness, "--name", "witness.test", "--passphrase", trail.passphrase)
            trail.verb("witness", "watch", witness, trail.vkey)
            held = os.open(witness, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)    # it waits for its turn
            most = resource.getrlimit(resource.RLIMIT_CORE)[1]
            child = subprocess.Popen([built("station/cmd/station"), "witness", "cosign", witness, tiles, "--passphrase", trail.passphrase,
                                      "--out", trail.dir / "cosigned"], stdout=subprocess.DEVNULL,
                                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)))
            limits = pathlib.Path("/proc/%d/limits" % child.pid)
            wait_until(lambda: re.search(r"Max core file size +0 +0 ", limits.read_text()), 20, "no core file")
            os.close(held)
            self.assertEqual(child.wait(), 0)

    def test_an_export_goes_on_beside_an_archive_and_does_not_begin_behind_one(self):
        with Trail() as trail:
            tiles = trail.dir / "tiles"
            trail.fill(300)
            trail.export(tiles)
            with contextlib.closing(sqlite3.connect(trail.ledger)) as db:
                db.execute("INSERT INTO lot (id, product, profile, count, order_sha256, state, opened_by, closed_by, opened_ms, closed_ms,"
                           " \"order\") VALUES ('WO-1', '', '', 1, x'', 'closed', '', '', 0, 0, x'')")
                db.execute("INSERT INTO archive (lot, entries, sha256, time_ms) VALUES ('WO-1', 300, zeroblob(32), 0)")
                db.execute("UPDATE entry SET entry = x'', archive = 1")
                db.commit()
            trail.fill(300)
            trail.verb("audit", "verify", "--ledger", trail.ledger)
            trail.export(tiles)
            code, said = trail.auditor(tiles)
            self.assertEqual(code, 0, said)
            self.assertIn("the body of entry 0 is in an archive", trail.export(trail.dir / "new", status=1))
            said = trail.verb("audit", "receipt", "--ledger", trail.ledger, "--entry", 299, "--out", trail.dir, status=1)
            self.assertIn("is in an archive", said)

    def test_without_a_checkpoint_nothing_leaves(self):
        with Trail() as trail:
            trail.fill(10)
            with contextlib.closing(sqlite3.connect(trail.ledger)) as db:
                db.execute("DROP TRIGGER checkpoint_is_never_removed")
                db.execute("DELETE FROM checkpoint")
                db.commit()
            self.assertIn("no checkpoint of this ledger was signed yet", trail.export(trail.dir / "tiles", status=1))
            self.assertFalse((trail.dir / "tiles").exists())


class OnTheScreen(unittest.TestCase):
    """A log that fits, by a hand that has its key and writes what no station writes: it does not get to write the auditor's screen."""

    def sign(self, trail, text):
        note, key = trail.dir / "text", trail.dir / "ca/log.key"
        note.write_bytes(text)
        raw = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-passin", trail.passphrase, "-in", note],
                             check=True, stdout=subprocess.PIPE).stdout
        hint = bytes.fromhex(trail.vkey.read_text().split("+")[1])
        return text + b"\n\xe2\x80\x94 log.test " + base64.b64encode(hint + raw) + b"\n"

    def test_an_order_with_a_name_that_moves_the_cursor_is_named_without(self):
        with Trail() as trail:
            name = b"WO-1\x1b[1A\x1b[2K\r\xc2\x9b2K\norder        WO-1: 0 certificates"
            entries = [b'{"body":{"order":"%s"},"job":"","time":1,"type":"sign.intent","v":1}' % order for order in (b"WO-1", name)]
            text = b"log.test\n2\n" + base64.b64encode(root(entries)) + b"\n"
            write_tiles(trail.dir / "tiles", entries, self.sign(trail, text).decode())
            code, said = trail.auditor(trail.dir / "tiles")
            self.assertEqual(code, 0, said)
            self.assertEqual(sum(line.startswith("order ") for line in said.splitlines()), 2, said)
            self.assertIn("order        WO-1?[1A?[2K??", said)
            self.assertFalse(set(said) & set("\x1b\r\x9b"), said)

            # A receipt of such an entry.
            text = b"log.test\n1\n" + base64.b64encode(leaf_hash(entries[1])) + b"\n"
            receipt = trail.dir / "receipt"
            receipt.write_bytes(b"c2sp.org/tlog-proof@v1\nextra " + base64.b64encode(entries[1]) + b"\nindex 0\n\n" + self.sign(trail, text))
            said = trail.verb("audit", "check-receipt", receipt, "--vkey", trail.vkey)
            self.assertIn("fits         yes\n{\"body\":{\"order\":\"WO-1?[1A?[2K??2K?order", said)


def files(place):
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


if __name__ == "__main__":
    unittest.main(verbosity=2)
