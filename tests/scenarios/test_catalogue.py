#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every row of station/base/err.def happens here, in the real program, and what a person reads is that row.

    test_catalogue.py [ROW...]

A function per row makes the error happen and gives what was read: a verb's words, or a slot of `station run --json`. A row
without a function fails, and so does a function without a row. Rows that one unit can show share a line with many slots (UNITS);
the others have a line or a verb each, several at a time.
"""
import concurrent.futures
import contextlib
import ctypes
import errno
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import BenchError, Factory, Line, built, children, plain_host, wait_until  # noqa: E402
from sim import SOURCE, sanitizer_of  # noqa: E402

AT_ONCE = 4     # rows that happen at the same time
CATALOGUE = re.compile(r'^ERR\((E_\w+), "(E-\w+-\d{3})", ERR_(\w+), ERR_(\w+), "([^"]*)", "([^"]*)", "([^"]*)"\)', re.M)


class Row:
    def __init__(self, name, code, cls, exhausted, happened, todo, whom):
        self.name, self.code, self.classes = name, code, (cls, exhausted)
        self.happened, self.todo, self.whom = happened, todo, whom

    def said_by_verb(self, text):
        """The four things that the program prints of an error."""
        return "%s  %s\n  %s\n  Call: %s." % (self.code, self.happened, self.todo, self.whom) in text

    def said_by_slot(self, slot):
        return (slot["code"], slot["sentence"], slot["todo"], slot["whom"]) == (self.code, self.happened, self.todo, self.whom)


ROWS = {r[0]: Row(*r) for r in CATALOGUE.findall((SOURCE / "station/base/err.def").read_text())}
HAPPENS = {}    # row → function of the stage


def happens(name):
    """The function below makes this row happen."""
    def put(function):
        assert name not in HAPPENS, name
        HAPPENS[name] = function
        return function
    return put


class NotHere(Exception):
    """This machine, or this build, cannot show the row; said with the reason."""


# --- units that show a row, all in one line

class Unit:
    """A unit in a slot of its own: made with `made` (options of tests/pki/manufacture), its knobs turned, its profile's lines."""

    def __init__(self, made=None, profile="", prepare=None, **knobs):
        self.made, self.profile, self.prepare, self.knobs = made or {}, profile, prepare, knobs


def other_key_at(handle, *words):
    """Puts a key that no station made into a unit's TPM."""
    def prepare(stage, serial):
        with stage.factory.swtpm(serial) as tpm:
            for text in ("createprimary -C o -G ecc -c other.ctx", "evictcontrol -C o -c other.ctx %s" % handle, "flushcontext -t"):
                subprocess.run(["tpm2_" + text.split()[0], *text.split()[1:], "-T", "swtpm:path=%s" % tpm], check=True, capture_output=True,
                               cwd=stage.factory.tpms / serial, timeout=30)
    return prepare


def closed(stage, serial):
    """Factory mode is closed, and nothing is known of the unit here."""
    (stage.factory.tpms / serial / "closed").touch()


# Where in a TPM's answers: 10 bytes of header; with a session 4 more of the parameters' size; 2 of each structure's size.
UNITS = {
    "E_USB": Unit(lie="GET_INFO:status:1"),
    "E_USB_GONE": Unit(cut_before="BUNDLE_COMMIT"),
    "E_BRIDGE": Unit(lie="IDENTIFY:0:07"),
    "E_BRIDGE_VERSION": Unit(lie="GET_INFO:4:02"),
    "E_UNIT_STORAGE": Unit(lie="BUNDLE_COMMIT:status:6"),
    "E_UNIT_CLOSED": Unit(lie="BUNDLE_BEGIN:status:5"),
    "E_UNIT_BUSY": Unit(busy=1000000),
    "E_CHILD_SILENT": Unit(delay_ms=600000),
    "E_TPM": Unit(lie="CreatePrimary:6:00000101"),
    "E_TPM_GARBAGE": Unit(lie="GetCapability:0:00c4"),
    "E_EK_MISSING": Unit(made={"no_ek": True}, prepare=closed),
    "E_EK_MISMATCH": Unit(made={"foreign_ek": True}),
    "E_KEY_OTHER": Unit(prepare=other_key_at("0x81000200")),
    "E_EK_TEMPLATE": Unit(lie="ReadPublic:16:00000000"),
    "E_EK_CERT_MISSING": Unit(made={"no_cert": True}),
    "E_EK_CERT_BAD": Unit(lie="NV_Read:16:0000"),
    "E_EK_CHAIN": Unit(made={"rogue_vendor": True}),
    "E_CHALLENGE": Unit(lie="ActivateCredential:16:0000000000000000"),
    "E_CERTIFY": Unit(lie="Certify:16:00"),
    "E_KEY_SILENT": Unit(lie="Sign:22:0000000000000000"),
    "E_READ_BACK": Unit(lie="BUNDLE_READ:20:0000000000000000"),
    "E_SERIAL_MISMATCH": Unit(serial_inside="ANOTHER1"),
    "E_ID_UNIT": Unit(made={"model": "of (no) kind"}, profile="id = template\nid_template = {serial}-{model}"),
}


