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
import datetime
import errno
import fcntl
import http.server
import json
import os
import pathlib
import platform
import queue
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from custody import Token, Tpm  # noqa: E402
from factory import BenchError, Factory, Line, built, children, wait_until  # noqa: E402
from mes import Mes  # noqa: E402
from sim import SOURCE, sanitizer_of  # noqa: E402
from trail import Trail  # noqa: E402

STAGES = 3      # rows that happen at the same time, beside the line with all UNITS
DEVICES = 30    # good ones, of each stage
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

    def said_by_screen(self, talk):
        return (talk["code"], talk["sentence"], talk["todo"]) == (self.code, self.happened, self.todo)


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
    """A unit in a slot of its own: made with `made` (options of tests/pki/manufacture) or without a TPM, its knobs turned, its
    profile's lines."""

    def __init__(self, made=None, serial=False, profile="", prepare=None, **knobs):
        self.made, self.serial, self.prepare, self.knobs = made or {}, serial, prepare, knobs
        self.profile = "driver = serial_csr" if serial else profile


def tools(stage, serial, *commands):
    """tpm2-tools at the TPM of a unit that is not plugged in."""
    with stage.factory.swtpm(serial) as tpm:
        for text in commands:
            subprocess.run(["tpm2_" + text.split()[0], *text.split()[1:], "-T", "swtpm:path=%s" % tpm], check=True, capture_output=True,
                           cwd=stage.factory.dir, timeout=30)


def a_file_that_is_no_capture(stage, serial):
    (stage.factory.dir / "capture.txt").write_text("Once upon a time\n")


def a_key_that_no_station_made(stage, serial):
    tools(stage, serial, "createprimary -C o -G ecc -c other.ctx", "evictcontrol -C o -c other.ctx 0x81000200", "flushcontext -t")


def endorsement_key_of_a_curve(stage, serial):
    tools(stage, serial, "createek -G ecc -c 0x81010001 -u ek.pub", "flushcontext -t")


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
    "E_KEY_OTHER": Unit(prepare=a_key_that_no_station_made),
    "E_EK_TEMPLATE": Unit(lie="ReadPublic:16:00000000"),
    "E_EK_CERT_MISSING": Unit(made={"no_cert": True}),
    "E_EK_CERT_BAD": Unit(lie="NV_Read:16:0000"),
    "E_EK_CHAIN": Unit(made={"rogue_vendor": True}),
    "E_CHALLENGE": Unit(lie="ActivateCredential:16:0000000000000000"),
    "E_CERTIFY": Unit(lie="Certify:16:00"),
    "E_KEY_SILENT": Unit(lie="Sign:22:0000000000000000"),
    "E_READ_BACK": Unit(lie="BUNDLE_READ:20:0000000000000000"),
    "E_SERIAL_MISMATCH": Unit(serial_inside="ANOTHER1"),
    "E_SERIAL_VERSION": Unit(serial=True, version=2),
    "E_CAPTURE": Unit(profile="driver = replay({dir}/capture.txt):tpm_bridge", prepare=a_file_that_is_no_capture),
    "E_EK_KIND": Unit(made={"no_ek": True, "no_cert": True}, prepare=endorsement_key_of_a_curve, profile="attestation = tpm\nek_certificate = optional"),
    "E_ID_UNIT": Unit(made={"model": "of (no) kind"}, profile="id = template\nid_template = {serial}-{model}"),
}


class Stage:
    """A factory of its own, and what the functions below use of it. One function at a time has it: on a simulated bus one process
    hears of what comes and goes."""

    def __init__(self):
        self.factory = Factory(devices=DEVICES, slots=1, prepare=False)
        self.numbers = self.units = 0
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
        self.numbers += 1
        return self.numbers

    def unit(self):
        """A good unit that nobody has used, and a port for it."""
        self.units += 1
        return "SIM%04d" % self.units, self.units

    def rule(self, *rules):
        """Further rules of the service, until the function is done."""
        self.rules += rules
        new = self.rules_path.with_suffix(".new")
        new.write_text(json.dumps(self.rules))
        new.replace(self.rules_path)

    def clear(self):
        """As the next function wants to find it."""
        for process in list(self.factory.processes):
            if process.log.name.startswith("line-") and process.running:
                process.kill()
        self.factory.unplug_all()
        self.rules = []
        self.rule()

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

    def within(self, wrapper, *words):
        """Status and words of a verb that another program starts."""
        env = {"LD_PRELOAD": self.factory.env(self.factory.station).get("LD_PRELOAD", "")}
        return self.factory.run([*wrapper, self.factory.station, *words], env=env)

    def says(self, *words, status=None):
        """What a verb says, which must fail."""
        code, output = self.factory.run([self.factory.station, *words], timeout_s=120)
        if code == 0 or (status is not None and code != status):
            raise BenchError("%s: exit status %s\n%s" % (" ".join(str(w) for w in words), code, output))
        return output

    def run_says(self, config):
        return self.says("run", "--config", config, status=3)

    def status(self, config):
        return json.loads(self.factory.verb("status", "--config", config, "--json"))

    # --- lines

    def line(self, config, *words, ready=True):
        process = self.factory.popen([self.factory.station, "run", "--config", config, "--json", *words], "line-%d" % self.number())
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
        return line.wait_verdict("01", 60, nth)

    def ended(self, line):
        line.process.signal(signal.SIGCONT)
        line.process.stop(60)
        self.factory.unplug_all()
        return line.process.output


# --- the machine

@happens("E_FILE")
def a_configuration_that_is_not_there(stage):
    return stage.says("check-config", "--config", stage.factory.dir / "nowhere.conf", status=1)


@happens("E_NOMEM")
def a_verb_without_memory(stage):
    """Between too little to start a program at all and enough lies the row."""
    if sanitizer_of(stage.factory.station):
        raise NotHere("a sanitizer needs more memory than any such limit allows")
    config = stage.factory.dir / "long.conf"
    config.write_text("# a long story\n" * 17000)

    def at(kib):
        return stage.within(["prlimit", "--data=%d" % (kib << 10)], "check-config", "--config", config)
    too_little, enough = 256, 65536
    while enough - too_little > 64:
        middle = (too_little + enough) // 2
        code, output = at(middle)
        if "E-BASE-001" in output:
            return output
        too_little, enough = (too_little, middle) if "E-CFG-001" in output else (middle, enough)
    raise BenchError("there is no such limit below %d KiB" % enough)


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
    if line.process.wait(60) != 4:
        raise BenchError("the line goes on")
    return line.process.output


@happens("E_LOCKDOWN")
def a_sandbox_that_is_stricter_than_ours(stage):
    _, output = stage.within([sys.executable, __file__, "--without-seccomp"], "run", "--config", stage.config("lockdown"))
    return output


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
    return [s for s in line.slots("01") if s["verdict"]][-1]


