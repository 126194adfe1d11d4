#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Leaves per second of processor time, from requests to certificates, ours and others': run_bench_peers.py PROGRAM [--json]

    certs.leaf_csr_KIND_x509       the X509 functions of libcrypto, in a process of their own as ours is
    certs.leaf_csr_KIND_openssl    `openssl ca` with a hundred requests at once
    certs.leaf_csr_KIND_cfssl      `cfssl serve`, one keep-alive connection; only the server's time counts, which holds HTTP and JSON as
                                   ours doesn't
    certs.leaf_csr_p256_process    `openssl ca`, one process per request, with its start

KIND is the CA's key: p256, rsa2048, rsa3072; the devices' keys are P-256. All take their turns in each of ROUNDS rounds; the figures are medians."""
import http.client
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
REQUESTS = 100
SINGLE = 10         # of one process each
KINDS = {"p256": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], 2000),
         "rsa2048": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], 800),
         "rsa3072": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], 200)}
PEERS = {"x509": "the X509 functions of libcrypto", "openssl": "openssl ca, 100 requests at once",
         "cfssl": "cfssl serve with HTTP and JSON, ours has none", "process": "openssl ca, a process per request"}
FLOORS = {"p256_x509": 3.5, "p256_openssl": 5, "p256_cfssl": 3, "p256_process": 60}
CONFIG = """[ca]
default_ca = line
[line]
database = index.txt
new_certs_dir = out
certificate = ca.pem
private_key = plain.key
default_md = sha256
default_days = 365
rand_serial = yes
unique_subject = no
policy = policy
x509_extensions = leaf
[policy]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def quiet(*command, cwd):
    subprocess.run(command, cwd=cwd, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_requests(place):
    for n in range(REQUESTS):
        quiet("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "device.key",
              "-subj", "/CN=unit-%04d" % n, "-out", "%d.pem" % n, cwd=place)
        quiet("openssl", "req", "-in", "%d.pem" % n, "-outform", "DER", "-out", "%d.der" % n, cwd=place)


def make_ca(place, requests, algorithm):
    place.mkdir()
    (place / "out").mkdir()
    (place / "index.txt").touch()
    (place / "openssl.cnf").write_text(CONFIG, encoding="utf-8")
    signing = {"default": {"expiry": "8760h", "usages": ["digital signature", "client auth"]}}
    (place / "cfssl.json").write_text(json.dumps({"signing": signing}))
    (place / "passphrase").touch(mode=0o600)
    (place / "passphrase").write_text("bench\n")
    quiet("openssl", "genpkey", *algorithm, "-out", "plain.key", cwd=place)
    quiet("openssl", "pkcs8", "-topk8", "-in", "plain.key", "-passout", "file:passphrase", "-out", "ca.key", cwd=place)
    (place / "ca.key").chmod(0o600)
    quiet("openssl", "req", "-x509", "-key", "plain.key", "-subj", "/CN=Bench CA", "-days", "3650", "-addext",
          "basicConstraints=critical,CA:true,pathlen:0", "-addext", "keyUsage=critical,keyCertSign", "-out", "ca.pem", cwd=place)
    for file in requests.glob("[0-9]*.*"):
        (place / file.name).symlink_to(file)


def in_process(program, way):
    def turn(place, leaves):
        done = subprocess.run([program, place, way, str(leaves)], stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout)
    return turn


def of_children(work, leaves):
    """Leaves per second of what the children that work() starts and waits for have used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return leaves / (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def openssl_ca(place, *words):
    """Its list of what it issued is read and written whole at each start, so it begins empty."""
    (place / "index.txt").write_text("")
    quiet("openssl", "ca", "-batch", "-notext", "-config", "openssl.cnf", *words, cwd=place)


def at_once(place, _leaves):
    files = ["%d.pem" % n for n in range(REQUESTS)]
    rate = of_children(lambda: openssl_ca(place, "-infiles", *files), REQUESTS)
    if len(list((place / "out").iterdir())) < REQUESTS:
        sys.exit("openssl ca did not issue what it was asked for")
    return rate


def one_by_one(place, _leaves):
    def work():
        for n in range(SINGLE):
            openssl_ca(place, "-in", "%d.pem" % n, "-out", "single.pem")
    return of_children(work, SINGLE)


class Cfssl:
    """A server, and one connection to it."""
    def __init__(self, place):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.process = subprocess.Popen(["cfssl", "serve", "-loglevel", "5", "-address", "127.0.0.1", "-port", str(port), "-ca", "ca.pem",
                                         "-ca-key", "plain.key", "-config", "cfssl.json"],
                                        cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.bodies = [json.dumps({"certificate_request": (place / ("%d.pem" % n)).read_text()}) for n in range(REQUESTS)]
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        end = time.monotonic() + 20
        while True:
            try:
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                break
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.close()
                    sys.exit("cfssl serve does not listen")
                time.sleep(0.05)

    def used_s(self):
        fields = pathlib.Path("/proc/%d/stat" % self.process.pid).read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, body):
        self.connection.request("POST", "/api/v1/cfssl/sign", body, {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        if not answer["success"]:
            sys.exit("cfssl serve refuses: %s" % answer["errors"])
        return answer["result"]["certificate"]

    def turn(self, _place, leaves):
        """Long enough for the clock's ticks of 10 ms, whatever is asked for."""
        leaves = max(leaves, 400)
        before = self.used_s()
        for n in range(leaves):
            self.ask(self.bodies[n % REQUESTS])
        return leaves / max(self.used_s() - before, 0.01)

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()


def check(place, cfssl):
    """What they issue are leaves of this CA, so that like is compared with like."""
    at_once(place, 0)
    made = [next((place / "out").iterdir()).read_text(), cfssl.ask(cfssl.bodies[0])]
    for text in made:
        (place / "made.pem").write_text(text)
        quiet("openssl", "verify", "-CAfile", "ca.pem", "-purpose", "sslclient", "made.pem", cwd=place)


def row(name, own, peer, rate):
    return {"name": "certs.leaf_csr_" + name, "own": own, "unit": "leaves/cpu-s", "against": PEERS[peer], "limit": rate,
            "ratio": round(own / rate, 3), "floor": FLOORS.get(name)}


def columns(m):
    return "%-28s %12.6g %-12s limit %12.6g (%s)  ratio %.3f  floor %s" % (
        m["name"], m["own"], m["unit"], m["limit"], m["against"], m["ratio"], m["floor"] or "-")


def measure(program, kind, place, leaves):
    cfssl = Cfssl(place)
    try:
        check(place, cfssl)
        turns = {"own": in_process(program, "own"), "x509": in_process(program, "stock"), "openssl": at_once, "cfssl": cfssl.turn}
        if kind == "p256":
            turns["process"] = one_by_one
        rates = {name: [] for name in turns}
        for _ in range(ROUNDS):
            for name, turn in turns.items():
                rates[name].append(turn(place, leaves))
    finally:
        cfssl.close()
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return [row("%s_%s" % (kind, name), middle["own"], name, middle[name]) for name in turns if name != "own"]


def main():
    program, good = str(pathlib.Path(sys.argv[1]).resolve()), True
    if not shutil.which("cfssl"):
        sys.exit("cfssl is not installed; `./dev bench` does that")
    with tempfile.TemporaryDirectory(prefix="bench-peers-") as name:
        place = pathlib.Path(name)
        (place / "requests").mkdir()
        make_requests(place / "requests")
        for kind, (algorithm, leaves) in KINDS.items():
            make_ca(place / kind, place / "requests", algorithm)
            for m in measure(program, kind, place / kind, leaves):
                print(json.dumps(m, separators=(",", ":")) if "--json" in sys.argv else columns(m), flush=True)
                good = good and (not m["floor"] or m["ratio"] >= 0.9 * m["floor"])
    sys.exit(0 if good else 1)


main()