class Stage:
    """A factory, and what the functions below use of it."""

    def __init__(self):
        self.factory = Factory(devices=24, slots=1, prepare=False)
        self.lock = threading.Lock()
        self.used = 0
        self.rules = []
        self.rules_path = self.factory.dir / "rules.json"
        self.rule()
        self.factory.dps.stop()
        self.factory.start_dps("--polls", "0", "--rules", self.rules_path)
        self.factory.prepare()
        self.good = self.factory.config.read_text()
        self.engineer = (self.factory.dir / "engineer.conf").read_text()

    def close(self):
        self.factory.close()

    # --- places

    def number(self):
        with self.lock:
            self.used += 1
            return self.used

    def unit(self):
        """A good unit that nobody else uses, and a port for it."""
        n = self.number()
        return "SIM%04d" % n, n

    def rule(self, *rules):
        """Further rules of the service; each matches what no other function asks for."""
        with self.lock:
            self.rules += rules
            new = self.rules_path.with_suffix(".new")
            new.write_text(json.dumps(self.rules))
            new.replace(self.rules_path)

    def config(self, name, *changes, text=None, port=None):
        """A line's configuration with a ledger of its own; `changes` are pairs of a regular expression and what stands there instead."""
        text = (text or self.good).replace("/state\n", "/state-%s\n" % name)
        for old, new in changes:
            text, n = re.subn(old, lambda m, new=new: new, text, flags=re.M)
            if not n:
                raise BenchError("%s: the configuration has no %s" % (name, old))
        if port:
            text = text.replace("port = %s\n" % Factory.slot_port(1), "port = %s\n" % Factory.slot_port(port))
        path = self.factory.dir / (name + ".conf")
        path.write_text(text.replace("{dir}", str(self.factory.dir)))
        return path

    def state(self, name):
        return self.factory.dir / ("state-" + name)

    # --- words

    def says(self, *words, status=None, wrapper=(), env=None):
        """What a verb says, which must fail."""
        code, output = self.factory.run([*wrapper, self.factory.station, *words], timeout_s=120, env=env)
        if code == 0 or (status is not None and code != status):
            raise BenchError("%s: exit status %s\n%s" % (" ".join(str(w) for w in words), code, output))
        return output

    def run_says(self, config, **options):
        return self.says("run", "--config", config, status=3, **options)

    # --- lines

    def line(self, config, *words, ready=True):
        process = self.factory.popen([self.factory.station, "run", "--config", config, "--json", *words], "line-%s" % pathlib.Path(config).stem)
        line = Line(process)
        if ready:
            line.wait_ready()
        return line

    def stand_still(self, config, where, serial, port):
        """A line with this unit, stopped before a stage (or when its end is recorded)."""
        line = self.line(config, "--stop-at", where)
        self.factory.plug(serial, port)
        stat = pathlib.Path("/proc/%d/stat" % line.pid)
        wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", 60, "stopped at " + where)
        return line

    def verdict_of(self, line, nth=1):
        return line.wait_verdict("01", 120, nth)

    def ended(self, line):
        line.process.signal(signal.SIGCONT)
        line.process.stop(60)
        return line.process.output


# --- the machine

