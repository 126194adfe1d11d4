# SPDX-License-Identifier: Apache-2.0
"""A whole factory for tests and the demo: simulated devices, the emulated service, a CA, and a station configured for them.

    with Factory(devices=8) as factory:
        line = factory.start_line()
        factory.plug("SIM0001", 1)
        slot = line.wait_verdict("01")
        assert slot["verdict"] == "PASS"

An engineer's part is done by the station's own verbs: `ca init`, `ca prove`, `group ensure`; the root's key then lies in
vault/, out of the line's sight.
"""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "contract")]
from check import check as check_contract  # noqa: E402
from sim import Bench, BenchError, built, wait_until  # noqa: E402  (re-exported)

STATION = "station/cmd/station"

CONFIG = """# written by tests/sim/factory.py
[station]
name = line-1
role = {role}
state_dir = {place}/state
log_origin = line-1.demo

[ca]
chain = {place}/ca/chain.pem
key = {place}/ca/line.key
log_key = {place}/ca/log.key
passphrase = file:{place}/secrets/passphrase
issue_until = 2035-12-31

[dps]
endpoint = {url}
global_endpoint = {url}
id_scope = {scope}
ca_file = {ca}
policy = {policy}
policy_key = file:{place}/secrets/{policy}
arm_endpoint = {arm_url}
arm_id = {arm_id}
arm_token = file:{place}/secrets/arm-{arm_role}

[profile demo]
{profile}
"""


class Line:
    """A running `station run --json`, and what it has said."""

    def __init__(self, process):
        self.process = process

    @property
    def pid(self):
        return self.process.pid

    def events(self):
        events = []
        for text in self.process.output.splitlines():
            if text.startswith("{"):
                try:
                    events.append(json.loads(text))
                except ValueError:
                    pass    # the last line may still be half written
        return events

    def slots(self, name=None):
        """Every state that a slot (or all) went through."""
        return [e["slot"] for e in self.events() if e["event"] == "slot" and name in (None, e["slot"]["name"])]

    def wait(self, true, timeout_s, what):
        def look():
            value = true()
            if not value and not self.process.running:
                raise BenchError("the line ended with %s before %s:\n%s" % (self.process.popen.returncode, what, self.process.output))
            return value
        return wait_until(look, timeout_s, what, 0.02)

    def wait_ready(self, timeout_s=60):
        self.wait(lambda: any(e["event"] == "line" and e["line"]["state"] == "ready" for e in self.events()), timeout_s, "ready")

    def wait_verdict(self, name, timeout_s=60, nth=1):
        """The slot's state at its nth verdict of this run."""
        def look():
            done, before = [], None
            for slot in self.slots(name):
                if slot["verdict"] and not before:
                    done.append(slot)
                before = slot["verdict"]
            return done[nth - 1] if len(done) >= nth else None
        try:
            return self.wait(look, timeout_s, "verdict %d in slot %s" % (nth, name))
        except BenchError as e:
            raise BenchError("%s\n%s" % (e, self.process.output[-4000:])) from None

    def wait_empty(self, name, timeout_s=20):
        self.wait(lambda: self.slots(name) and self.slots(name)[-1]["state"] == "empty", timeout_s, "slot %s empty" % name)

    def stop(self):
        return self.process.stop(30)

    def kill(self):
        self.process.kill()


def plain_host(url):
    """A machine without /etc/hosts knows no localhost."""
    return url.replace("//localhost:", "//127.0.0.1:")


def sas_token(connection_string, seconds=600):
    """A shared access signature for all of a host, as the service's documents compute it."""
    parts = dict(p.split("=", 1) for p in connection_string.split(";"))
    end = str(int(time.time()) + seconds)
    resource = urllib.parse.quote(parts["HostName"], safe="").lower()
    digest = hmac.new(base64.b64decode(parts["SharedAccessKey"]), (resource + "\n" + end).encode(), hashlib.sha256).digest()
    return "SharedAccessSignature sr=%s&sig=%s&se=%s&skn=%s" % (
        resource, urllib.parse.quote(base64.b64encode(digest), safe=""), end, parts["SharedAccessKeyName"])


def children(pid):
    """The station's own processes beneath a pid, as name → pids."""
    found = {}
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        name, rest = re.match(r"\d+ \((.*)\) (.*)", text, re.S).groups()
        parents[int(entry.name)] = (int(rest.split()[1]), name)
    for child, (parent, name) in parents.items():
        up = parent
        while up in parents and up != pid:
            up = parents[up][0]
        if up == pid:
            found.setdefault(name, []).append(child)
    return found


