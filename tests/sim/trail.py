# SPDX-License-Identifier: Apache-2.0
"""An audit log without a line: made by tests/station/fill_log with a log's real key, and hands that tamper with it.

    with Trail() as trail:
        trail.fill(600)
        trail.verb("audit", "export", "--ledger", trail.ledger, "--vkey", trail.vkey, trail.dir / "tiles")

The tree and the tiles are written here once more, from the published formats, for those who tamper well."""
import base64
import contextlib
import hashlib
import json
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from sim import BenchError, built  # noqa: E402

ORIGIN = "log.test"
WIDTH = 256


class Trail:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="trail."))
        self.ledger = self.dir / "ledger.db"
        secret = self.dir / "passphrase"
        secret.touch(mode=0o600)
        secret.write_text("correct horse battery staple\n")
        self.passphrase = "file:%s" % secret
        self.vkey = self.dir / "ca/log.vkey"
        try:
            self.make_ca("ca")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, program, *words):
        """Exit status and words of a program of the build."""
        done = subprocess.run([built(program), *(str(w) for w in words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              cwd=self.dir, timeout=120)
        return done.returncode, done.stdout

    def verb(self, *words, status=0):
        code, said = self.run("station/cmd/station", *words)
        if code != status:
            raise BenchError("station %s: exit status %s\n%s" % (" ".join(str(w) for w in words), code, said))
        return said

    def auditor(self, tiles, *words):
        """The auditor's own reading."""
        return self.run("station/auditor/station-verify", tiles, self.vkey, *words)

    def make_ca(self, name):
        self.verb("ca", "init", self.dir / name, "--log-origin", ORIGIN, "--passphrase", self.passphrase)

    def fill(self, count, word="one", ledger=None, ca="ca"):
        """So many entries more, and a checkpoint."""
        code, said = self.run("tests/station/fill_log", ledger or self.ledger, self.dir / ca, self.passphrase, ORIGIN, count, word)
        if code:
            raise BenchError(said)

    def export(self, tiles, ledger=None, status=0):
        return self.verb("audit", "export", "--ledger", ledger or self.ledger, "--vkey", self.vkey, tiles, status=status)

    def copy(self, name):
        """The ledger as somebody with its file in hands has it."""
        path = self.dir / name
        path.unlink(missing_ok=True)
        subprocess.run(["sqlite3", self.ledger, ".backup %s" % path], check=True)
        with contextlib.closing(sqlite3.connect(path)) as db:
            for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                db.execute("DROP TRIGGER %s" % trigger)
            db.commit()
        return path

    def entries(self, ledger=None):
        with contextlib.closing(sqlite3.connect(ledger or self.ledger)) as db:
            return [bytes(e) for (e,) in db.execute("SELECT entry FROM entry ORDER BY idx")]

    def checkpoint(self, size):
        """The note of that size."""
        with contextlib.closing(sqlite3.connect(self.ledger)) as db:
            (note,), = db.execute("SELECT note FROM checkpoint WHERE size = ? ORDER BY id DESC LIMIT 1", (size,))
        path = self.dir / ("checkpoint.%d" % size)
        path.write_text(note)
        return path


# --- the tree

def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def levels(entries):
    """At each level the hashes of its perfect subtrees."""
    rows = [[leaf_hash(e) for e in entries]]
    while len(rows[-1]) > 1:
        below = rows[-1]
        rows.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return rows


def root(entries):
    """RFC 6962, 2.1, as it is defined."""
    def mth(hashes):
        if len(hashes) == 1:
            return hashes[0]
        k = 1 << ((len(hashes) - 1).bit_length() - 1)
        return node_hash(mth(hashes[:k]), mth(hashes[k:]))
    return mth([leaf_hash(e) for e in entries]) if entries else hashlib.sha256(b"").digest()


def write_ledger(path, entries, rehash):
    """Puts these entries in the place of those that are there; well, with all hashes made anew, or with the old ones."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        old = [h for (h,) in db.execute("SELECT hashes FROM entry ORDER BY idx")]
        rows = levels(entries)
        db.execute("DELETE FROM entry")
        for i, entry in enumerate(entries):
            hashes = old[i] if i < len(old) else leaf_hash(entry)
            if rehash:
                last = ((i + 1) & -(i + 1)).bit_length()    # entry i completes so many subtrees
                hashes = b"".join(rows[level][i >> level] for level in range(last))
            says = json.loads(entry)
            db.execute("INSERT INTO entry (idx, time_ms, type, job, hashes, entry) VALUES (?, ?, ?, ?, ?, ?)",
                       (i, says["time"], says["type"], says["job"], hashes, entry))
        db.commit()


# --- the tiles

def tile_path(tiles, level, n, width):
    groups = "%03d" % (n % 1000)
    while n >= 1000:
        n //= 1000
        groups = "x%03d/%s" % (n % 1000, groups)
    return tiles / "tile" / str(level) / (groups + (".p/%d" % width if width < WIDTH else ""))


def write_bundles(tiles, entries):
    """The entries alone, as they are to be: what lies there of them goes."""
    shutil.rmtree(tiles / "tile/entries", ignore_errors=True)
    for first in range(0, len(entries), WIDTH):
        bundle = entries[first:first + WIDTH]
        path = tile_path(tiles, "entries", first // WIDTH, len(bundle))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(struct.pack(">H", len(e)) + e for e in bundle))


def write_tiles(tiles, entries, note):
    """A whole directory, made well."""
    shutil.rmtree(tiles, ignore_errors=True)
    write_bundles(tiles, entries)
    for level, hashes in enumerate(levels(entries)[::8]):
        for first in range(0, len(hashes), WIDTH):
            tile = hashes[first:first + WIDTH]
            path = tile_path(tiles, level, first // WIDTH, len(tile))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(tile))
    (tiles / "checkpoint").write_text(note)


def note_root(note):
    return base64.b64decode(note.split("\n")[2])


__all__ = ["ORIGIN", "Trail", "leaf_hash", "note_root", "root", "tile_path", "write_bundles", "write_ledger", "write_tiles"]
