#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated device without a TPM against a host that was written from docs/serial-csr.md alone, and openssl's own programs.

`run_tty.py host REQUEST...` is that host: it runs on the simulated bus, asks one after the other, and prints the answers.
"""
import base64
import hashlib
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from sim import Bench  # noqa: E402

NONCE = "ab" * 32
SEED = "01" * 32


def host(requests):
    fd = os.open("/dev/ttyACM0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard = b""
    for number, request in enumerate(requests, 0xfffe):
        text = "%04x %s" % (number & 0xffff, request)
        os.write(fd, (">%s*%08x\n" % (text, zlib.crc32(text.encode()))).encode())
        end, answer = time.monotonic() + 5, None
        while answer is None and time.monotonic() < end:
            select.select([fd], [], [], 0.2)
            try:
                heard += os.read(fd, 4096)
            except BlockingIOError:
                continue
            *lines, heard = heard.split(b"\n")
            for line in lines:
                for start in re.finditer(b"<", line):
                    m = re.fullmatch(rb"<(%04x (.*))\*([0-9a-f]{8})\r?" % (number & 0xffff), line[start.start():])
                    if m and int(m.group(3), 16) == zlib.crc32(m.group(1)):
                        answer = m.group(2).decode()
        print("silence" if answer is None else answer, flush=True)


def openssl(*words, data=None):
    done = subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    return done.stdout.decode()


class TtyBench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = Bench(devices=0, serial=3, ports=8)
        cls.addClassCleanup(cls.bench.close)
        cls.serials = iter(["SER%04d" % n for n in range(1, 4)])

    def setUp(self):
        self.serial = next(self.serials)
        self.bench.plug(self.serial, 1)

    def tearDown(self):
        self.bench.unplug_all()

    def ask(self, *requests):
        status, output = self.bench.run([sys.executable, __file__, "host", *requests], timeout_s=60)
        self.assertEqual(status, 0, output)
        return output.splitlines()

    def pieces(self, name, length):
        return ["part %s %d" % (name, at) for at in range(0, length, 150)]

    def value(self, answers):
        return b"".join(base64.b64decode(a.removeprefix("ok "), validate=True) for a in answers)

    def test_1_life_of_a_device_is_as_the_page_tells_it(self):
        bundle = bytes(range(256)) * 2
        digest = hashlib.sha256(bundle).hexdigest()
        puts = ["put %d %s" % (at, base64.b64encode(bundle[at:at + 150]).decode()) for at in range(0, len(bundle), 150)]
        self.assertEqual(self.ask("state", "hello 1", "state", "get serial", "get model", "get colour", "dance", "csr " + NONCE,
                                  "key %s keep" % SEED, "key %s keep" % SEED, "key %s keep" % NONCE),
                         ["no hello", "ok serial-csr 1", "ok open none", "ok " + self.serial, "ok SIM-TTY", "no bad", "no bad",
                          "no key", "ok made", "ok found", "no other"])
        said = self.ask("hello 1", "csr " + NONCE, *self.pieces("csr", 400), "prove " + NONCE, "sign " + digest)
        length, told = re.fullmatch(r"ok (\d+) ([0-9a-f]{64})", said[1]).groups()
        csr = self.value([a for a in said[2:5] if a.startswith("ok ")])
        self.assertEqual((len(csr), hashlib.sha256(csr).hexdigest()), (int(length), told))
        self.request_is_sound(csr)
        proof = hashlib.sha256(b"enrollment station proof v1\0" + bytes.fromhex(NONCE)).hexdigest()
        self.signed_by(csr, proof, said[-2])
        self.signed_by(csr, digest, said[-1])
        self.assertEqual(self.ask("hello 1", "commit " + digest, "bundle %d %s" % (len(bundle), digest), puts[0], puts[2],
                                  puts[0], *puts[1:], "part bundle 0", "commit " + digest, "commit " + digest, "state"),
                         ["ok serial-csr 1", "no bad", "ok", "ok", "no bad", "ok", *["ok"] * len(puts[1:]), "no none", "ok",
                          "ok", "ok open %d %s" % (len(bundle), digest)])
        self.assertEqual(self.value(self.ask("hello 1", *self.pieces("bundle", len(bundle)))[1:]), bundle)
        self.assertEqual(self.ask("hello 1", "finish " + NONCE, "finish " + digest, "finish " + digest, "state", "sign " + digest,
                                  "key %s replace" % SEED, "bundle 9 " + digest, "commit " + NONCE, "commit " + digest, "prove 00"),
                         ["ok serial-csr 1", "no bad", "ok", "ok", "ok closed %d %s" % (len(bundle), digest), "no closed", "no closed",
                          "no closed", "no closed", "ok", "no bad"])
        proved = self.ask("hello 1", "prove " + NONCE)[1]
        self.signed_by(csr, proof, proved)
        self.assertEqual(self.bench.device_file(self.serial, "bundle.bin").read_bytes(), bundle)

    def request_is_sound(self, csr):
        text = openssl("req", "-inform", "DER", "-noout", "-verify", "-text", data=csr)
        self.assertIn("prime256v1", text)
        self.assertRegex(text, r"challengePassword\s*:\s*%s" % NONCE)

    def signed_by(self, csr, digest, answer):
        """Verifies r and s with the key of the request."""
        raw = bytes.fromhex(answer.removeprefix("ok "))
        self.assertEqual(len(raw), 64)
        numbers = b"".join(b"\2" + bytes([len(n)]) + n for n in (self.integer(raw[:32]), self.integer(raw[32:])))
        with tempfile.TemporaryDirectory() as place:
            key, signature = pathlib.Path(place, "key.pem"), pathlib.Path(place, "signature")
            key.write_text(openssl("req", "-inform", "DER", "-noout", "-pubkey", data=csr))
            signature.write_bytes(b"\x30" + bytes([len(numbers)]) + numbers)
            openssl("pkeyutl", "-verify", "-pubin", "-inkey", key, "-sigfile", signature, data=bytes.fromhex(digest))

    @staticmethod
    def integer(number):
        number = number.lstrip(b"\0") or b"\0"
        return b"\0" + number if number[0] & 0x80 else number

    def test_2_restart_forgets_the_talk_and_keeps_the_store(self):
        self.bench.knob(self.serial, "reset_before", "get:2")
        digest = hashlib.sha256(b"x").hexdigest()
        said = self.ask("hello 1", "key %s keep" % SEED, "bundle 1 " + digest, "get serial", "get serial", "put 0 eA==", "hello 1",
                        "commit " + digest, "key %s keep" % SEED)
        self.assertEqual(said, ["ok serial-csr 1", "ok made", "ok", "ok " + self.serial, "silence", "no hello", "ok serial-csr 1",
                                "no bad", "ok found"])

    def test_3_every_opening_shows_a_banner_and_damaged_requests_are_nothing(self):
        self.ask("hello 1")
        self.ask("hello 1")
        self.assertEqual(self.bench.stats(self.serial)["resets"], 2)
        self.bench.knob(self.serial, "damage", 1000)
        self.assertEqual(self.ask("hello 1"), ["silence"])
        self.assertEqual(self.bench.stats(self.serial)["skipped"], 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["host"]:
        host(sys.argv[2:])
    else:
        unittest.main(verbosity=2)