# --- USB

@happens("E_USB_BUS")
def a_bus_that_cannot_be_opened(stage):
    """libusb has no descriptor left for it."""
    for most in range(4, 40):
        code, output = stage.within(["prlimit", "--nofile=%d" % most], "devices")
        if code == 1 and "E-USB" in output:
            return output
    raise BenchError("no such limit")


@happens("E_USB_OPEN")
def a_node_that_cannot_be_opened(stage):
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("open", port=port), "detect:before", serial, port)
    try:
        node = node_of(stage, port)
        node.unlink()
        node.mkdir()
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


@happens("E_LINE_RUNS")
def a_jig_is_taught_while_the_line_runs(stage):
    config = stage.config("taught")
    line = stage.line(config)
    try:
        return stage.says("slots", "learn", "--config", config, "--rows", "1", "--columns", "1", status=1)
    finally:
        line.stop()


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
    return stage.run_says(stage.config("root", text=stage.good.replace("%s/ca/" % stage.factory.dir, "%s/" % place)))


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
    config, ledger = used_ledger(stage, "yesterday")
    for path in ledger.parent.glob("ledger.db*"):
        path.unlink()
    return stage.run_says(config)


# --- the ledger

def used_ledger(stage, name):
    """A configuration on whose ledger a unit stands, and no line on it."""
    serial, port = stage.unit()
    config = stage.config(name, port=port)
    line = stage.line(config)
    stage.factory.plug(serial, port)
    slot = stage.verdict_of(line)
    if slot["verdict"] != "PASS":
        raise BenchError(json.dumps(slot))
    stage.factory.unplug(serial)
    stage.ended(line)
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


@happens("E_DB_BEHIND")
def a_copy_that_lacks_what_a_newer_ledger_has(stage):
    config, ledger = used_ledger(stage, "behind")
    copy = ledger.with_name("copy.db")
    stage.factory.verb("ledger", "backup", "--config", config, copy)
    stage.ended(stage.line(config))     # which signs a checkpoint that the copy has not
    return stage.says("ledger", "restore", "--config", config, copy)


@happens("E_AUDIT")
def an_entry_that_was_edited(stage):
    config, ledger = used_ledger(stage, "edited")
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'").fetchall():
            db.execute("DROP TRIGGER %s" % name)
        index, entry = db.execute("SELECT idx, entry FROM entry WHERE type = 'visit' LIMIT 1").fetchone()
        db.execute("UPDATE entry SET entry = ? WHERE idx = ?", (entry.replace(b"SIM", b"SIN"), index))
        db.commit()
    return stage.says("audit", "verify", "--config", config)


@happens("E_DB")
def a_state_directory_that_cannot_be_written(stage):
    """A directory stands where the ledger's own file should."""
    config = stage.config("directory")
    (stage.state("directory") / "ledger.db").mkdir(parents=True)
    return stage.run_says(config)


# --- a witness of the audit log

@contextlib.contextmanager
def witnessed(sizes):
    """A log that was signed at these sizes, its export at each, and a witness who saw the last."""
    with Trail() as trail:
        before = 0
        for size in sizes:
            trail.fill(size - before)
            before = size
            shutil.copy(trail.ledger, trail.dir / ("at-%d.db" % size))
            trail.export(trail.dir / ("tiles-%d" % size))
        trail.verb("witness", "init", trail.dir / "witness", "--name", "witness.test", "--passphrase", trail.passphrase)
        trail.verb("witness", "watch", trail.dir / "witness", trail.vkey)
        cosign(trail, "tiles-%d" % before, 0)
        yield trail


def cosign(trail, log, status=1):
    return trail.verb("witness", "cosign", trail.dir / "witness", trail.dir / log, "--passphrase", trail.passphrase, "--out",
                      trail.dir / "cosigned", status=status)


@happens("E_WITNESS_LOG")
def a_log_that_another_key_signs(stage):
    with witnessed([10]) as trail:
        trail.make_ca("other")
        trail.fill(20, ledger=trail.dir / "other.db", ca="other")
        trail.vkey = trail.dir / "other/log.vkey"
        trail.export(trail.dir / "tiles", trail.dir / "other.db")
        return cosign(trail, "tiles")


@happens("E_WITNESS_SHORT")
def a_log_of_yesterday(stage):
    with witnessed([10, 20]) as trail:
        return cosign(trail, "tiles-10")


@happens("E_WITNESS_FORK")
def a_log_that_was_forked(stage):
    with witnessed([10, 20]) as trail:
        trail.fill(15, word="two", ledger=trail.dir / "at-10.db")
        trail.export(trail.dir / "forked", trail.dir / "at-10.db")
        return cosign(trail, "forked")


@happens("E_WITNESS_OLD")
def a_proof_that_begins_elsewhere(stage):
    with witnessed([10, 20]) as trail:
        (trail.dir / "proof").write_text(trail.verb("audit", "consistency", "--ledger", trail.ledger, "--from", 10))
        return cosign(trail, "proof")


@happens("E_WITNESS_MEMORY")
def a_witness_whose_memory_somebody_wrote(stage):
    """The log's key signed the older head too, but not this witness."""
    with witnessed([10, 20]) as trail:
        memory, = (trail.dir / "witness").glob("*.log")
        memory.write_text(trail.vkey.read_text() + (trail.dir / "tiles-10/checkpoint").read_text())
        return cosign(trail, "tiles-10")


# --- the cloud

