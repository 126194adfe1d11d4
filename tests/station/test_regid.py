#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`station id` against an independent computation, and against the public vector of Microsoft's own SDK."""
import base64
import hashlib
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

STATION = sys.argv[1]
HERE = pathlib.Path(__file__).resolve().parent

# A public endorsement key whose registration id Microsoft's C SDK printed (azure-iot-sdk-c, issue 271).
GOLDEN_ID = "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa"
GOLDEN_EK = (
    "AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAgAAAAAAAEAopqgkUBwtpr1sCgVJcEZxsJtpmtOAt9K7SjGFe4h"
    "sp6DJ/dd2E5UFzBC+Jp8Fzqf5ukRBkqrAgIuAvHRsruIedk1uarJSLhbDpFLHxFd7iDNcYfrvdgVNT2T9zrvkh2y04WuRQg2D5qf0tZF82jeTjR/YJK7uWha"
    "RwWOwZ3b1XD9l6wFOrwK/Ic0PEsjneFXQzL0n9uKyuHmHNz+wHppmOiMAabvnXXEin9ou7/iowY/+YhFm3j7atsVvxMI5HEM3Mq+W4imUuzPxVX7fZH+oWPK"
    "P5ofpWBTf+MdttGby1AjGnv8JE69JriOYoZG2/4qbsfv9M7a7NFrBlaW7Rt36w==")


def independent_id(tpm2b_public):
    return base64.b32encode(hashlib.sha256(tpm2b_public).digest()).decode().rstrip("=").lower()


def random_public(rng):
    """A marshalled TPM2B_PUBLIC of an RSA-2048 endorsement key with a random modulus."""
    modulus = bytes([0x80 | rng.randrange(128)]) + rng.randbytes(254) + bytes([rng.randrange(256) | 1])
    area = struct.pack(">HHI", 1, 11, 0x000300B2) + struct.pack(">H", 32) + bytes.fromhex(
        "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
    area += struct.pack(">HHHHHI", 6, 128, 0x43, 0x10, 2048, 0) + struct.pack(">H", 256) + modulus
    return struct.pack(">H", len(area)) + area


class Ids(unittest.TestCase):
    def station_id(self, content):
        with tempfile.NamedTemporaryFile() as f:
            f.write(content)
            f.flush()
            return subprocess.run([STATION, "id", "--ek", f.name], capture_output=True, text=True)

    def test_golden_vector_in_binary_and_in_base64(self):
        for form in (base64.b64decode(GOLDEN_EK), GOLDEN_EK.encode(), (GOLDEN_EK + "\n").encode()):
            self.assertEqual(self.station_id(form).stdout, GOLDEN_ID + "\n")

    def test_fifty_random_keys_agree_with_an_independent_computation(self):
        rng = random.Random(2026)
        for n in range(50):
            public = random_public(rng)
            form = public if n % 2 else base64.b64encode(public)
            self.assertEqual(self.station_id(form).stdout.strip(), independent_id(public))

    def test_a_structure_dump_of_tpm2_tools_is_refused_with_what_to_do(self):
        dump = base64.b64encode(b"\x3a\x01\x00\x00\x01\x00\x0b\x00" + os.urandom(300))
        done = self.station_id(dump)
        self.assertEqual(done.returncode, 1)
        self.assertIn("E-BASE-009", done.stderr)
        self.assertIn("size prefix", done.stderr)

    def test_garbage_an_empty_file_and_a_missing_file_are_refused(self):
        for content in (b"", b"hello", base64.b64decode(GOLDEN_EK)[:100], os.urandom(5000)):
            self.assertNotEqual(self.station_id(content).returncode, 0)
        done = subprocess.run([STATION, "id", "--ek", "/nonexistent"], capture_output=True, text=True)
        self.assertIn("E-BASE-002", done.stderr)
        self.assertEqual(subprocess.run([STATION, "id"], capture_output=True).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