@happens("E_FILE")
def a_configuration_that_is_not_there(stage):
    return stage.says("check-config", "--config", stage.factory.dir / "nowhere.conf", status=1)


@happens("E_NOMEM")
def a_verb_without_memory(stage):
    """How little is too little differs from machine to machine; between that and what is enough lies the row."""
    if sanitizer_of(stage.factory.station):
        raise NotHere("a sanitizer needs more memory than any limit here allows")
    for kib in range(4096, 65536, 256):
        code, output = stage.factory.run(["prlimit", "--data=%d" % (kib << 10), stage.factory.station, "audit", "verify", "--config", stage.factory.config])
        if "E-BASE-001" in output:
            return output
    raise BenchError("no such limit")


@happens("E_TEXT")
def an_id_that_is_none(stage):
    path = stage.factory.dir / "key.bin"
    path.write_bytes(b"no key")
    return stage.says("id", "--ek", path)


@happens("E_JSON")
def a_line_that_speaks_another_language(stage):
    config = stage.config("json")
    stage.state("json").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stage.state("json") / "station.sock"))
        server.listen()

        def serve():
            peer, _ = server.accept()
            peer.recv(4096)
            peer.sendall(b"who is there?\n")
            peer.close()
        thread = threading.Thread(target=serve)
        thread.start()
        output = stage.says("status", "--config", config)
        thread.join()
    return output


@happens("E_LAUNCHER")
def a_launcher_that_is_killed(stage):
    line = stage.line(stage.config("launcher"))
    os.kill(children(line.pid)["st-launcher"][0], signal.SIGKILL)
    if line.process.wait(60) != 3:
        raise BenchError("the line goes on")
    return line.process.output


@happens("E_LOCKDOWN")
def a_sandbox_that_is_stricter_than_ours(stage):
    return stage.run_says(stage.config("lockdown"), wrapper=[sys.executable, __file__, "--without-seccomp"],
                          env={"LD_PRELOAD": stage.factory.env(stage.factory.station).get("LD_PRELOAD", "")})


@happens("E_CHILD_LOST")
def a_drivers_process_that_is_killed_again_and_again(stage):
    serial, port = stage.unit()
    line = stage.line(stage.config("lost", port=port))
    launcher, = children(line.pid)["st-launcher"]
    over = threading.Event()
    killer = threading.Thread(target=kill_all, args=(launcher, "st-driver", over))
    killer.start()
    try:
        stage.factory.knob(serial, "delay_ms", 300)
        stage.factory.plug(serial, port)
        return stage.verdict_of(line)
    finally:
        over.set()
        killer.join()
        stage.ended(line)


def kill_all(parent, name, over):
    """Kills every child of this name as soon as it is there."""
    while not over.is_set():
        with contextlib.suppress(OSError):
            for victim in pathlib.Path("/proc/%d/task/%d/children" % (parent, parent)).read_text().split():
                if pathlib.Path("/proc/%s/comm" % victim).read_text().strip() == name:
                    os.kill(int(victim), signal.SIGKILL)
        time.sleep(0.005)


@happens("E_STOPPING")
def a_line_that_is_stopped_in_the_middle(stage):
    serial, port = stage.unit()
    line = stage.line(stage.config("stopping", port=port))
    stage.factory.knob(serial, "delay_ms", 200)
    stage.factory.plug(serial, port)
    line.wait(lambda: [s for s in line.slots("01") if s["stage"] == "make-key"], 60, "make-key")
    stage.ended(line)
    return line.slots("01")[-1]


# --- USB

@happens("E_USB_BUS")
def a_machine_without_sysfs(stage):
    empty = stage.factory.dir / "no-sysfs"
    empty.mkdir()
    return stage.says("devices", env={"UMOCKDEV_DIR": empty})


@happens("E_USB_OPEN")
def a_node_that_is_no_device(stage):
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("open", port=port), "detect:before", serial, port)
    try:
        node = node_of(stage, port)
        node.unlink()
        node.write_bytes(b"")
        line.process.signal(signal.SIGCONT)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


def sysfs_of(stage, port):
    return pathlib.Path(stage.factory.env()["UMOCKDEV_DIR"]) / "sys/bus/usb/devices" / Factory.port_path(port)