def by_cloud(stage, name, *changes):
    return stage.says("check-cloud", "--config", stage.config(name, *changes))


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
def a_server_that_welcomes_everybody(stage):
    """Its certificate is trusted, and what it says to every question is a page."""
    class Page(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "20")
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, *_):
            pass

    openssl(stage, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "page.key", "-subj", "/CN=page",
            "-addext", "subjectAltName=IP:127.0.0.1", "-out", "page.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stage.factory.dir / "page.pem", stage.factory.dir / "page.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            return by_cloud(stage, "answer", (r"^endpoint = \S+", "endpoint = https://127.0.0.1:%d" % server.server_address[1]),
                            (r"^ca_file = \S+", "ca_file = {dir}/page.pem"))
        finally:
            server.shutdown()
            thread.join()


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


@happens("E_CLOCK")
def a_clock_that_is_off_by_ten_minutes(stage):
    stage.rule({"do": {"clock_skew_s": -600}})
    output = by_cloud(stage, "clock")
    if not re.search(r"this clock is (59\d|60\d) s ahead", output):
        raise BenchError(output)
    return output


@happens("E_ALLOCATION")
def a_group_whose_devices_go_where_they_are_near(stage):
    """The same for a factory is the wrong place for most of them."""
    if len(stage.factory.endpoint["hubs"]) < 2:
        raise BenchError("two hubs are needed")
    signer = (stage.factory.dir / "ca/chain.pem").read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    body = {"enrollmentGroupId": "near-group", "allocationPolicy": "geoLatency",
            "attestation": {"type": "x509", "x509": {"signingCertificates": {"primary": {"certificate": signer}}}}}
    stage.factory.ask_service("PUT", "/enrollmentGroups/near-group", body)
    return stage.run_says(stage.config("near", ("^group = demo-group", "group = near-group")))


@happens("E_OFFLINE_START")
def a_first_start_without_the_service(stage):
    return stage.run_says(stage.config("offline", (r"^endpoint = \S+", "endpoint = https://127.0.0.1:1")))


@happens("E_ENROLL_ROW")
def a_unit_whose_enrollment_is_refused(stage):
    serial, port = stage.unit()
    stage.rule({"match": {"operation": "IndividualEnrollment_CreateOrUpdate"}, "do": {"status": 400, "error_code": 400004}},
               {"match": {"operation": "IndividualEnrollment_RunBulkOperation"}, "do": {"status": 400, "error_code": 400004}})
    line = stage.line(stage.config("row", ("^group = .*", "attestation = x509-individual"), port=port))
    try:
        stage.factory.plug(serial, port)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


@happens("E_OUTBOX_FULL")
def a_line_with_more_that_waits_than_it_may(stage):
    config = stage.config("outbox", (r"^policy =", "outbox_units = 5\npolicy ="))
    stage.ended(stage.line(config))     # a configuration that was proved may start without the service
    code, output = stage.factory.run([built("tests/station/fill_outbox"), stage.state("outbox") / "ledger.db", "line-1.demo", 12])
    if code:
        raise BenchError(output)
    stage.rule({"do": {"status": 503}})
    line = stage.line(config)
    status = wait_until(lambda: stage.status(config) if stage.status(config)["station"]["state"] == "unfit" else None, 60, "unfit")
    stage.ended(line)
    return status["station"]


# --- identities, keys and requests that a verb judges

def openssl(stage, *words):
    done = subprocess.run(["openssl", *(str(w) for w in words)], capture_output=True, text=True, cwd=stage.factory.dir)
    if done.returncode:
        raise BenchError(done.stderr)


@happens("E_CSR")
def a_certificate_request_whose_signature_is_wrong(stage):
    path = stage.factory.dir / "request.der"
    openssl(stage, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "request.key", "-subj", "/CN=unit",
            "-outform", "DER", "-out", path)
    request = bytearray(path.read_bytes())
    request[-1] ^= 1
    path.write_bytes(request)
    return stage.says("id", "--csr", path, status=1)


@happens("E_KEY_WEAK")
def a_certificate_request_for_a_weak_key(stage):
    path = stage.factory.dir / "weak.pem"
    openssl(stage, "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-subj", "/CN=unit", "-out", path)
    return stage.says("id", "--csr", path, status=1)


@happens("E_ID_INVALID")
def a_certificate_whose_name_is_no_registration_id(stage):
    path = stage.factory.dir / "name.pem"
    openssl(stage, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "name.key", "-subj", "/CN=unit? 1", "-out", path)
    return stage.says("id", "--cert", path, status=1)


@happens("E_LEAF_OTHER")
def a_unit_with_a_certificate_of_the_ca_before_this_one(stage):
    serial, port = stage.unit()
    open_unit = (r"^\[profile demo\]", "[profile demo]\nfinish = no")
    config = stage.config("leaf", open_unit, port=port)
    line = stage.line(config)
    stage.factory.plug(serial, port)
    stage.verdict_of(line)
    stage.ended(line)
    place = other_ca(stage, "after")
    (place / "root.key").rename(stage.factory.dir / "vault/after.key")
    for name in ("log.key", "log.vkey"):
        shutil.copy(stage.factory.dir / "ca" / name, place / name)
    texts = [t.replace("%s/ca/" % stage.factory.dir, "%s/" % place).replace("demo-group", "after-group") for t in (stage.good, stage.engineer)]
    engineer = stage.config("after-engineer", text=texts[1])
    stage.factory.verb("ca", "prove", "--config", engineer, "--name", "after-root", "--cert", place / "root.pem", "--key",
                       stage.factory.dir / "vault/after.key", "--passphrase", "file:%s/secrets/passphrase" % stage.factory.dir)
    stage.factory.verb("group", "ensure", "--config", engineer)
    line = stage.line(stage.config("leaf", open_unit, text=texts[0], port=port))
    try:
        stage.factory.plug(serial, port)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


@happens("E_CSR_NONCE")
def a_unit_that_repeats_a_request_of_yesterday(stage):
    stage.factory.add_serial(1, prefix="OLD")
    _, port = stage.unit()
    line = stage.line(stage.config("nonce", *on_a_tty("finish = no"), port=port))
    try:
        for nth, lie in enumerate(("none", "nonce"), 1):
            stage.factory.knob("OLD0001", "lie", lie)
            stage.factory.plug("OLD0001", port)
            slot = stage.verdict_of(line, nth)
            stage.factory.unplug("OLD0001")
            line.wait_empty("01")
        return slot
    finally:
        stage.ended(line)


def on_a_tty(*lines):
    """What makes the profile one of units without a TPM."""
    return (r"^\[profile demo\]", "\n".join(["[profile demo]", "driver = serial_csr", *lines])), (r"^ek_roots = .*\n", "")


@happens("E_SERIAL_LINE")
def a_unit_that_starts_again_whenever_it_is_asked(stage):
    stage.factory.add_serial(1, prefix="LOOP")
    _, port = stage.unit()
    line = stage.line(stage.config("loop", *on_a_tty(), port=port))
    try:
        stage.factory.knob("LOOP0001", "reset_before", "get")
        stage.factory.plug("LOOP0001", port)
        while not [s for s in line.slots("01") if s["verdict"]]:
            if line.slots("01") and line.slots("01")[-1]["state"] == "waiting":
                stage.factory.knob("LOOP0001", "reset_before", "get")
            time.sleep(0.05)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


@happens("E_TTY")
def a_unit_of_which_the_kernel_made_no_tty(stage):
    stage.factory.add_serial(1, prefix="TTY")
    _, port = stage.unit()
    config = stage.config("tty", *on_a_tty(), port=port)
    line = stage.stand_still(config, "detect:before", "TTY0001", port)
    try:
        for link in sysfs_of(stage, port).glob("*/tty/*"):
            shutil.rmtree(link.resolve())
        line.process.signal(signal.SIGCONT)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


# --- a disk without room

@happens("E_DB_FULL")
def a_disk_that_is_full(stage):
    state = stage.state("full")
    config = stage.config("full")
    state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", state], capture_output=True).returncode:
        raise NotHere("mounting is not permitted")
    try:
        return stage.run_says(config)
    finally:
        subprocess.run(["umount", "-l", state], check=True)


# --- helpers of the station that say what they should not: their sockets are taken from them

SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438
SIOCOUTQ = 0x5411


def sockets_of(pid):
    """Copies of a process's sockets of messages, in the order of their numbers."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
    if process < 0:
        raise NotHere("pidfd_open: " + os.strerror(ctypes.get_errno()))
    found = []
    for fd in sorted(int(p.name) for p in pathlib.Path("/proc/%d/fd" % pid).iterdir() if os.readlink(p).startswith("socket:")):
        copy = libc.syscall(SYS_PIDFD_GETFD, process, fd, 0)
        if copy < 0:
            raise NotHere("pidfd_getfd: " + os.strerror(ctypes.get_errno()))
        s = socket.socket(fileno=copy)
        if s.type == socket.SOCK_SEQPACKET:
            found.append(s)
    os.close(process)
    return found


def child_of(line, name):
    return children(line.pid)[name][0]


@happens("E_WIRE")
def a_signer_that_speaks_out_of_turn(stage):
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("wire", port=port), "sign:before", serial, port)
    try:
        signer, = sockets_of(child_of(line, "st-signer"))
        signer.send(struct.pack("=II", 0x7777, 0))
        signer.close()
        line.process.signal(signal.SIGCONT)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


@happens("E_VERIFIER")
def a_drivers_process_that_sends_the_judge_what_is_no_evidence(stage):
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("judge", port=port), "read-key:before", serial, port)
    try:
        *_, judge = sockets_of(child_of(line, "st-driver"))
        judge.send(struct.pack("=II", 0x7777, 0))
        judge.close()
        line.process.signal(signal.SIGCONT)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


@happens("E_PROFILE")
def a_request_to_the_signer_that_was_changed_on_its_way(stage):
    """The line's own, which never reaches the signer, with the name of a profile that the signer does not have."""
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("changed", port=port), "sign:before", serial, port)
    try:
        signer, = sockets_of(child_of(line, "st-signer"))
        os.kill(child_of(line, "st-signer"), signal.SIGSTOP)
        line.process.signal(signal.SIGCONT)
        signer.settimeout(30)
        request = signer.recv(1 << 20, socket.MSG_PEEK)
        ours, = [s for s in sockets_of(line.pid) if struct.unpack("=i", fcntl.ioctl(s, SIOCOUTQ, bytes(4)))[0] > 0]
        signer.recv(1 << 20)
        ours.send(request.replace(b"demo\0", b"none\0", 1))
        os.kill(child_of(line, "st-signer"), signal.SIGCONT)
        return stage.verdict_of(line)
    finally:
        stage.ended(line)


