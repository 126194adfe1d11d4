#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the corpora csr/, ek_cert/, request/ and leaf/ anew with the openssl tool, and a talk about a request: seeds.py. The
certificates in them end in a thousand years."""
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CSR, SPKI, CSR_FILE, CERT_FILE = (bytes([n]) for n in range(4))
DAYS = "365000"
# of P-256, and the public key whose private key is 1 (FIPS 186-4, D.1.2.3)
GENERATOR = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                          "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")

CONFIG = """
[req]
distinguished_name = name
attributes = attributes
prompt = no
[name]
CN = unit-1
O = Acme
[attributes]
challengePassword = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[issuing]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
[ek]
basicConstraints = critical,CA:FALSE
keyUsage = critical,%(usage)s
extendedKeyUsage = 2.23.133.8.1
subjectAltName = critical,dirName:tpm
[tpm]
0.2.23.133.2.1 = id:53494D00
1.2.23.133.2.2 = sim
2.2.23.133.2.3 = id:00010002
"""


class Maker:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.write("rsa.cnf", CONFIG % {"usage": "keyEncipherment"})
        self.write("p256.cnf", CONFIG % {"usage": "keyAgreement"})

    def write(self, name, text):
        (self.dir / name).write_text(text)

    def openssl(self, *args):
        return subprocess.run(["openssl", *args], cwd=self.dir, check=True, capture_output=True).stdout

    def key(self, name):
        if name.startswith("rsa"):
            self.openssl("genrsa", "-out", name, "2048")
        else:
            self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name)

    def encoded(self, key, form, encoding):
        """The same key in a file that has others write it so."""
        self.openssl("ec", "-in", key, "-conv_form", form, "-param_enc", encoding, "-out", "encoded")
        return "encoded"

    def csr(self, key, *more, config="p256.cnf", form="DER"):
        return self.openssl("req", "-new", "-config", config, "-key", key, "-outform", form, *more)

    def certify(self, key, section, issuer=None, subject="/CN=unit-1", config="rsa.cnf", out="cert.pem"):
        """PEM in a file, DER as the answer; without issuer signed by itself."""
        self.openssl("req", "-new", "-config", config, "-key", key, "-subj", subject, "-out", "request")
        sign = ["-CA", issuer + ".pem", "-CAkey", issuer + ".key"] if issuer else ["-signkey", key]
        self.openssl("x509", "-req", "-in", "request", *sign, "-set_serial", "7", "-days", DAYS, "-extfile", config, "-extensions",
                     section, "-out", out)
        return self.openssl("x509", "-in", out, "-outform", "DER")


def piece(data):
    return len(data).to_bytes(2, "big") + data


def make_csr(m):
    m.key("p256.key")
    m.key("rsa.key")
    yield "p256", CSR + m.csr("p256.key")
    yield "rsa", CSR + m.csr("rsa.key", "-sha384")
    yield "compressed", CSR + m.csr(m.encoded("p256.key", "compressed", "named_curve"))
    yield "extensions", CSR + m.csr("p256.key", "-addext", "subjectAltName=DNS:unit", "-addext", "basicConstraints=CA:TRUE")
    explicit = m.encoded("p256.key", "hybrid", "explicit")
    yield "explicit", CSR + m.csr(explicit)
    yield "spki_explicit", SPKI + m.openssl("pkey", "-in", explicit, "-pubout", "-outform", "DER", "-ec_conv_form", "hybrid",
                                            "-ec_param_enc", "explicit")
    yield "spki_compressed", SPKI + m.openssl("pkey", "-in", "p256.key", "-pubout", "-outform", "DER", "-ec_conv_form", "compressed")
    yield "spki_rsa", SPKI + m.openssl("pkey", "-in", "rsa.key", "-pubout", "-outform", "DER")
    yield "file", CSR_FILE + m.csr("p256.key", form="PEM")
    m.certify("p256.key", "root")
    yield "cert_file", CERT_FILE + (m.dir / "cert.pem").read_bytes()


def make_tpm2(m):
    """For the judge in a conversation: a request and a signature, before and after the question, and what follows from them."""
    def evidence(kind, data):
        return bytes([kind]) + piece(data)

    m.key("p256.key")
    csr, signature = evidence(10, m.csr("p256.key")), evidence(9, bytes(range(64)))
    yield "talk_csr", b"\x04\x00" + b"\x50\x23" + csr + signature + b"\x50\x22\x23\x30\x23\x50\x40\x41"


def make_ek_cert(m):
    for name in ("root.key", "issuing.key", "p256.key", "rsa.key"):
        m.key(name)
    root = m.certify("root.key", "root", subject="/CN=Maker root", out="root.pem")
    issuing = m.certify("issuing.key", "issuing", "root", subject="/CN=Maker issuing", out="issuing.pem")
    makers = piece(root) + piece(issuing)
    yield "rsa", makers + m.certify("rsa.key", "ek", "issuing", subject="/")
    yield "p256", makers + m.certify("p256.key", "ek", "issuing", subject="/", config="p256.cnf") + b"\xff" * 20
    m.key("other.key")
    m.certify("other.key", "root", subject="/CN=Maker root", out="other.pem")
    yield "other_maker", makers + m.certify("p256.key", "ek", "other", subject="/", config="p256.cnf")
    yield "no_endorsement", makers + m.certify("p256.key", "issuing", "issuing", config="p256.cnf")


def header(der):
    """The bytes of tag and length in front of a value, and those of its content."""
    size = der[1]
    return (2, size) if size < 0x80 else (2 + size - 0x80, int.from_bytes(der[2:2 + size - 0x80], "big"))


def first_value(der):
    """The first value inside a DER value, with its tag and length."""
    inside = der[header(der)[0]:]
    return inside[:sum(header(inside))]


def without_lengths(der):
    """DER as fuzz_request.c takes it too."""
    out = b""
    while der:
        start, size = header(der)
        inside, tag = der[start:start + size], der[:1]
        out += tag + without_lengths(inside) + b"\0" if tag[0] & 0x20 else tag + bytes([size]) + inside
        der = der[start + size:]
    return out


def make_request(m):
    """What is signed of requests for the key whose private key is 1; which algorithm signs is the first byte."""
    secret = 31 * b"\0" + b"\1"
    (m.dir / "one.der").write_bytes(bytes.fromhex("30310201010420") + secret + bytes.fromhex("a00a06082a8648ce3d030107"))
    m.openssl("ec", "-inform", "DER", "-in", "one.der", "-out", "one.key")

    def info(key, *more, algorithm=0):
        return bytes([algorithm]) + first_value(m.csr(key, *more))

    def values(key, *more, algorithm=0x80):
        return bytes([algorithm]) + without_lengths(first_value(m.csr(key, *more)))

    yield "p256", info("one.key")
    yield "sha384", info("one.key", "-subj", "/", algorithm=1)
    yield "null_parameters", info("one.key", "-subj", "/CN=unit-1", algorithm=5)
    yield "sha1", info("one.key", "-subj", "/CN=unit-1", algorithm=3)
    yield "names", info("one.key", "-utf8", "-multivalue-rdn", "-subj", "/C=DE+O=Acme\u00e4/OU=x+CN=second/CN=unit-1/emailAddress=a@b.example")
    yield "extensions", info("one.key", "-addext", "subjectAltName=DNS:unit", "-addext", "basicConstraints=CA:TRUE")
    yield "compressed", info(m.encoded("one.key", "compressed", "named_curve"))
    yield "explicit", info(m.encoded("one.key", "uncompressed", "explicit"))
    yield "values", values("one.key")
    yield "values_names", values("one.key", "-utf8", "-multivalue-rdn", "-subj", "/C=DE+O=Acme\u00e4/CN=unit-1/emailAddress=a@b.example",
                                 algorithm=0x82)
    yield "values_compressed", values(m.encoded("one.key", "compressed", "named_curve"), "-addext", "subjectAltName=DNS:unit")


def make_leaf(_):
    """Orders: CA, serial number, seconds from 1950 and milliseconds, days, what the profile adds, the key as it is drawn, the id."""
    def text(what):
        return bytes([0, len(what)]) + what.encode()

    def order(ca, seconds, days, key, name, serial=bytes(range(1, 17)), ms=0, form=0, more=""):
        return (bytes([ca]) + serial + (seconds + 631152000).to_bytes(5, "big") + ms.to_bytes(2, "big") + days.to_bytes(4, "big")
                + bytes([form]) + b"".join(text(more) for bit in (4, 8) if form & bit) + key + text(name))

    def rsa(size, exponent, first, last):
        return b"\2" + bytes([size]) + exponent.to_bytes(4, "big") + bytes([first, last])

    secret, numbers = b"\0" + bytes(range(7, 39)), b"\1" + GENERATOR
    now = 1795392000
    yield "p256", order(0, now, 365, secret, "6rek5qncnygnkzflohxz4u6zlfly6ktm4klsc7xrbgvesqyllnfa")
    yield "long_life", order(1, now, 2555000, numbers, "a-1._:z" + 57 * "0", serial=b"\x7f" + 15 * b"\xff", ms=999)
    yield "small_serial", order(1, -600, 30000, secret, "0", serial=14 * b"\0" + b"\0\x80")
    yield "rsa", order(0, now, 3650, rsa(2, 0xffffffff, 0xff, 1), "ser-0001")
    yield "rsa_ca", order(2, 2524521601, 1, rsa(0, 65537, 0xc1, 7), "unit-1")
    yield "server", order(0, now, 365, secret, "gate-1.line.example", form=15, more="Acme Sensors")
    yield "nothing", order(0, now, 365, b"\3\0\0\0\0", "unit-1")


def main():
    for name, make in (("csr", make_csr), ("ek_cert", make_ek_cert), ("tpm2", make_tpm2), ("request", make_request), ("leaf", make_leaf)):
        (HERE / name).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as directory:
            for seed, content in make(Maker(directory)):
                (HERE / name / seed).write_bytes(content)


if __name__ == "__main__":
    main()