def node_of(stage, port):
    number = int((sysfs_of(stage, port) / "devnum").read_text())
    return pathlib.Path(stage.factory.env()["UMOCKDEV_DIR"]) / ("dev/bus/usb/001/%03d" % number)


@happens("E_NO_DRIVER")
def a_device_that_the_kernel_never_configures(stage):
    serial, port = stage.unit()
    stage.factory.plug(serial, port)
    wait_until(lambda: (sysfs_of(stage, port) / "bConfigurationValue").exists(), 10, "sysfs")
    (sysfs_of(stage, port) / "bConfigurationValue").write_text("")
    line = stage.line(stage.config("driver", port=port))
    try:
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


# --- identities

@happens("E_CLONE")
def a_copied_tpm_under_another_serial_number(stage):
    serial, port = stage.unit()
    twin = "TWIN1"
    shutil.copytree(stage.factory.tpms / serial, stage.factory.tpms / twin)
    facts = stage.factory.tpms / twin / "device.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "serial": twin}))
    line = stage.line(stage.config("clone", (r"^ek_roots", "finish = no\nek_roots"), port=port))
    try:
        for nth, name in enumerate((serial, twin), 1):
            stage.factory.plug(name, port)
            slot = stage.verdict_of(line, nth)
            stage.factory.unplug(name)
            line.wait_empty("01")
        return slot
    finally:
        stage.ended(line)


@happens("E_UNIT_PROFILE")
def a_unit_that_was_begun_under_another_profile(stage):
    serial, port = stage.unit()
    for changes in ((), ((r"^\[profile demo\]", "[profile other]"), (r"^profile = demo", "profile = other"))):
        line = stage.line(stage.config("profile", *changes, port=port))
        stage.factory.plug(serial, port)
        slot = stage.verdict_of(line)
        stage.factory.unplug(serial)
        stage.ended(line)
    return slot


# --- the configuration, secrets, keys

@happens("E_CONFIG")
def a_configuration_with_ten_mistakes(stage):
    config = stage.config(
        "mistakes", ("role = line", "role = boss"), ("2035-12-31", "tomorrow"), ("^group = demo-group", "groop = demo-group\nkey_handle = 7\nfinish = perhaps"),
        ("policy_key = file:", "policy_key = "), ("^endpoint = https", "endpoint = http"), (r"^\[slot 01\]", "[slot 01]\ncolour = red"),
        ("^profile = demo", "profile = demon"), (r"^id_scope = \S+", "id_scope = a b"), ("^ek_roots = .*", "ek_roots = nowhere.pem"))
    output = stage.says("check-config", "--config", config, status=1)
    listed = re.findall(r"mistakes\.conf:(\d+): .", output)
    if len(listed) < 10 or listed != sorted(listed, key=int):
        raise BenchError("ten mistakes, and these are told:\n" + output)
    return output


@happens("E_ROLE")
def an_engineers_verb_on_a_line(stage):
    return stage.says("group", "ensure", "--config", stage.factory.config, status=1)


@happens("E_USAGE")
def a_verb_that_does_not_exist(stage):
    return stage.says("enrol", status=2)


@happens("E_RUNNING")
def a_question_to_a_line_that_does_not_run(stage):
    return stage.says("status", "--config", stage.config("asleep"), status=1)


@happens("E_SECRET")
def a_secret_that_others_can_read(stage):
    stage.factory.secret("open", "x")
    (stage.factory.dir / "secrets/open").chmod(0o644)
    return stage.run_says(stage.config("secret", (r"^policy_key = \S+", "policy_key = file:{dir}/secrets/open")))


@happens("E_CA_FILE")
def a_passphrase_that_is_another(stage):
    stage.factory.secret("other-passphrase", "wrong horse")
    return stage.run_says(stage.config("passphrase", (r"^passphrase = \S+", "passphrase = file:{dir}/secrets/other-passphrase")))


@happens("E_CA_EXPIRED")
def a_ca_whose_time_to_issue_is_over(stage):
    return stage.run_says(stage.config("expired", (r"^issue_until = \S+", "issue_until = 2020-12-31")))


