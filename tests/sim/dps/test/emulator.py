# SPDX-License-Identifier: Apache-2.0
"""What the emulator's tests stand on: a running emulator, an independent client, certificates by openssl."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

PROGRAM = os.environ.get("DPS_EMULATOR", "")
VERSION = "2021-10-01"
LEAF = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"


def openssl(*args, text=None):
    return subprocess.run(["openssl", *args], input=text, check=True, capture_output=True, text=True).stdout


class Pki:
    """Certificates made by the openssl command. Each has .pem (itself), .chain and .key files."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def make(self, cn, issuer=None, extensions=LEAF, days="30", key=None):
        self.count += 1
        base = os.path.join(self.folder, f"{self.count}")
        if not key:
            key = base + ".key"
            openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        with open(base + ".ext", "w") as f:
            f.write(extensions)
        subject = ["-subj", "/CN=" + cn]
        openssl("req", "-new", "-key", key, *subject, "-out", base + ".csr")
        sign = ["-CA", issuer.pem, "-CAkey", issuer.key] if issuer else ["-signkey", key]
        openssl("x509", "-req", "-in", base + ".csr", *sign, "-days", days, "-extfile", base + ".ext",
                "-set_serial", str(1000 + self.count), "-out", base + ".pem")
        return Cert(base + ".pem", key, issuer)

    def authority(self, cn, issuer=None):
        return self.make(cn, issuer, AUTHORITY)


class Cert:
    def __init__(self, pem, key, issuer):
        self.pem, self.key, self.issuer = pem, key, issuer
        with open(pem) as f:
            self.text = f.read()
        self.der = ssl.PEM_cert_to_DER_cert(self.text)
        self.sha1 = hashlib.sha1(self.der).hexdigest().upper()
        self.sha256 = hashlib.sha256(self.der).hexdigest().upper()

    def chain(self, *others):
        """A file with this certificate and the others behind it, as a device would send them."""
        path = self.pem + "-" + "-".join(str(len(o.der)) + o.sha1[:6] for o in others) + ".chain"
        with open(path, "w") as f:
            f.write(self.text + "".join(o.text for o in others))
        return path


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        self.json = json.loads(raw) if raw else None

    @property
    def code(self):
        return self.json.get("errorCode") if isinstance(self.json, dict) else None


def parse_connection_string(text):
    return dict(part.split("=", 1) for part in text.split(";"))


def sas(connection_string, sr=None, ttl=600, key=None, order=("sr", "sig", "se", "skn")):
    """A shared access signature; sr is signed and sent exactly as given."""
    cs = parse_connection_string(connection_string)
    sr = cs["HostName"] if sr is None else sr
    se = str(int(time.time()) + ttl)
    secret = base64.b64decode(key or cs["SharedAccessKey"])
    sig = base64.b64encode(hmac.new(secret, f"{sr}\n{se}".encode(), hashlib.sha256).digest()).decode()
    part = {"sr": sr, "sig": urllib.parse.quote(sig, safe=""), "se": se, "skn": cs["SharedAccessKeyName"]}
    return "SharedAccessSignature " + "&".join(f"{k}={part[k]}" for k in order)


