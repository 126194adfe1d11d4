#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What manufacture makes, as OpenSSL's command and the TPM itself see it."""
import importlib.machinery
import importlib.util
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "manufacture"
loader = importlib.machinery.SourceFileLoader("manufacture", str(PROGRAM))
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_loader("manufacture", loader)
manufacture = importlib.util.module_from_spec(spec)
loader.exec_module(manufacture)

EK_CERT_INDEX = 0x01C00002
CC_NV_READ, CC_NV_READ_PUBLIC, CC_READ_PUBLIC = 0x14E, 0x169, 0x173


def plain(tpm, code, handle):
    """A command of one handle and no session: (status, response)."""
    tpm.end.sendall(struct.pack(">HIII", 0x8001, 14, code, handle))
    _, size, status = struct.unpack(">HII", tpm.take(10))
    return status, tpm.take(size - 10)


def ek_public(place):
    """The TPMT_PUBLIC at 0x81010001, or None."""
    with manufacture.Tpm(place) as tpm:
        status, response = plain(tpm, CC_READ_PUBLIC, manufacture.EK_HANDLE)
    return response[2:2 + struct.unpack(">H", response[:2])[0]] if status == 0 else None


def ek_certificate(place):
    """The bytes of NV 0x01c00002, or None."""
    with manufacture.Tpm(place) as tpm:
        status, response = plain(tpm, CC_NV_READ_PUBLIC, EK_CERT_INDEX)
        if status != 0:
            return None
        public = response[2:2 + struct.unpack(">H", response[:2])[0]]
        size, data = struct.unpack(">H", public[-2:])[0], b""
        while len(data) < size:
            piece = min(512, size - len(data))
            answer = tpm.execute(CC_NV_READ, [EK_CERT_INDEX, EK_CERT_INDEX], struct.pack(">HH", piece, len(data)))
            length = struct.unpack(">H", answer[4:6])[0]
            data += answer[6:6 + length]
    return data


def modulus_of(public):
    """The RSA modulus of an EK of the L-1 shape: the last 256 bytes."""
    return public[-256:].hex().upper()


class Manufacture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.temp.name)
        cls.make("--count", "2")
        for prefix, option in (("NOEK", "--no-ek"), ("NOCERT", "--no-cert"), ("FOREIGN", "--foreign-ek"), ("ROGUE", "--rogue-vendor")):
            cls.make("--count", "1", "--prefix", prefix, option)

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    @classmethod
    def make(cls, *words):
        subprocess.run([sys.executable, str(PROGRAM), "--dir", str(cls.dir), *words], check=True)

    def openssl(self, *words, data=None):
        return subprocess.run(["openssl", *words], input=data, capture_output=True)

    def certificate_of(self, serial):
        certificate = ek_certificate(self.dir / "tpm" / serial)
        self.assertIsNotNone(certificate)
        pem = self.openssl("x509", "-inform", "DER", data=certificate)
        self.assertEqual(pem.returncode, 0, pem.stderr)
        return pem.stdout

    def verify(self, serial, authority):
        path = self.dir / (serial + ".pem")
        path.write_bytes(self.certificate_of(serial))
        return self.openssl("verify", "-CAfile", str(self.dir / authority / "root.pem"), "-untrusted",
                            str(self.dir / authority / "issuing.pem"), str(path))

    def test_endorsement_certificate_chains_to_the_vendor(self):
        for serial in ("SIM0001", "SIM0002", "NOEK0001", "FOREIGN0001"):
            done = self.verify(serial, "vendor")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_certificate_is_of_the_key_that_is_persistent(self):
        said = self.openssl("x509", "-noout", "-modulus", data=self.certificate_of("SIM0001")).stdout.decode().strip()
        self.assertEqual(said, "Modulus=" + modulus_of(ek_public(self.dir / "tpm" / "SIM0001")))

    def test_no_two_units_have_the_same_key(self):
        serials = ("SIM0001", "SIM0002", "NOCERT0001", "FOREIGN0001", "ROGUE0001")
        self.assertEqual(len({ek_public(self.dir / "tpm" / s) for s in serials}), len(serials))

    def test_unit_without_key_still_has_its_certificate(self):
        self.assertIsNone(ek_public(self.dir / "tpm" / "NOEK0001"))
        self.certificate_of("NOEK0001")

    def test_unit_without_certificate_still_has_its_key(self):
        self.assertIsNone(ek_certificate(self.dir / "tpm" / "NOCERT0001"))
        self.assertIsNotNone(ek_public(self.dir / "tpm" / "NOCERT0001"))

    def test_foreign_key_is_not_the_certified_one(self):
        said = self.openssl("x509", "-noout", "-modulus", data=self.certificate_of("FOREIGN0001")).stdout.decode().strip()
        self.assertNotEqual(said, "Modulus=" + modulus_of(ek_public(self.dir / "tpm" / "FOREIGN0001")))

    def test_rogue_vendor_is_not_the_vendor(self):
        self.assertNotEqual(self.verify("ROGUE0001", "vendor").returncode, 0)
        self.assertEqual(self.verify("ROGUE0001", "rogue").returncode, 0)

    def test_second_call_makes_nothing_new(self):
        before = ek_public(self.dir / "tpm" / "SIM0001"), (self.dir / "vendor" / "root.pem").read_bytes()
        self.make("--count", "2")
        self.assertEqual(before, (ek_public(self.dir / "tpm" / "SIM0001"), (self.dir / "vendor" / "root.pem").read_bytes()))
        self.assertEqual(sorted(p.name for p in (self.dir / "tpm").iterdir() if p.name.startswith(("SIM", ".SIM"))), ["SIM0001", "SIM0002"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