def other_ca(stage, name):
    place = stage.factory.dir / ("ca-" + name)
    stage.factory.verb("ca", "init", place, "--name", name, "--log-origin", "line-1.demo", "--passphrase",
                       "file:%s/secrets/passphrase" % stage.factory.dir)
    return place


@happens("E_CA_ROOT_HERE")
def a_roots_key_that_was_forgotten_on_the_line(stage):
    place = other_ca(stage, "forgotten")
    return stage.run_says(stage.config("root", (r"^(chain|key|log_key) = \S+/ca/", "\\1"), text=stage.good.replace("/ca/", "/ca-forgotten/")) if False
                          else stage.config("root", text=stage.good.replace("%s/ca/" % stage.factory.dir, "%s/" % place)))


@happens("E_CA_UNVERIFIED")
def a_ca_that_nobody_proved(stage):
    place = other_ca(stage, "unproved")
    (place / "root.key").rename(stage.factory.dir / "vault/unproved.key")
    moved = (("%s/ca/" % stage.factory.dir, "%s/" % place), ("demo-group", "unproved-group"))
    texts = [stage.good, stage.engineer]
    for old, new in moved:
        texts = [t.replace(old, new) for t in texts]
    stage.factory.verb("group", "ensure", "--config", stage.config("unproved-engineer", text=texts[1]))
    return stage.run_says(stage.config("unproved", text=texts[0]))


@happens("E_SIGN")
def a_signer_that_is_killed_again_and_again(stage):
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("signer", port=port), "sign:before", serial, port)
    launcher, = children(line.pid)["st-launcher"]
    over = threading.Event()
    killer = threading.Thread(target=kill_all, args=(launcher, "st-signer", over))
    killer.start()
    try:
        time.sleep(0.3)
        line.process.signal(signal.SIGCONT)
        return stage.verdict_of(line)
    finally:
        over.set()
        killer.join()
        stage.ended(line)


@happens("E_SIGNER_STATE")
def a_ledger_that_was_taken_back(stage):
    config = stage.config("yesterday")
    stage.ended(stage.line(config))
    for path in stage.state("yesterday").glob("ledger.db*"):
        path.unlink()
    return stage.run_says(config)


# --- the ledger

def used_ledger(stage, name):
    """A configuration whose ledger has entries, and no line on it."""
    config = stage.config(name)
    stage.ended(stage.line(config))
    return config, stage.state(name) / "ledger.db"


@happens("E_DB_NEWER")
def a_ledger_of_a_newer_schema(stage):
    config, ledger = used_ledger(stage, "newer")
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        version, = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = %d" % (version + 1))
        db.commit()
    return stage.run_says(config)


@happens("E_DB_LOCKED")
def a_second_line_on_one_ledger(stage):
    config = stage.config("locked")
    line = stage.line(config)
    try:
        return stage.run_says(config)
    finally:
        stage.ended(line)


@happens("E_DB_CORRUPT")
def a_ledger_with_another_file_in_its_place(stage):
    config, ledger = used_ledger(stage, "corrupt")
    ledger.write_bytes(b"These are not the bytes of a database. " * 200)
    return stage.run_says(config)


@happens("E_AUDIT")
def an_entry_that_was_edited(stage):
    config, ledger = used_ledger(stage, "edited")
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        columns = [c[1] for c in db.execute("PRAGMA table_info(entry)")]
        db.execute("DROP TRIGGER IF EXISTS entry_is_never_changed")
        for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'").fetchall():
            db.execute("DROP TRIGGER %s" % name)
        db.execute("UPDATE entry SET entry = replace(CAST(entry AS TEXT), 'line-1', 'line-2') WHERE idx = 0")
        db.commit()
        assert "entry" in columns
    return stage.says("audit", "verify", "--config", config)


@happens("E_DB")
def a_state_directory_that_cannot_be_written(stage):
    """A directory stands where the ledger's own file should."""
    config = stage.config("directory")
    (stage.state("directory") / "ledger.db").mkdir(parents=True)
    return stage.run_says(config)


# --- the cloud

def by_cloud(stage, name, *changes, verb="check-cloud", **options):
    return stage.says(verb, "--config", stage.config(name, *changes), **options)