class Emulator:
    def __init__(self, folder, *args):
        self.state = os.path.join(folder, "state")
        self.args = args
        self.start()

    def start(self, *args):
        self.process = subprocess.Popen([PROGRAM, "--state", self.state, *self.args, *args],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        if self.process.poll() is not None:
            raise RuntimeError(self.process.stderr.read())
        with open(os.path.join(self.state, "endpoint.json")) as f:
            self.endpoint = json.load(f)
        self.port = int(self.endpoint["url"].rsplit(":", 1)[1])
        self.scope = self.endpoint["idScope"]
        self.owner = self.endpoint["serviceConnectionString"]
        self.tls = {}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err

    def policy(self, name):
        return next(p["connectionString"] for p in self.endpoint["policies"] if p["keyName"] == name)

    def context(self, cert=None, chain=None):
        key = (cert.pem if cert else None, chain)
        if key not in self.tls:
            ctx = ssl.create_default_context(cafile=self.endpoint["ca"])
            if cert:
                ctx.load_cert_chain(chain or cert.pem, cert.key)
            self.tls[key] = ctx
        return self.tls[key]

    def connect(self, cert=None, chain=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.context(cert, chain))

    def send(self, method, path, body=None, headers=None, auth=None, cert=None, chain=None, connection=None):
        head = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body and "Content-Type" not in head:
            head["Content-Type"] = "application/json; charset=utf-8"
        if auth:
            head["Authorization"] = auth
        link = connection or self.connect(cert, chain)
        try:
            link.request(method, path, body, head)
            got = link.getresponse()
            return Answer(got.status, got.headers, got.read())
        finally:
            if not connection:
                link.close()

    def service(self, method, path, body=None, auth=None, version=VERSION, **headers):
        """The service plane as owner, headers given as keyword arguments (if_match='*')."""
        names = {"if_match": "If-Match", "max_items": "x-ms-max-item-count", "more": "x-ms-continuation",
                 "content_type": "Content-Type"}
        head = {names[k]: v for k, v in headers.items() if v is not None}
        query = f"?api-version={version}" if version else ""
        return self.send(method, path + query, body, head, auth or sas(self.owner))

    def put_group(self, name, signer=None, **fields):
        body = {"enrollmentGroupId": name, **fields}
        if signer:
            body["attestation"] = signing(signer.text)
        return self.service("PUT", f"/enrollmentGroups/{name}", body, if_match=fields.pop("if_match", None))

    def device(self, method, path, cert=None, chain=None, body=None, version="2021-06-01"):
        return self.send(method, f"/{self.scope}/registrations/{path}?api-version={version}", body,
                         cert=cert, chain=chain)

    def register(self, name, cert, chain=None):
        """The whole registration; the final answer."""
        first = self.device("PUT", name + "/register", cert, chain, {"registrationId": name})
        if first.status != 202:
            return first
        for _ in range(20):
            last = self.device("GET", f"{name}/operations/{first.json['operationId']}", cert, chain)
            if last.status != 202:
                return last
        raise AssertionError("never done")

    def hub(self, method, path, hub=0, body=None, auth=None, **headers):
        entry = self.endpoint["hubs"][hub]
        head = {"If-Match": headers["if_match"]} if "if_match" in headers else {}
        return self.send(method, f"/hubs/{entry['hostName']}{path}?api-version=2021-04-12", body, head,
                         auth or sas(entry["connectionString"]))

    def arm(self, method, path="", body=None, role="contributor", if_match=None):
        head = {"If-Match": if_match} if if_match else {}
        token = self.endpoint["arm"].get(role, role)
        return self.send(method, f"{self.endpoint['arm']['id']}{path}?api-version=2022-12-12", body, head,
                         "Bearer " + token)

    def curl(self, path, *args):
        """The curl command's exit code and its output, as owner of the service."""
        done = subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", self.endpoint["ca"], "-H",
                               "Authorization: " + sas(self.owner), *args, urllib.parse.urljoin(self.endpoint["url"], path)],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def record(self):
        with open(os.path.join(self.state, "requests.jsonl")) as f:
            return [json.loads(line) for line in f]

    def secrets(self):
        found = set(re.findall(r"SharedAccessKey=([^\"]+)", json.dumps(self.endpoint)))
        for place in (self.endpoint["bearer"], self.endpoint["arm"]):
            found |= {place["reader"], place["contributor"]}
        return found


def signing(text, slot="primary"):
    return {"type": "x509", "x509": {"signingCertificates": {slot: {"certificate": text}}}}


def client(text, slot="primary"):
    return {"type": "x509", "x509": {"clientCertificates": {slot: {"certificate": text}}}}


def ek(bits=2048, kind=1, algorithm=0x0b, attributes=0x300B2, modulus=None):
    """base64 of a TPM2B_PUBLIC in the template of an endorsement key, its modulus as good as random."""
    modulus = modulus if modulus is not None else bytes([0x80 | os.urandom(1)[0]]) + os.urandom(bits // 8 - 2) + b"\x0b"
    policy = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
    area = struct.pack(">HHIH", kind, algorithm, attributes, len(policy)) + policy
    area += struct.pack(">HHHHHIH", 6, 128, 0x43, 0x10, bits, 0, len(modulus)) + modulus
    return base64.b64encode(struct.pack(">H", len(area)) + area).decode()


class Case(unittest.TestCase):
    """One emulator and one PKI for all tests of a class; the record is searched for secrets at the end."""
    args = ()

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="dps-emulator-")
        cls.folder = cls.temporary.name
        cls.pki = Pki(cls.folder)
        cls.root = cls.pki.authority("Product Root")
        cls.line = cls.pki.authority("Line CA", cls.root)
        cls.prepare()
        cls.emulator = Emulator(cls.folder, "--verified-ca", cls.root.pem, *cls.args)

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        code, err = cls.emulator.stop()
        with open(os.path.join(cls.emulator.state, "requests.jsonl")) as f:
            record = f.read()
        leaked = [s for s in cls.emulator.secrets() if s in record]
        cls.temporary.cleanup()
        if code != 0 or "anitizer" in err:
            raise AssertionError(f"the emulator ended with {code}: {err}")
        if leaked or "SharedAccessSignature" in record:
            raise AssertionError("a secret stands in requests.jsonl")

    def refused(self, answer, code, status=None):
        self.assertEqual((answer.status, answer.code), (status or code // 1000, code), answer.raw)


def main():
    global PROGRAM
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        PROGRAM = os.path.abspath(sys.argv.pop(1))
    sys.modules["emulator"].PROGRAM = PROGRAM
    unittest.main(module="__main__")