@happens("E_RECEIPT")
def a_signer_that_remembers_another_log(stage):
    """Its memory was replaced while the line ran, by that of another ledger under the same CA."""
    _, other = used_ledger(stage, "memory")
    serial, port = stage.unit()
    line = stage.stand_still(stage.config("receipt", port=port), "record:before", serial, port)
    try:
        shutil.copy(other.parent / "signer.state", stage.state("receipt") / "signer.state")
        os.kill(child_of(line, "st-signer"), signal.SIGKILL)
        line.process.signal(signal.SIGCONT)
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


# --- labels, and what is put to HOLD

@contextlib.contextmanager
def label_line(stage, name, *ports, label="scan"):
    """A line whose slots 01, 02 … are these ports, and which binds labels so."""
    slots = "".join("[slot %02d]\nport = %s\nprofile = demo\n" % (n, Factory.slot_port(port)) for n, port in enumerate(ports, 1))
    text = re.sub(r"(?m)^group = ", "label = %s\ngroup = " % label, stage.good[:stage.good.index("[slot ")]) + slots
    line = stage.line(stage.config(name, text=text))
    try:
        yield line, "state-" + name
    finally:
        stage.ended(line)


def tray_of(stage, state, *positions):
    folder = stage.factory.dir / state / "trays"
    folder.mkdir(exist_ok=True)
    (folder / "T.json").write_text(json.dumps({"tray": "T", "positions": list(positions)}))
    return stage.factory.scan("TRAY:T", state)


def waiting(line, slot, code):
    def look():
        now = line.slots(slot)
        return now[-1] if now and now[-1]["code"] == code else None
    return line.wait(look, 60, code)


@happens("E_LABEL")
def a_label_of_another_unit(stage):
    serial, port = stage.unit()
    with label_line(stage, "label", port) as (line, state):
        stage.factory.scan("NOT-" + serial, state)
        stage.factory.plug(serial, port)
        return stage.verdict_of(line)


@happens("E_LABEL_WANTED")
def a_unit_without_a_scan(stage):
    serial, port = stage.unit()
    with label_line(stage, "wanted", port) as (line, _):
        stage.factory.plug(serial, port)
        return waiting(line, "01", "E-LAB-002")


@happens("E_LABEL_OPEN")
def a_second_label_before_the_first_ones_unit(stage):
    with label_line(stage, "open-label", 1) as (_, state):
        stage.factory.scan("ONE", state)
        return stage.factory.scan("OTHER", state)


@happens("E_LABEL_WHICH")
def two_units_without_a_scan(stage):
    (one, port), (other, next_port) = stage.unit(), stage.unit()
    with label_line(stage, "which", port, next_port) as (line, _):
        stage.factory.plug(one, port)
        stage.factory.plug(other, next_port)
        return waiting(line, "01", "E-LAB-004")


@happens("E_LABEL_TWICE")
def a_label_that_stands_in_another_slot(stage):
    serial, port = stage.unit()
    with label_line(stage, "twice", port) as (line, state):
        stage.factory.scan(serial, state)
        stage.factory.plug(serial, port)
        stage.verdict_of(line)
        return stage.factory.scan(serial, state)


@happens("E_LABEL_UNUSED")
def a_label_that_nobody_asked_for(stage):
    with label_line(stage, "unused", 1, label="serial") as (_, state):
        return stage.factory.scan("ONE", state)


@happens("E_TRAY")
def a_tray_that_is_not_known(stage):
    with label_line(stage, "tray", 1, label="tray") as (_, state):
        return stage.factory.scan("TRAY:NOBODYS", state)


@happens("E_TRAY_EMPTY")
def a_unit_in_a_hole_of_its_tray(stage):
    serial, port = stage.unit()
    with label_line(stage, "hole", port, label="tray") as (line, state):
        tray_of(stage, state, None)
        stage.factory.plug(serial, port)
        return waiting(line, "01", "E-LAB-008")