@happens("E_NET")
def a_service_that_is_not_there(stage):
    return by_cloud(stage, "net", (r"^endpoint = \S+", "endpoint = https://127.0.0.1:1"))


@happens("E_TLS")
def a_tls_connection_that_another_ca_inspects(stage):
    """The certificate is right in all but its issuer."""
    return by_cloud(stage, "tls", (r"^ca_file = \S+", "ca_file = {dir}/ca/root.pem"))


@happens("E_DPS_AUTH")
def a_wrong_key(stage):
    stage.factory.secret("wrong", "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=")
    return by_cloud(stage, "auth", (r"^policy_key = \S+", "policy_key = file:{dir}/secrets/wrong"))


@happens("E_DPS_BUSY")
def a_service_that_asks_for_patience(stage):
    stage.rule({"match": {"path": "/enrollmentGroups/patience"}, "do": {"status": 429, "retry_after": 600}})
    return by_cloud(stage, "busy", ("^group = demo-group", "group = patience"))


@happens("E_DPS_REFUSED")
def a_request_that_the_service_refuses(stage):
    stage.rule({"match": {"path": "/enrollmentGroups/refused"}, "do": {"status": 400, "error_code": 400004}})
    return by_cloud(stage, "refused", ("^group = demo-group", "group = refused"))


@happens("E_DPS_ANSWER")
def an_answer_that_is_no_json(stage):
    """A hub's, or any other server that answers 200 to everything."""
    with page(stage, b"<html>Welcome</html>") as url:
        return by_cloud(stage, "answer", (r"^endpoint = \S+", "endpoint = " + url))


@happens("E_GROUP")
def a_group_that_nobody_made(stage):
    return stage.run_says(stage.config("group", ("^group = demo-group", "group = nobody-made-it")))


@happens("E_PROXY")
def a_proxy_that_asks_for_a_password(stage):
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()
        thread = threading.Thread(target=ask_for_a_password, args=(server, over))
        thread.start()
        try:
            return by_cloud(stage, "proxy", (r"^policy =", "proxy = http://127.0.0.1:%d\npolicy =" % server.getsockname()[1]))
        finally:
            over.set()
            thread.join()


def ask_for_a_password(server, over):
    server.settimeout(0.1)
    while not over.is_set():
        with contextlib.suppress(OSError):
            peer, _ = server.accept()
            with peer:
                peer.settimeout(5)
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"acme\"\r\n"
                             b"Content-Length: 0\r\nConnection: close\r\n\r\n")


@happens("E_CONFLICT")
def a_group_that_holds_another_ca(stage):
    place = other_ca(stage, "second")
    return stage.says("group", "ensure", "--config",
                      stage.config("conflict", text=stage.engineer.replace("%s/ca/" % stage.factory.dir, "%s/" % place)))


@happens("E_REHEARSAL")
def a_unit_whose_first_registration_is_refused(stage):
    serial, port = stage.unit()
    stage.rule({"match": {"path": "/registrations/refused-%s/register" % serial.lower()}, "do": {"status": 401, "error_code": 401002}})
    line = stage.line(stage.config("rehearsal", ("^ek_roots", "id = template\nid_template = refused-{serial}\nek_roots"), port=port))
    try:
        stage.factory.plug(serial, port)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


# --- helpers that are programs

