#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The audit log in Go's hands: golang.org/x/mod/sumdb, which is not ours, reads tiles, checkpoints, receipts and proofs, and refuses
what was tampered with.

    test_audit_go.py PROGRAM       (audit.go beside this file, built)
"""
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from trail import Trail, tile_path  # noqa: E402

GO = str(pathlib.Path(sys.argv.pop(1)).resolve())
# A tree of three levels of tiles, whose last ones are partial; the one before it ends with a full tile of each level.
SIZES = (1, 255, 256, 257, 65536, 70000)


class Go(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.trail = Trail()
        cls.tiles = cls.trail.dir / "tiles"
        cls.checkpoints, cls.read = {}, {}
        before = 0
        for size in SIZES:
            cls.trail.fill(size - before)
            cls.trail.export(cls.tiles)
            cls.checkpoints[size] = cls.trail.checkpoint(size)
            cls.read[size] = cls.go("log", cls.tiles, cls.trail.vkey, cls.checkpoints[before or size])
            before = size

    @classmethod
    def tearDownClass(cls):
        cls.trail.close()

    @classmethod
    def go(cls, *words):
        """Exit status, and what it said."""
        done = subprocess.run([GO, *(str(w) for w in words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              cwd=cls.trail.dir)
        return done.returncode, done.stdout

    def copy(self):
        tiles = self.trail.dir / "copy"
        shutil.rmtree(tiles, ignore_errors=True)
        shutil.copytree(self.tiles, tiles)
        return tiles

    def refuses(self, because, *words):
        code, said = self.go(*words)
        self.assertEqual(code, 1, said)
        self.assertIn(because, said)

    def test_it_reads_every_entry_of_each_export_and_that_it_grew(self):
        self.assertEqual(self.read, {size: (0, "fits: %d entries\n" % size) for size in SIZES})

    def test_only_the_partial_tiles_of_the_newest_checkpoint_are_left(self):
        partials = sorted(str(p.relative_to(self.tiles / "tile")) for p in self.tiles.rglob("*.p/*"))
        self.assertEqual(partials, ["0/273.p/112", "1/001.p/17", "2/000.p/1", "entries/273.p/112"])

    def test_it_takes_our_receipts(self):
        for entry in (0, 255, 256, 65535, 69999):
            self.trail.verb("audit", "receipt", "--ledger", self.trail.ledger, "--entry", entry, "--out", self.trail.dir)
            receipt = self.trail.dir / ("entry-%d.tlog-proof" % entry)
            code, said = self.go("receipt", receipt, self.trail.vkey)
            self.assertEqual(code, 0, said)
            self.assertTrue(said.startswith('fits: entry %d {"body":' % entry), said)

    def test_it_refuses_a_receipt_of_another_place(self):
        self.trail.verb("audit", "receipt", "--ledger", self.trail.ledger, "--entry", 300, "--out", self.trail.dir)
        receipt = self.trail.dir / "entry-300.tlog-proof"
        receipt.write_text(receipt.read_text().replace("index 300\n", "index 301\n"))
        self.refuses("refused", "receipt", receipt, self.trail.vkey)

    def test_it_takes_our_proof_that_the_log_grew(self):
        for size in SIZES:
            growth = self.trail.dir / "growth"
            growth.write_text(self.trail.verb("audit", "consistency", "--ledger", self.trail.ledger, "--from", size))
            code, said = self.go("growth", growth, self.checkpoints[size], self.trail.vkey)
            self.assertEqual((code, said), (0, "fits: %d to 70000\n" % size))

    def test_it_takes_a_checkpoint_that_our_witness_signed(self):
        witness, cosigned = self.trail.dir / "witness", self.trail.dir / "cosigned"
        self.trail.verb("witness", "init", witness, "--name", "witness.test", "--passphrase", self.trail.passphrase)
        self.trail.verb("witness", "watch", witness, self.trail.vkey)
        self.trail.verb("witness", "cosign", witness, self.tiles, "--passphrase", self.trail.passphrase, "--out", cosigned)
        code, said = self.go("cosigned", cosigned, self.trail.vkey, witness / "witness.vkey")
        self.assertEqual((code, said), (0, "fits: 70000 entries\n"))
        cosigned.write_text(cosigned.read_text().replace("clock synchronised", "clock unsynchronised"))
        self.refuses("refused", "cosigned", cosigned, self.trail.vkey, witness / "witness.vkey")

    def test_it_refuses_a_changed_tile(self):
        tiles = self.copy()
        path = tile_path(tiles, 0, 100, 256)
        data = bytearray(path.read_bytes())
        data[77] ^= 1
        path.write_bytes(data)
        self.refuses("entry 25602 is not the one of its tile", "log", tiles, self.trail.vkey)

    def test_it_refuses_a_forked_checkpoint(self):
        fork, tiles = self.trail.dir / "fork.db", self.trail.dir / "forked"
        self.trail.fill(300, word="two", ledger=fork)
        self.trail.export(tiles, fork)
        code, said = self.go("log", tiles, self.trail.vkey)
        self.assertEqual(code, 0, "by itself the fork is whole: " + said)
        self.refuses("invalid transparency proof", "log", tiles, self.trail.vkey, self.checkpoints[256])


if __name__ == "__main__":
    unittest.main(verbosity=2)