@happens("E_HELD")
def a_waiting_unit_that_is_put_to_hold(stage):
    serial, port = stage.unit()
    with label_line(stage, "held", port) as (line, state):
        stage.factory.plug(serial, port)
        waiting(line, "01", "E-LAB-002")
        stage.factory.ask_line(state, do="hold", slot="01")
        return stage.verdict_of(line)


@happens("E_SLOT_NAME")
def an_empty_slot_that_is_put_to_hold(stage):
    with label_line(stage, "nothing", 1) as (_, state):
        answer = stage.factory.ask_line(state, do="hold", slot="01")
        return {**answer, "sentence": answer["happened"]}


# --- people

@contextlib.contextmanager
def people_line(stage, name, port=None):
    """A line with an operator and a lead; gives it and what the screen says to a code, or with pin= to a PIN."""
    config = stage.config(name, text=stage.good + "\n[people]\nfile = {dir}/%s.people\n" % name, port=port)
    stage.factory.verb("people", "init", "--config", config)
    for person, role in (("Ana", "operator"), ("Lea", "lead")):
        subprocess.run([stage.factory.station, "people", "add", "--config", config, "--name", person, "--role", role], check=True,
                       input="%s-0815\n471100\n" % person, text=True, capture_output=True)

    def scan(code=None, pin=None):
        if pin:
            return stage.factory.ask_line("state-" + name, do="pin", pin=pin)
        return stage.factory.scan(code, "state-" + name)
    line = stage.line(config)
    try:
        yield line, scan
    finally:
        stage.ended(line)


def log_in(scan, person="Ana"):
    scan("BADGE:%s-0815" % person)
    said = scan(pin="471100")
    assert said["good"], said


@happens("E_NO_PERSON")
def a_unit_that_nobody_stands_before(stage):
    serial, port = stage.unit()
    with people_line(stage, "no-person", port) as (line, _):
        stage.factory.plug(serial, port)
        return waiting(line, "01", "E-LIN-001")


@happens("E_SESSION_LOCKED")
def a_unit_before_a_locked_line(stage):
    serial, port = stage.unit()
    with people_line(stage, "locked", port) as (line, scan):
        log_in(scan)
        scan("CMD:LOCK")
        stage.factory.plug(serial, port)
        return waiting(line, "01", "E-LIN-002")


@happens("E_RIGHTS")
def an_operator_who_closes_a_lot(stage):
    with people_line(stage, "rights") as (_, scan):
        log_in(scan)
        return scan("CMD:CLOSE-LOT")


@happens("E_BADGE")
def a_badge_of_another_house(stage):
    with people_line(stage, "badge") as (_, scan):
        return scan("BADGE:Zoe-0815")


@happens("E_PIN")
def a_wrong_pin(stage):
    with people_line(stage, "pin") as (_, scan):
        scan("BADGE:Ana-0815")
        return scan(pin="471101")


@happens("E_PIN_LOCKED")
def the_right_pin_after_five_wrong_ones(stage):
    with people_line(stage, "pin-locked") as (_, scan):
        for _ in range(5):
            scan("BADGE:Ana-0815")
            scan(pin="471101")
        scan("BADGE:Ana-0815")
        return scan(pin="471100")


@happens("E_PEOPLE")
def a_file_of_people_that_is_none(stage):
    config = stage.config("people", text=stage.good + "\n[people]\nfile = {dir}/none.people\n")
    path = stage.factory.dir / "none.people"
    path.touch(mode=0o600)
    path.write_text("Ana, Ben and Lea\n")
    return stage.run_says(config)


@happens("E_SCAN")
def a_yes_to_nothing(stage):
    with people_line(stage, "scan") as (_, scan):
        log_in(scan)
        return scan("CMD:YES")


@happens("E_NOT_HELD")
def a_release_of_a_slot_that_is_empty(stage):
    with people_line(stage, "not-held") as (_, scan):
        log_in(scan)
        scan("CMD:OVERRIDE")
        return scan("CMD:SLOT:01")


# --- the MES

@contextlib.contextmanager
def mes_line(stage, name, port=None, mes_lines=""):
    """A line with an MES of its own."""
    with Mes(stage.factory.dir / ("mes-" + name), hmac=b"key") as mes:
        config = stage.config(name, text=stage.good + "\n" + mes.config() + mes_lines, port=port)
        line = stage.line(config)
        try:
            yield line, config, mes
        finally:
            stage.ended(line)


def answered(stage, name, answer):
    """What a unit gets, of which the MES says this."""
    serial, port = stage.unit()
    with mes_line(stage, name, port) as (line, _, mes):
        mes.answers[serial] = answer
        stage.factory.plug(serial, port)
        return stage.verdict_of(line)


@happens("E_MES_HOLD")
def a_unit_that_the_mes_holds(stage):
    return answered(stage, "mes-hold", {"decision": "hold", "reason": "first article"})


@happens("E_MES_SKIP")
def a_unit_that_has_nothing_to_do_here(stage):
    return answered(stage, "mes-skip", {"decision": "skip"})


@happens("E_MES_ERROR")
def a_unit_that_the_mes_does_not_know(stage):
    return answered(stage, "mes-error", {"decision": "error"})


@happens("E_MES_SILENT")
def a_unit_about_which_the_mes_says_nothing(stage):
    return answered(stage, "mes-silent", None)


@happens("E_MES_OTHER")
def a_unit_of_another_profile_for_the_mes(stage):
    return answered(stage, "mes-other", {"decision": "go", "profile": "another"})


def queue_says(stage, config, code):
    """What the verb says, once this stands in it."""
    said = [""]

    def there():
        said[0] = stage.factory.verb("queue", "--config", config)
        return code in said[0]
    try:
        wait_until(there, 30, code, 0.2)
    except BenchError as e:
        raise BenchError("%s\n%s" % (e, said[0])) from None
    return said[0]


@happens("E_MES")
def an_mes_that_is_away(stage):
    serial, port = stage.unit()
    with mes_line(stage, "mes-away", port, "\n[mes]\ncheck_in = no\n") as (line, config, mes):
        mes.goes_away()
        stage.factory.plug(serial, port)
        stage.verdict_of(line)
        said = queue_says(stage, config, "E-MES-001")
        mes.comes_back()
        return said


@happens("E_MES_REFUSED")
def an_event_that_the_mes_refuses(stage):
    serial, port = stage.unit()
    with mes_line(stage, "mes-refused", port) as (line, config, mes):
        mes.status["unit.result"] = 422
        stage.factory.plug(serial, port)
        stage.verdict_of(line)
        return queue_says(stage, config, "E-MES-002")