def without_seccomp(words):
    """Runs a program that may not put a seccomp filter on itself any more, as a container may have it."""
    numbers = {"x86_64": (0xc000003e, 317, 157), "aarch64": (0xc00000b7, 277, 167)}.get(platform.machine())
    arch, seccomp, prctl = numbers
    load, jump, ret = 0x20, 0x15, 0x06
    allow, refuse = 0x7fff0000, 0x00050000 | errno.EPERM
    code = [(load, 0, 0, 4), (jump, 0, 5, arch), (load, 0, 0, 0), (jump, 4, 0, seccomp), (jump, 0, 2, prctl), (load, 0, 0, 16), (jump, 1, 0, 22),
            (ret, 0, 0, allow), (ret, 0, 0, refuse)]
    program = b"".join(struct.pack("HBBI", *row) for row in code)
    memory = ctypes.create_string_buffer(program)
    fprog = struct.pack("HxxxxxxP", len(code), ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0      # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.create_string_buffer(fprog), 0, 0) == 0, ctypes.get_errno()     # PR_SET_SECCOMP
    os.execv(words[0], words)


# --- the suite

class Catalogue(unittest.TestCase):
    def test_every_row_has_its_function_and_every_function_its_row(self):
        self.assertEqual(sorted(set(ROWS) - set(HAPPENS) - set(UNITS)), [], "rows that nothing shows")
        self.assertEqual(sorted((set(HAPPENS) | set(UNITS)) - set(ROWS)), [], "functions for rows that are not there")
        self.assertEqual(sorted(set(HAPPENS) & set(UNITS)), [], "rows that are shown twice")

    def check(self, name, said):
        row = ROWS[name]
        with self.subTest(row=name):
            if isinstance(said, Exception):
                raise said
            if isinstance(said, dict):
                self.assertTrue(row.said_by_slot(said), json.dumps(said, indent=1))
                self.assertIn(said["verdict"], {"DEVICE": ("FAIL",), "OPERATOR": ("HOLD",), "STATION": ("HOLD",), "RETRY": ("BUILT",)}[row.classes[1]])
            else:
                self.assertTrue(row.said_by_verb(said), "%s is not in:\n%s" % (row.code, said))

    def test_every_row_reaches_a_person(self):
        wanted = [n for n in ONLY or list(HAPPENS) + list(UNITS)]
        stage = Stage()
        self.addCleanup(stage.close)
        took = {}

        def one(name):
            began = time.monotonic()
            try:
                return HAPPENS[name](stage)
            except (Exception, unittest.SkipTest) as e:     # all others go on
                return e
            finally:
                took[name] = time.monotonic() - began
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            units = pool.submit(run_units, stage, [n for n in wanted if n in UNITS])
            said = {n: pool.submit(one, n) for n in wanted if n in HAPPENS}
            for name, future in said.items():
                if isinstance(future.result(), NotHere):
                    print("%s: not here: %s" % (name, future.result()))
                    continue
                self.check(name, future.result())
            for name, slot in units.result().items():
                self.check(name, slot)
        slow = sorted(took.items(), key=lambda t: -t[1])[:5]
        print("%d rows; the slowest: %s" % (len(wanted), ", ".join("%s %.0f s" % t for t in slow)))


def run_units(stage, names):
    """All of UNITS in one line; gives the slot of each, or what went wrong."""
    if not names:
        return {}
    try:
        text, profiles, slots, places = stage.good, "", "", {}
        for n, name in enumerate(names):
            unit, port, profile = UNITS[name], 40 + n, "demo"
            serial = "BAD%02d" % n + "0001"
            stage.factory.add_devices(1, prefix="BAD%02d" % n, **unit.made)
            if unit.prepare:
                unit.prepare(stage, serial)
            if unit.profile:
                profile = "p%02d" % n
                profiles += "\n[profile %s]\n%s\n%s\n" % (profile, "\n".join(re.findall(r"^(?:group|ek_roots) = .*", text, re.M)), unit.profile)
            slots += "\n[slot %s]\nport = %s\nprofile = %s\n" % (name.removeprefix("E_").lower().replace("_", "-"), Factory.slot_port(port), profile)
            places[name] = serial, port
        text = re.sub(r"^\[slot 01\]\n.*\n.*\n", "", text, flags=re.M) + profiles + slots
        line = stage.line(stage.config("units", text=text))
        for name, (serial, port) in places.items():
            for knob, value in UNITS[name].knobs.items():
                stage.factory.knob(serial, knob, value)
            stage.factory.plug(serial, port)
        said = {}
        for name in names:
            try:
                said[name] = line.wait_verdict(name.removeprefix("E_").lower().replace("_", "-"), 170)
            except BenchError as e:
                said[name] = e
        stage.factory.knob
        stage.ended(line)
        return said
    except Exception as e:
        return {name: e for name in names}


ONLY = []

if __name__ == "__main__":
    if sys.argv[1:2] == ["--without-seccomp"]:
        without_seccomp(sys.argv[2:])
    ONLY = [a for a in sys.argv[1:] if a.startswith("E_")]
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[1:] if not a.startswith("E_")], verbosity=2)
