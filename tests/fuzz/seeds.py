#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the corpora csr/ and ek_cert/ anew with the openssl tool, and a talk about a request: seeds.py. The certificates in them end in a
thousand years."""
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CSR, SPKI, CSR_FILE, CERT_FILE = (bytes([n]) for n in range(4))
DAYS = "365000"

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


def main():
    for name, make in (("csr", make_csr), ("ek_cert", make_ek_cert), ("tpm2", make_tpm2)):
        (HERE / name).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as directory:
            for seed, content in make(Maker(directory)):
                (HERE / name / seed).write_bytes(content)


if __name__ == "__main__":
    main()