@happens("E_SPOOL_FULL")
def more_for_the_mes_than_the_policy_allows(stage):
    serial, port = stage.unit()
    with mes_line(stage, "spool", port, "\n[mes]\nevents = 1000\n"):
        pass
    with sqlite3.connect(stage.state("spool") / "ledger.db") as db:
        for n in range(1, 1003):
            db.execute("INSERT INTO event (id, type, unit, time_ms, body) VALUES (?, 't', '', 0, X'7b7d')", ("e%d" % n,))
            db.execute("INSERT INTO delivery (adapter, number, unit, state, tries, due_ms, queued_ms, code, what) "
                       "VALUES ('http', last_insert_rowid(), '', 'waiting', 0, 4102444800000, 1, '', '')")
    line = stage.line(stage.factory.dir / "spool.conf")
    try:
        stage.factory.plug(serial, port)
        return waiting(line, "01", "E-MES-008")
    finally:
        stage.ended(line)


# --- lots

def order(stage, name, count=9, **more):
    folder = stage.factory.dir / "orders"
    folder.mkdir(exist_ok=True)
    (folder / (name + ".json")).write_text(json.dumps({"order": name, "product": "p", "profile": "demo", "count": count, **more}))


@contextlib.contextmanager
def lot_line(stage, name, port=None, text=None):
    """A line that takes its orders from this stage's folder."""
    text = (text or stage.good) + "\n[lots]\norders = {dir}/orders\n"
    config = stage.config(name, text=text, port=port)
    line = stage.line(config)
    try:
        yield line, config
    finally:
        stage.ended(line)


def unit_under(stage, name, count=9, units=1, **more):
    """What the last of some units, one after another, gets under this order."""
    serials = [stage.unit() for _ in range(units)]
    port = serials[0][1]
    order(stage, name, count, **more)
    with lot_line(stage, name, port) as (line, config):
        stage.factory.verb("lot", "open", "--config", config, name)
        for nth, (serial, _) in enumerate(serials, 1):
            stage.factory.plug(serial, port)
            slot = stage.verdict_of(line, nth)
            stage.factory.unplug(serial)
            line.wait_empty("01")
        return slot


@happens("E_NO_LOT")
def a_lot_that_was_never_opened(stage):
    with lot_line(stage, "no-lot") as (_, config):
        return stage.says("lot", "close", "--config", config, status=1)


@happens("E_ORDER")
def an_order_that_is_not_there(stage):
    with lot_line(stage, "order") as (_, config):
        return stage.says("lot", "open", "--config", config, "NOTHING", status=1)


@happens("E_LOT_CLOSED")
def an_order_that_was_closed(stage):
    order(stage, "closed")
    with lot_line(stage, "closed") as (_, config):
        stage.factory.verb("lot", "open", "--config", config, "closed")
        stage.factory.verb("lot", "close", "--config", config)
        return stage.says("lot", "open", "--config", config, "closed", status=1)


@happens("E_LOT_OTHER")
def an_order_that_was_changed(stage):
    order(stage, "other")
    with lot_line(stage, "other") as (_, config):
        stage.factory.verb("lot", "open", "--config", config, "other")
        order(stage, "other", 10)
        return stage.says("lot", "open", "--config", config, "other", status=1)


@happens("E_LOT_BUSY")
def a_lot_that_is_closed_under_a_unit(stage):
    serial, port = stage.unit()
    order(stage, "busy")
    with lot_line(stage, "busy", port) as (line, config):
        stage.factory.verb("lot", "open", "--config", config, "busy")
        stage.factory.knob(serial, "delay_ms", 300)
        stage.factory.plug(serial, port)
        line.wait(lambda: [s for s in line.slots("01") if s["stage"]], 60, "work")
        return stage.says("lot", "close", "--config", config, status=1)


@happens("E_LOT_FULL")
def a_second_unit_of_an_order_for_one(stage):
    return unit_under(stage, "full", count=1, units=2)


@happens("E_NOT_LISTED")
def a_unit_that_no_order_names(stage):
    return unit_under(stage, "listed", serials=["NOBODY"])


@happens("E_TWO_PEOPLE")
def a_lot_that_nobody_in_particular_takes_back(stage):
    return stage.says("lot", "revert", "--config", stage.config("nobody"), "WO", status=1)


def two_people(stage):
    """The configuration of a line with people, an engineer's for the same line, and the two whom a revert takes."""
    floor = "\n[people]\nfile = {dir}/two.json\n"
    config = stage.config("two", text=stage.good + floor)
    stage.factory.verb("people", "init", "--config", config)
    for name in ("Ana", "Ben"):
        subprocess.run([stage.factory.station, "people", "add", "--config", config, "--name", name, "--role", "lead"], check=True,
                       input="%s-0815\n471100\n" % name, text=True, capture_output=True)
    two = stage.factory.dir / "two"
    two.write_text("Ana-0815\n471100\nBen-0815\n471100\n")
    config.unlink()
    return floor, two


def revert(stage, name, floor, two, status=0):
    """An engineer's revert of a lot of the line of this name."""
    config = stage.config(name + "-engineer", text=stage.engineer + floor)
    config.write_text(config.read_text().replace("/state-%s-engineer\n" % name, "/state-%s\n" % name))
    return stage.factory.verb("lot", "revert", "--config", config, "--badge", two, name, status=status)


@happens("E_LOT_STATE")
def an_order_that_was_taken_back(stage):
    floor, two = two_people(stage)
    order(stage, "back")
    with lot_line(stage, "back") as (_, config):
        stage.factory.verb("lot", "open", "--config", config, "back")
    revert(stage, "back", floor, two)
    (stage.factory.dir / "two.json").unlink()
    with lot_line(stage, "back") as (_, config):
        return stage.says("lot", "open", "--config", config, "back", status=1)


@happens("E_LOT_REVERTED")
def a_unit_of_an_order_that_is_being_taken_back(stage):
    serial, port = stage.unit()
    order(stage, "amid")
    with lot_line(stage, "amid", port) as (line, config):
        stage.factory.verb("lot", "open", "--config", config, "amid")
        stage.factory.plug(serial, port)
        slot = stage.verdict_of(line)
    floor, two = two_people(stage)
    stage.rule({"match": {"method": "PUT", "path": "/enrollments/" + slot["registration_id"]}, "do": {"status": 400}})
    revert(stage, "amid", floor, two, status=1)
    (stage.factory.dir / "two.json").unlink()
    line = stage.line(config)
    stage.factory.plug(serial, port)
    return stage.verdict_of(line)


