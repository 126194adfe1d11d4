#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`station id` against independent computations, the public vector of Microsoft's own SDK, and what the openssl tool makes."""
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


# What all encodings of a P-256 point have in common.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
NAMED_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def point_of(spki):
    """The point at the end of a SubjectPublicKeyInfo of the openssl tool, uncompressed: by our own arithmetic."""
    if spki[-68:-65] == b"\x03\x42\x00" and spki[-65] in (4, 6, 7):
        return b"\x04" + spki[-64:]
    assert spki[-33] in (2, 3) and spki[-36:-33] == b"\x03\x22\x00", spki.hex()
    x = int.from_bytes(spki[-32:], "big")
    y = pow(x**3 - 3 * x + B, (P + 1) // 4, P)
    return b"\x04" + spki[-32:] + (y if y % 2 == spki[-33] % 2 else P - y).to_bytes(32, "big")


class Certificates(unittest.TestCase):
    """--csr and --cert, on what the openssl tool makes."""

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.dir = pathlib.Path(self.temporary.name)

    def openssl(self, *args):
        return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=self.dir).stdout

    def key(self, name="key.pem", curve="prime256v1", form="uncompressed", encoding="named_curve"):
        """A fresh key, whose public half others are told in this encoding."""
        self.openssl("ecparam", "-name", curve, "-genkey", "-noout", "-param_enc", encoding, "-conv_form", form, "-out", name)
        return self.dir / name

    def csr(self, key, *more, subject="/CN=ignored", form="PEM"):
        out = self.dir / "unit.csr"
        self.openssl("req", "-new", "-key", key, "-subj", subject, "-outform", form, "-out", out, *more)
        return out

    def station_id(self, option, path):
        return subprocess.run([STATION, "id", option, str(path)], capture_output=True, text=True)

    def refused(self, option, path, code):
        done = self.station_id(option, path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(code, done.stderr)

    def test_csr_gives_the_hash_of_the_public_key_in_its_canonical_form(self):
        for encoding in ("named_curve", "explicit"):
            for form in ("uncompressed", "compressed", "hybrid"):
                key = self.key(form=form, encoding=encoding)
                spki = self.openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-ec_conv_form", form,
                                    "-ec_param_enc", encoding)
                self.assertEqual(spki.startswith(NAMED_P256 + b"\x04"), (encoding, form) == ("named_curve", "uncompressed"))
                expected = independent_id(NAMED_P256 + point_of(spki))
                for file_form in ("PEM", "DER"):
                    csr = self.csr(key, form=file_form)
                    self.assertEqual(self.station_id("--csr", csr).stdout, expected + "\n", (encoding, form, file_form))

    def test_one_key_gives_one_id_in_every_encoding(self):
        key, ids, requests = self.key(), set(), set()
        for encoding in ("named_curve", "explicit"):
            for form in ("uncompressed", "compressed", "hybrid"):
                other = self.dir / "other.pem"
                self.openssl("ec", "-in", key, "-param_enc", encoding, "-conv_form", form, "-out", other)
                csr = self.csr(other, form="DER")
                requests.add(csr.read_bytes()[4:-80])   # without the signature, whose bytes and length are of chance
                ids.add(self.station_id("--csr", csr).stdout)
        self.assertEqual((len(ids), len(requests)), (1, 6))

    def test_rsa_key_gives_the_hash_of_its_public_key(self):
        for bits in (2048, 3072):
            self.openssl("genrsa", "-out", "rsa.pem", bits)
            spki = self.openssl("pkey", "-in", "rsa.pem", "-pubout", "-outform", "DER")
            self.assertEqual(self.station_id("--csr", self.csr("rsa.pem")).stdout, independent_id(spki) + "\n")

    def test_rsa_key_without_parameters_is_the_same_key(self):
        """A request made by hand, since the tool always writes NULL."""
        def der(tag, *parts):
            body = b"".join(parts)
            size = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2, "big")
            return bytes([tag]) + size + body

        self.openssl("genrsa", "-out", "rsa.pem", 2048)
        spki = self.openssl("pkey", "-in", "rsa.pem", "-pubout", "-outform", "DER")
        oid, with_null = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("300d06092a864886f70d0101010500")
        at = spki.index(with_null)
        info = der(0x30, b"\x02\x01\x00", der(0x30), der(0x30, der(0x30, oid), spki[at + len(with_null):]), b"\xa0\x00")
        (self.dir / "info").write_bytes(info)
        signature = self.openssl("dgst", "-sha256", "-sign", "rsa.pem", "info")
        csr = self.dir / "bare.csr"
        csr.write_bytes(der(0x30, info, bytes.fromhex("300d06092a864886f70d01010b0500"), der(0x03, b"\0", signature)))
        self.assertNotIn(with_null, csr.read_bytes())
        self.assertEqual(self.station_id("--csr", csr).stdout, independent_id(spki) + "\n")

    def test_subject_and_text_around_a_request_change_nothing(self):
        key = self.key()
        ids = {self.station_id("--csr", self.csr(key, *more, subject=subject)).stdout
               for more in ((), ("-text",), ("-newhdr",), ("-addext", "basicConstraints=CA:TRUE"))
               for subject in ("/CN=a", "/O=Other/CN=Not An Id", "/")}
        self.assertEqual(len(ids), 1)

    def test_keys_of_other_kinds_are_refused(self):
        for curve in ("secp384r1", "secp256k1"):
            for encoding in ("named_curve", "explicit"):
                self.refused("--csr", self.csr(self.key(curve=curve, encoding=encoding)), "E-ATT-007")
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", "ed.pem")
        self.refused("--csr", self.csr("ed.pem"), "E-ATT-007")
        self.openssl("genrsa", "-out", "weak.pem", 1024)
        self.refused("--csr", self.csr("weak.pem"), "E-ATT-007")
        self.openssl("genrsa", "-3", "-out", "three.pem", 2048)
        self.refused("--csr", self.csr("three.pem"), "E-ATT-007")

    def test_request_that_is_damaged_weakly_signed_or_none_is_refused(self):
        csr = self.csr(self.key(), form="DER")
        whole = csr.read_bytes()
        for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-1], whole + b"\0", b"", b"hello\n"):
            csr.write_bytes(damaged)
            self.refused("--csr", csr, "E-ATT-011")
        self.refused("--csr", self.csr(self.key(), "-sha1"), "E-ATT-011")
        self.refused("--csr", self.certificate("/CN=unit-1"), "E-ATT-011")
        self.refused("--csr", self.dir / "absent", "E-BASE-002")

    def certificate(self, subject, form="PEM"):
        out = self.dir / "unit.crt"
        self.openssl("req", "-new", "-x509", "-key", self.key(), "-subj", subject, "-outform", form, "-out", out, "-utf8")
        return out

    def test_certificate_gives_its_common_name(self):
        for name in ("unit-1", "a", "x" * 64, "0.a_b:c-9"):
            for form in ("PEM", "DER"):
                done = self.station_id("--cert", self.certificate("/O=Acme/CN=" + name, form))
                self.assertEqual((done.stdout, done.returncode), (name + "\n", 0))

    def test_first_certificate_of_a_chain_is_the_units(self):
        leaf = self.certificate("/CN=unit-1").read_bytes()
        issuer = self.certificate("/CN=Line CA").read_bytes()
        chain = self.dir / "chain.pem"
        chain.write_bytes(self.openssl("pkey", "-in", self.key()) + leaf + issuer)
        self.assertEqual(self.station_id("--cert", chain).stdout, "unit-1\n")

    def test_common_name_that_is_no_registration_id_is_refused(self):
        for name in ("Unit-1", "unit 1", "-unit", "unit-", "unit\u00e9", "a+b"):
            self.refused("--cert", self.certificate("/CN=" + name.replace("+", "\\+")), "E-ID-001")
        self.refused("--cert", self.certificate("/O=Acme"), "E-ID-001")

    def test_file_that_is_no_certificate_is_refused(self):
        for content in (b"", b"hello", os.urandom(500), self.csr(self.key()).read_bytes(), self.csr(self.key(), form="DER").read_bytes()):
            (self.dir / "file").write_bytes(content)
            self.refused("--cert", self.dir / "file", "E-BASE-009")

    def test_exactly_one_source_is_asked_for(self):
        csr = self.csr(self.key())
        done = subprocess.run([STATION, "id", "--csr", csr, "--cert", csr], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("E-CFG-003", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