class Factory(Bench):
    """`profile`: further lines of the profile. `slots`: how many; slot NN is port N of the simulated bus.
    `serial`: so many devices without a TPM, SER0001.., with as many more slots behind the others, under the profile "serial"
    with the lines of `serial_profile`. `profiles`: more of them, as name → (lines, numbers of its slots)."""

    def __init__(self, devices=2, slots=None, profile="", place=None, dps=(), prepare=True, usb=True, station=None, serial=0,
                 serial_profile="attestation = x509-individual\n", profiles=None, floor="", jig=None, custody=None):
        """`floor`: further sections of station.conf ({place} is this factory's directory); `jig`: (rows, columns), which the slots
        fill row by row. `custody`: where the CA's key lives instead of a file, a class of custody.py."""
        super().__init__(devices=devices, place=place, usb=usb, serial=serial)
        self.slots = slots or devices
        self.profile = profile
        self.serial_slots = serial
        self.serial_profile = serial_profile
        self.profiles = profiles or {}
        self.custody = custody(self.dir) if custody else None
        self.clock = None   # what the station thinks of the clock: (whether it is synchronised, seconds that it goes before)
        self.floor, self.jig = floor + (custody.floor if custody else ""), jig
        self.station = str(station or built(STATION))
        try:
            self.start_dps(*(dps or ("--polls", "0")))
            if prepare:
                self.prepare()
        except BaseException:
            self.close()
            raise

    def close(self):
        """Ends everything; what was said to the service, and by it, must have kept the published contract."""
        self.end()
        if self.custody:
            self.custody.close()
        said = self.traffic.exists() and sys.exc_info()[0] is None
        broken = check_contract([self.traffic])[0] if said else []
        super().close()
        if broken:
            raise BenchError("the OpenAPI files say otherwise:\n" + "\n".join(broken))

    def env(self, program=None, **more):
        env = super().env(program, **more)
        if self.clock and str(program) == self.station:
            synchronised, ahead_s = self.clock
            env.update(CLOCK_STATE="0" if synchronised else "5", CLOCK_OFFSET_S=str(ahead_s))
            env["LD_PRELOAD"] = " ".join(filter(None, [env.get("LD_PRELOAD"), built("tests/scenarios/libclock.so")]))
        return env

    # --- an engineer's part

    def secret(self, name, text):
        path = self.dir / "secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)

    def prepare(self):
        """CA, secrets, configuration; the CA proved, the group made."""
        for policy in self.endpoint["policies"]:
            key = re.search(r"SharedAccessKey=(.*)$", policy["connectionString"]).group(1)
            self.secret(policy["keyName"], key)
        for role in ("reader", "contributor"):
            self.secret("arm-" + role, self.endpoint["arm"][role])
        if not (self.dir / "ca").exists():
            self.secret("passphrase", "correct horse battery staple")
            self.make_ca()
        self.write_config("engineer", "owner", "contributor")
        self.write_config("line", "line", "reader")
        self.verb("ca", "prove", "--config", self.dir / "engineer.conf", "--name", "demo-root", "--cert", self.dir / "ca/root.pem",
                  "--key", self.dir / "vault/root.key", "--passphrase", "file:%s/secrets/passphrase" % self.dir)
        self.verb("group", "ensure", "--config", self.dir / "engineer.conf")

    def make_ca(self):
        self.verb("ca", "init", self.dir / "ca", "--name", "Demo", "--log-origin", "line-1.demo",
                  "--passphrase", "file:%s/secrets/passphrase" % self.dir)
        (self.dir / "vault").mkdir()
        (self.dir / "ca/root.key").rename(self.dir / "vault/root.key")
        if self.custody:
            self.custody.take_key(self)

    def policy_name(self, which):
        """The policy of an engineer (all rights) or of a line."""
        for policy in self.endpoint["policies"]:
            if (which == "owner") == ("ServiceConfig" in policy["rights"]) and "EnrollmentWrite" in policy["rights"]:
                return policy["keyName"]
        raise BenchError("no policy for %s" % which)

    def sas_token(self, policy, seconds=600):
        """A ready-made token of a policy of the service."""
        return sas_token(next(p["connectionString"] for p in self.endpoint["policies"] if p["keyName"] == policy), seconds)

    def write_config(self, role, policy, arm_role, name=None, profile=None):
        text = CONFIG.format(place=self.dir, role=role, url=plain_host(self.endpoint["url"]), scope=self.endpoint["idScope"],
                             ca=self.endpoint["ca"], policy=self.policy_name(policy), arm_url=plain_host(self.endpoint["arm"]["url"]),
                             arm_id=self.endpoint["arm"]["id"], arm_role=arm_role,
                             profile=self.profile_lines(self.profile if profile is None else profile))
        if self.serial_slots:
            text += "\n[profile serial]\ndriver = serial_csr\n" + self.serial_profile
        for extra, (lines, _) in self.profiles.items():
            text += "\n[profile %s]\n" % extra + self.profile_lines(lines)
        for n in range(1, self.slots + self.serial_slots + 1):
            text += "\n[slot %02d]\nport = %s\nprofile = %s\n" % (n, self.slot_port(n), self.profile_of(n))
            if self.jig:
                text += "row = %d\ncolumn = %d\n" % ((n - 1) // self.jig[1] + 1, (n - 1) % self.jig[1] + 1)
        if self.jig:
            text += "\n[jig]\nrows = %d\ncolumns = %d\n" % self.jig
        text += "\n" + self.floor.replace("{place}", str(self.dir))
        if self.custody:
            text = re.sub(r"(?m)^key = .*/line\.key$", lambda _: "key = " + self.custody.key, text)
        path = self.dir / ((name or role) + ".conf")
        path.write_text(text)
        return path

    def profile_of(self, slot):
        named = [name for name, (_, slots) in self.profiles.items() if slot in slots]
        return named[0] if named else "demo" if slot <= self.slots else "serial"

    def profile_lines(self, lines):
        """A profile's lines, with what its attestation and its driver need beside them."""
        given = dict(line.split(" = ", 1) for line in lines.splitlines() if " = " in line)
        if given.get("attestation", "x509-group") == "x509-group" and "group" not in given:
            lines = "group = demo-group\n" + lines
        if not given.get("driver", "").endswith("serial_csr") and "ek_roots" not in given:
            lines = "ek_roots = %s/vendor/bundle.pem\n" % self.dir + lines
        return lines

    @staticmethod
    def slot_port(n):
        """The port path of the simulated bus's port n, as the station names it."""
        return "pci-0000:00:14.0-usb-0:" + Bench.port_path(n).split("-", 1)[1]

    # --- the station

    @property
    def config(self):
        return self.dir / "line.conf"

    def verb(self, *words, status=0, **options):
        """A verb of the station, to its end; gives what it said."""
        code, output = self.run([self.station, *words], **options)
        if code != status:
            raise BenchError("station %s: exit status %s\n%s" % (" ".join(str(w) for w in words), code, output))
        return output

    def start_line(self, *words, config=None, ready=True):
        process = self.popen([self.station, "run", "--config", config or self.config, "--json", *words],
                             "line.%d" % len(self.processes))
        line = Line(process)
        if ready:
            line.wait_ready()
        return line

    def ask_line(self, state="state", **request):
        """What the running line whose state lies there answers to a request at its control socket."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(20)
            line.connect(str(self.dir / state / "station.sock"))
            line.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(line.makefile().readline())

    def scan(self, code, state="state"):
        """What the screen says to a code."""
        return self.ask_line(state, do="scan", code=code)

    def report(self):
        return json.loads(self.verb("report", "--config", self.config, "--json"))

    def audit_verify(self, *words, status=0):
        return self.verb("audit", "verify", "--config", self.config, *words, status=status)

    def results(self):
        return self.results_of("state")

    def results_of(self, state):
        """The result files of a line whose state lies there."""
        return {p.stem: json.loads(p.read_text()) for p in (self.dir / state / "results").glob("*.json")}

    def ledger_entries(self, state="state"):
        """Every entry of the audit log."""
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % (self.dir / state / "ledger.db"), uri=True)) as db:
            return [json.loads(entry) for (entry,) in db.execute("SELECT entry FROM entry ORDER BY idx")]

    def stages(self):
        """The names of the pipeline's stages, in order, from the station's own table."""
        return [m.group(1) for m in re.finditer(r"^\| ([a-z-]+) \| (?!touches)", self.verb("stages"), re.M)]

    # --- what others say of it

    def requests(self):
        """The emulated service's own record."""
        path = self.dir / "dps/requests.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def counts(self):
        """The same in numbers: totals, and under "ids" what became of each entry and registration."""
        return self.ask_service("GET", "/_emulator/counts")

    def ask_service(self, method, path, body=None, policy="owner"):
        """A person's own hands on the service: the answer's JSON; None for 204 and 404."""
        question = urllib.request.Request(
            "%s%s?api-version=2021-10-01" % (plain_host(self.endpoint["url"]), path), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self.sas_token(self.policy_name(policy)), "Content-Type": "application/json"})
        context = ssl.create_default_context(cafile=self.endpoint["ca"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        try:
            return json.loads(opener.open(question).read() or "null")
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return None
            raise

    def hub_device(self, hub, device_id):
        """The device as its hub's registry has it, asked with the hub's own key."""
        hub = next(h for h in self.endpoint["hubs"] if h["hostName"] == hub)
        host = hub["hostName"]
        token = sas_token(hub["connectionString"])
        question = urllib.request.Request("%s/devices/%s?api-version=2021-04-12" % (plain_host(hub["url"]), device_id),
                                          headers={"Authorization": token, "Host": host})
        context = ssl.create_default_context(cafile=self.endpoint["ca"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        return json.loads(opener.open(question).read())

    def leaf_of(self, serial):
        """Common name and SHA-256 of the leaf that a device holds, read by OpenSSL's command from the device's storage."""
        pem = self.device_file(serial, "leaf.pem")
        subject = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-subject", "-nameopt", "multiline"], capture_output=True,
                                 text=True, check=True).stdout
        digest = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True,
                                check=True).stdout
        name = re.search(r"commonName\s*=\s*(\S+)", subject).group(1)
        return name, digest.split("=", 1)[1].strip().replace(":", "").lower()


__all__ = ["Bench", "BenchError", "Factory", "Line", "built", "children", "signal", "wait_until", "os"]