@happens("E_LOT_UNDECIDED")
def a_lot_whose_failed_units_nobody_decided_about(stage):
    serial, port = stage.unit()
    text = signed_orders(stage, "undecided", "owner", "quality")
    with lot_line(stage, "undecided", port, text) as (line, config):
        stage.factory.verb("lot", "open", "--config", config, "undecided")
        stage.rule({"match": {"path": "/register\\?"}, "do": {"status": 401}})
        stage.factory.plug(serial, port)
        stage.verdict_of(line)
        stage.factory.unplug(serial)
        line.wait_empty("01")
        return stage.says("lot", "close", "--config", config, status=1)


# --- identities that hold no more

def of_engineer(stage, name, floor):
    """An engineer's configuration for the line of this name."""
    config = stage.config(name + "-engineer", text=stage.engineer + floor)
    config.write_text(config.read_text().replace("/state-%s-engineer\n" % name, "/state-%s\n" % name))
    return config


@happens("E_REVOKE_WHAT")
def a_unit_that_nobody_knows(stage):
    floor, two = two_people(stage)
    with lot_line(stage, "nobody-there"):
        pass
    says = stage.says("revoke", "--config", of_engineer(stage, "nobody-there", floor), "--badge", two, "--reason", "keyCompromise",
                      "NOBODY", status=1)
    (stage.factory.dir / "two.json").unlink()
    return says


def revoked_unit(stage, name):
    """A unit that was revoked, its port, the line's configuration, and what the verb said, which had no key of the hub."""
    serial, port = stage.unit()
    with lot_line(stage, name, port) as (line, config):
        stage.factory.plug(serial, port)
        stage.verdict_of(line)
        stage.factory.unplug(serial)
        line.wait_empty("01")
    floor, two = two_people(stage)
    says = stage.says("revoke", "--config", of_engineer(stage, name, floor), "--badge", two, "--reason", "superseded", serial, status=1)
    (stage.factory.dir / "two.json").unlink()
    return serial, port, config, says


@happens("E_HUB_KEY")
def a_unit_whose_hub_cannot_be_told(stage):
    return revoked_unit(stage, "no-hub-key")[3]


@happens("E_REVOKED")
def a_unit_that_was_revoked(stage):
    serial, port, config, _ = revoked_unit(stage, "revoked")
    line = stage.line(config)
    stage.factory.plug(serial, port)
    return stage.verdict_of(line)


@happens("E_PROFILE_LINT")
def a_leaf_that_would_outlive_its_ca(stage):
    return stage.says("check-config", "--config", stage.config("long-lived", (r"\[profile demo\]", "[profile demo]\nvalidity_days = 36500")),
                      status=1)


@happens("E_CA_CHAIN")
def a_chain_that_is_another_keys(stage):
    chain = stage.factory.dir / "turned.pem"
    chain.write_text((stage.factory.dir / "ca/root.pem").read_text() + (stage.factory.dir / "ca/line.pem").read_text())
    return stage.says("ca", "import", "--config", stage.config("turned"), chain, status=1)


@happens("E_CA_REVOKED")
def a_line_whose_ca_was_revoked(stage):
    stage.factory.ask_service("DELETE", "/enrollmentGroups/near-group")     # of another row: a certificate stands in one group only
    floor, two = two_people(stage)
    with lot_line(stage, "ca-revoked") as (_, config):
        pass
    says = stage.factory.verb("ca", "revoke", "--config", of_engineer(stage, "ca-revoked", floor), "--badge", two, "--reason",
                              "keyCompromise")
    (stage.factory.dir / "two.json").unlink()
    group = re.search(r"revoked-[0-9a-f]+", says).group(0)
    try:
        return stage.run_says(config)
    finally:
        stage.factory.ask_service("DELETE", "/enrollmentGroups/" + group)


# --- custody of the CA's key, and the count

ON_A_TOKEN = (r"^key = .*/line\.key$", "key = " + Token.key)


@contextlib.contextmanager
def token(stage, name, pin=None):
    """A configuration whose key is on a token, in a place of its own."""
    place = stage.factory.dir / ("token-" + name)
    place.mkdir()
    held = Token(place)
    held.take_key(stage.factory, keep=True)
    if pin:
        stage.factory.secret("token-pin", pin)
    try:
        yield stage.config(name, ON_A_TOKEN, text=stage.good + Token.floor.replace("{place}/token/", str(place) + "/token/")
                           .replace("{place}", "{dir}"))
    finally:
        held.close()


@happens("E_TOKEN_GONE")
def a_token_that_was_pulled(stage):
    text = stage.good + Token.floor.replace("{place}", "{dir}")
    stage.factory.secret("token-pin", "1")
    return stage.run_says(stage.config("no-token", ON_A_TOKEN, text=text))


@happens("E_TOKEN_PIN")
def a_pin_that_the_token_refuses(stage):
    with token(stage, "wrong-pin", pin="1111") as config:
        return stage.run_says(config)


@happens("E_CUSTODY")
def a_count_without_an_anchor(stage):
    return stage.says("custody", "init", "--config", stage.config("no-anchor"), status=1)


@happens("E_ANCHOR")
def an_anchor_that_nobody_has_made(stage):
    with token(stage, "anchor") as config:
        config.write_text(config.read_text().replace("[custody]", "[custody]\nanchor = token:nobody-made-it"))
        return stage.run_says(config)


class SignsOnce(Tpm):
    """A TPM that signs the request for its certificate and one leaf; no orders, and no anchor."""
    key = "tpm:handle=0x81010010;limit=0x01800020"
    limit = 2
    floor = "\n[custody]\ntcti = swtpm:path={place}/own-tpm/socket\npin = file:{place}/secrets/tpm-value\n"


@happens("E_KEY_SPENT")
def a_tpm_that_has_signed_as_often_as_it_may(_):
    with Factory(devices=2, slots=1, custody=SignsOnce) as factory:
        line = factory.start_line()
        for nth, serial in enumerate(("SIM0001", "SIM0002"), 1):
            factory.plug(serial, 1)
            slot = line.wait_verdict("01", nth=nth)
            factory.unplug(serial)
            line.wait_empty("01")
        line.stop()
        return slot


@happens("E_CLOCK_REFUSED")
def a_clock_that_was_set_back(stage):
    factory = stage.factory
    try:
        for ahead_s in (240, -240):
            serial, port = stage.unit()
            factory.clock = (True, ahead_s)
            line = stage.line(stage.config("clock-back", port=port))
            factory.plug(serial, port)
            slot = stage.verdict_of(line)
            factory.unplug(serial)
            stage.ended(line)
    finally:
        factory.clock = None
    return slot


def signed_orders(stage, name, *people):
    """A line that takes orders which two have signed, and an order for one that these have signed."""
    keys = stage.factory.dir / "order-keys"
    secret = "file:%s/secrets/passphrase" % stage.factory.dir
    for who in ("owner", "quality"):
        if not (keys / (who + ".vkey")).exists():
            keys.mkdir(exist_ok=True)
            said = stage.factory.verb("order", "key", who, "--out", keys / who, "--passphrase", secret)
            (keys / (who + ".vkey")).write_text(next(x for x in said.splitlines() if x.startswith(who + "+")) + "\n")
    order(stage, name, 1)
    path = stage.factory.dir / "orders" / (name + ".json")
    days = [(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=n)).strftime("%Y-%m-%d") for n in (-1, 1, 2)]
    window = days[:2] if len(people) == 2 else days[1:]
    stage.factory.verb("order", "make", path, "--config", stage.config("make-" + name), "--out", path.with_suffix(".order"), "--from",
                       window[0], "--until", window[1])
    for who in people:
        stage.factory.verb("order", "sign", path.with_suffix(".order"), "--key", keys / who, "--name", who,
                           "--passphrase", secret)
    return stage.good + "\n[custody]\norder_key_1 = {dir}/order-keys/owner.vkey\norder_key_2 = {dir}/order-keys/quality.vkey\n"


def opening_says(stage, name, *people):
    text = signed_orders(stage, name, *people)
    with lot_line(stage, name, text=text) as (_, config):
        return stage.says("lot", "open", "--config", config, name, status=1)


@happens("E_ORDER_UNSIGNED")
def an_order_that_nobody_signed(stage):
    return opening_says(stage, "unsigned", "owner")


@happens("E_ORDER_TERMS")
def an_order_for_tomorrow(stage):
    return opening_says(stage, "tomorrow", "owner", "quality", "quality")


@happens("E_ORDER_SPENT")
def a_ledger_that_was_edited_to_allow_more(stage):
    units = [stage.unit() for _ in range(2)]
    text = signed_orders(stage, "spent", "owner", "quality")
    for nth, (serial, port) in enumerate(units):
        with lot_line(stage, "spent", port, text) as (line, config):
            if nth == 0:
                stage.factory.verb("lot", "open", "--config", config, "spent")
            stage.factory.plug(serial, port)
            slot = stage.verdict_of(line)
            stage.factory.unplug(serial)
        with contextlib.closing(sqlite3.connect(stage.state("spent") / "ledger.db")) as db, db:
            db.execute("UPDATE lot SET count = 9")
    return slot


class Catalogue(unittest.TestCase):
    def test_every_row_has_its_function_and_every_function_its_row(self):
        self.assertEqual(sorted(set(ROWS) - set(HAPPENS) - set(UNITS)), [], "rows that nothing shows")
        self.assertEqual(sorted((set(HAPPENS) | set(UNITS)) - set(ROWS)), [], "functions for rows that are not there")
        self.assertEqual(sorted(set(HAPPENS) & set(UNITS)), [], "rows that are shown twice")

    def check(self, name, said):
        row = ROWS[name]
        with self.subTest(row=name):
            if isinstance(said, NotHere):
                self.skipTest(str(said))
            if isinstance(said, Exception):
                raise said
            if isinstance(said, dict) and "wants" in said:
                self.assertTrue(row.said_by_screen(said), said)
            elif isinstance(said, dict):
                self.assertTrue(row.said_by_slot(said), json.dumps(said, indent=1))
                self.assertIn("HOLD" if said.get("waits_for") else said.get("verdict", "HOLD"),
                              {"DEVICE": ("FAIL",), "OPERATOR": ("HOLD",), "STATION": ("HOLD",), "RETRY": ("BUILT",)}[row.classes[1]])
            else:
                self.assertTrue(row.said_by_verb(said), "%s is not in:\n%s" % (row.code, said))

    def test_every_row_reaches_a_person(self):
        wanted = ONLY or [*HAPPENS, *UNITS]
        took = {}
        with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(STAGES + 1) as pool:
            stages = queue.Queue()
            for stage in pool.map(lambda _: Stage(), range(min(STAGES, len(wanted)) + 1)):
                stack.callback(stage.close)
                stages.put(stage)
            units = pool.submit(show_units, stages, [n for n in wanted if n in UNITS])
            said = {n: pool.submit(show, stages, n, took) for n in wanted if n in HAPPENS}
            for name, future in said.items():
                self.check(name, future.result())
            for name, slot in units.result().items():
                self.check(name, slot)
        slowest = sorted(took.items(), key=lambda t: -t[1])[:5]
        print("%d rows; the slowest: %s" % (len(wanted), ", ".join("%s %.0f s" % t for t in slowest)))


def show(stages, name, took):
    """What one row's function gives, or what it raised: all others go on."""
    stage = stages.get()
    began = time.monotonic()
    try:
        return HAPPENS[name](stage)
    except (Exception, unittest.SkipTest) as e:
        return e
    finally:
        took[name] = time.monotonic() - began
        stage.clear()
        stages.put(stage)


def show_units(stages, names):
    stage = stages.get()
    try:
        return run_units(stage, names) if names else {}
    except Exception as e:
        return {name: e for name in names}
    finally:
        stages.put(stage)


def slot_name(row):
    return row.removeprefix("E_").lower().replace("_", "-")


def run_units(stage, names):
    """All of UNITS in one line; gives the slot of each, or what went wrong."""
    profiles, slots, places = "", "", {}
    for n, name in enumerate(names):
        unit, port, profile = UNITS[name], DEVICES + 1 + n, "demo"
        serial = "BAD%02d" % n + "0001"
        if unit.serial:
            stage.factory.add_serial(1, prefix="BAD%02d" % n)
        else:
            stage.factory.add_devices(1, prefix="BAD%02d" % n, **unit.made)
        if unit.prepare:
            unit.prepare(stage, serial)
        if unit.profile:
            profile = "p%02d" % n
            profiles += "\n[profile %s]\n%s\n" % (profile, stage.factory.profile_lines(unit.profile))
        slots += "\n[slot %s]\nport = %s\nprofile = %s\n" % (slot_name(name), Factory.slot_port(port), profile)
        places[name] = serial, port
    text = re.sub(r"^\[slot 01\]\n.*\n.*\n", "", stage.good, flags=re.M) + profiles + slots
    line = stage.line(stage.config("units", text=text))
    for name, (serial, port) in places.items():
        for knob, value in UNITS[name].knobs.items():
            stage.factory.knob(serial, knob, value)
        stage.factory.plug(serial, port)
    said = {}
    for name in names:
        try:
            said[name] = line.wait_verdict(slot_name(name), 170)
        except BenchError as e:
            said[name] = e
    stage.ended(line)
    return said


ONLY = []

if __name__ == "__main__":
    if sys.argv[1:2] == ["--without-seccomp"]:
        without_seccomp(sys.argv[2:])
    ONLY = [a for a in sys.argv[1:] if a.startswith("E_")]
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[1:] if not a.startswith("E_")], verbosity=2)
