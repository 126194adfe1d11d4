# SPDX-License-Identifier: Apache-2.0
"""A shift at the line, by scanner alone: 200 units in trays of 16 through a real terminal of 120×40.

Two orders: gateways with a TPM, each label scanned and its unit then plugged into the next free slot; and sensors on a serial line,
whose trays have barcodes. In every tray one unit is bad; units are pulled in mid-work and plugged in again; one label lies on the wrong
unit; the MES is away for a while; the console is killed twice and hung once. Then counts, verdicts, files and screens are held against
the devices, the service's record, the MES's own books and the ledger.

The operator does nothing that docs/operator.md does not say, and touches no key.
"""
import csv
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402
from mes import Mes  # noqa: E402

TRAY, ROWS, COLS = 16, 40, 120
OPERATOR, LEAD = ("BADGE:op-0417-Q", "2580"), ("BADGE:ld-0099-Q", "7412")
NAMES = ("Ada Ordinary", "Lea Leading")

FLOOR = """
[people]
file = {place}/people.json

[lots]
required = yes

[mes]
silent = listed

"""


class Terminal:
    """The station's console in tmux, and the scanner in front of it."""

    def __init__(self, factory):
        self.factory, self.runs = factory, 0
        self.start()

    def tmux(self, *words):
        return subprocess.run(["tmux", "-L", self.name, *words], check=True, capture_output=True, encoding="utf-8").stdout

    def start(self):
        self.runs += 1
        self.name = "shift-%d-%d" % (os.getpid(), self.runs)
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TMUX", "COLUMNS", "LINES")}
        env.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
        subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", "new-session", "-d", "-x", str(COLS), "-y", str(ROWS),
                        "TERM=tmux-256color exec %s console --config %s" % (self.factory.station, self.factory.config)],
                       env=env, check=True)

    def pid(self):
        return int(self.tmux("list-panes", "-F", "#{pane_pid}").strip())

    def text(self):
        return self.tmux("capture-pane", "-p")

    def scan(self, code):
        """One burst, as a scanner types it, with its suffix."""
        self.tmux("send-keys", "-l", code + "\r")

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)
        subprocess.run(["tmux", "-L", self.name, "kill-server"], check=False, capture_output=True)

    def close(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], check=False, capture_output=True)


class Line:
    """What the line itself says, beside the screen: to know when a code was answered, and a slot is done."""

    def __init__(self, factory):
        self.path = factory.dir / "state" / "station.sock"

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(self.path))
            s.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def talk(self):
        return self.ask(do="status")["shift"]["talk"]

    def slots(self):
        return {s["name"]: s for s in self.ask(do="status")["slots"]}


class Unit:
    def __init__(self, serial, bad=False):
        self.serial, self.bad = serial, bad


class Shift:
    """The operator's hands: scans codes, plugs units in, pulls them, and believes the headline."""

    def __init__(self, factory):
        self.factory = factory
        self.process = factory.start_line()
        self.line = Line(factory)
        self.console = Terminal(factory)
        self.screens, self.visits, self.pulled = [], 0, []
        self.see("SCAN YOUR BADGE")

    def close(self):
        self.console.close()

    # --- the screen

    def see(self, *texts, timeout_s=30):
        last = [""]

        def there():
            last[0] = self.console.text()
            return all(t in last[0] for t in texts)
        try:
            wait_until(there, timeout_s, "the screen")
        except AssertionError:
            raise AssertionError("never saw %r; the screen:\n%s" % (texts, last[0])) from None
        return last[0]

    def headline(self):
        return self.console.text().split("\n")[1].strip()

    # --- the scanner

    def scan(self, code, good=True):
        before = self.line.talk()["at_ms"]
        self.console.scan(code)
        wait_until(lambda: self.line.talk()["at_ms"] != before, 20, "an answer to " + code)
        talk = self.line.talk()
        if talk["good"] != good:
            raise AssertionError("%s: %r" % (code, talk))
        self.see(talk["sentence"][:60])
        return talk

    def log_in(self, person):
        badge, pin = person
        self.scan(badge)
        for digit in pin:
            self.scan("CMD:PIN:" + digit)
        self.scan("CMD:PIN-OK")

    # --- the hands

    def plug(self, unit, slot):
        self.factory.plug(unit.serial, slot)

    def pull(self, unit, slot):
        self.factory.unplug(unit.serial)
        self.wait_slot(slot, lambda s: not s["present"], "slot %02d empty" % slot)

    def wait_slot(self, slot, true, what, timeout_s=90):
        name = "%02d" % slot
        try:
            return wait_until(lambda: (lambda s: s if true(s) else None)(self.line.slots()[name]), timeout_s, what)
        except AssertionError:
            raise AssertionError("%s: %r\n%s" % (what, self.line.slots()[name], self.console.text())) from None

    # --- a tray

    def begin_scanned(self, units):
        """Each label is scanned, and its unit plugged into the next free slot."""
        for slot, unit in enumerate(units, 1):
            self.scan(unit.serial)
            self.plug(unit, slot)
            self.wait_slot(slot, lambda s: s["label"] == unit.serial, "slot %02d has its label" % slot)

    def begin_tray(self, tray, units):
        """The tray's barcode says which label lies where."""
        self.scan("TRAY:" + tray)
        for slot, unit in enumerate(units, 1):
            self.plug(unit, slot)

    def finish(self, units):
        """DO NOT PULL, until it says PULL; then believes the headline, and empties the tray."""
        bad = ["%02d" % n for n, u in enumerate(units, 1) if u.bad]
        good = len(units) - len(bad)
        wanted = "PULL: %d good" % good + "".join(", slot %s red bin" % n for n in bad)
        try:
            wait_until(lambda: self.headline() == wanted, 120, "the headline")
        except AssertionError:
            raise AssertionError("it never said %r:\n%s" % (wanted, self.console.text())) from None
        self.screens.append(self.console.text())
        for slot, unit in enumerate(units, 1):
            state = self.line.slots()["%02d" % slot]
            self.pulled.append((unit.serial, state["verdict"], state["registration_id"]))
            self.factory.unplug(unit.serial)
        for slot in range(1, len(units) + 1):
            self.wait_slot(slot, lambda s: not s["present"], "slot %02d empty" % slot)


def pauses(events):
    """Per slot: the longest time between two of its changes that no stage's own work explains, in milliseconds."""
    longest, last = 0, {}
    for event in events:
        if event["event"] != "slot":
            continue
        slot = event["slot"]
        before = last.get(slot["name"])
        if before and before["state"] == "working" and slot["state"] in ("working", "done"):
            took = sum(slot["times"].values()) - sum(before["times"].values())
            longest = max(longest, slot["since_ms"] - before["since_ms"] - took)
        last[slot["name"]] = slot
    return longest


class OneShift(unittest.TestCase):
    SCANNED, TRAYS = 4, 9       # trays of gateways whose labels are scanned, and of sensors on trays with a barcode
    WRONG_LABEL, PULLED, KILLED, HUNG = 2, (1, 6), (3, 8), 5    # in which trays that happens, from 1
    MES_AWAY, MES_BACK = 6, 8

    @classmethod
    def setUpClass(cls):
        gateways, sensors = TRAY * cls.SCANNED, TRAY * cls.TRAYS
        bad_gateways, bad_sensors = cls.SCANNED, cls.TRAYS
        profiles = {"gateway": ("label = scan\n", []),
                    "sensor": ("driver = serial_csr\nattestation = x509-individual\nlabel = tray\n", [])}
        cls.factory = Factory(devices=gateways - bad_gateways, slots=TRAY, profiles=profiles, floor=FLOOR, jig=(4, 4))
        cls.addClassCleanup(cls.factory.close)
        cls.factory.add_devices(bad_gateways, prefix="ROGUE", rogue_vendor=True)
        cls.factory.add_serial(sensors)
        cls.mes = Mes(cls.factory.dir / "mes", hmac=b"the key of both")
        cls.addClassCleanup(cls.mes.goes_away)
        cls.factory.floor += cls.mes.config()
        cls.factory.write_config("line", "line", "reader")
        cls.people()
        good = iter(["SIM%04d" % n for n in range(1, gateways - bad_gateways + 1)])
        cls.gateways = [[Unit(next(good)) for _ in range(TRAY - 1)] + [Unit("ROGUE%04d" % n, bad=True)] for n in range(1, bad_gateways + 1)]
        serials = iter(["SER%04d" % n for n in range(1, sensors + 1)])
        cls.sensors = [[Unit(next(serials), bad=n == 7) for n in range(TRAY)] for _ in range(cls.TRAYS)]
        for tray in cls.sensors:
            for unit in tray:
                if unit.bad:
                    cls.factory.knob(unit.serial, "lie", "silent")
        cls.orders()
        cls.shift = Shift(cls.factory)
        cls.addClassCleanup(cls.shift.close)

    @classmethod
    def people(cls):
        cls.factory.verb("people", "init", "--config", cls.factory.config)
        for name, role, (badge, pin) in zip(NAMES, ("operator", "lead"), (OPERATOR, LEAD)):
            said = subprocess.run([cls.factory.station, "people", "add", "--config", str(cls.factory.config), "--name", name, "--role", role],
                                  input="%s\n%s\n" % (badge.split(":")[1], pin), text=True, capture_output=True, check=True)
            assert said.stdout.startswith("p-"), said

    @classmethod
    def orders(cls):
        place = cls.factory.dir / "state" / "orders"
        place.mkdir(parents=True)
        (place / "WO-4711.json").write_text(json.dumps({
            "order": "WO-4711", "product": "gateway-2", "profile": "gateway", "count": TRAY * cls.SCANNED,
            "serials": [u.serial for tray in cls.gateways for u in tray]}))
        (place / "WO-4712.json").write_text(json.dumps({
            "order": "WO-4712", "product": "sensor-1", "profile": "sensor", "count": TRAY * cls.TRAYS,
            "serials": [u.serial for tray in cls.sensors for u in tray],
            "trays": {"T-%02d" % n: [u.serial for u in tray] for n, tray in enumerate(cls.sensors, 1)}}))

    # --- the shift

    def trouble(self, number, tray):
        """What goes wrong in this tray, while it is worked on."""
        shift = self.shift
        if number in self.KILLED:
            shift.console.kill()
            shift.console.start()
        if number == self.HUNG:
            os.kill(shift.console.pid(), signal.SIGSTOP)
            time.sleep(2)
            os.kill(shift.console.pid(), signal.SIGCONT)

    def wrong_label(self, tray):
        """The label of the second unit is on the first one: that slot stops, the others do not."""
        shift = self.shift
        shift.scan(tray[1].serial)
        shift.plug(tray[0], 1)
        shift.wait_slot(1, lambda s: s["verdict"] == "HOLD" and s["code"] == "E-LAB-001", "the wrong label is found")
        shift.see("01", "HOLD")
        shift.pull(tray[0], 1)

    def pulled_in_mid_work(self, unit, slot, label):
        """Pulled while it is worked on, and plugged in again."""
        shift = self.shift
        shift.wait_slot(slot, lambda s: s["stage_index"] >= 4 or s["state"] == "done", "it is in the middle")
        shift.pull(unit, slot)
        if label:
            shift.scan(unit.serial)
        shift.plug(unit, slot)

    def test_1_the_shift(self):
        shift, number = self.shift, 0
        shift.log_in(OPERATOR)
        shift.scan("ORDER:WO-4711")
        for tray in self.gateways:
            number += 1
            if number == self.WRONG_LABEL:
                self.wrong_label(tray)
            shift.begin_scanned(tray)
            if number in self.PULLED:
                self.pulled_in_mid_work(tray[-2], TRAY - 1, True)
            self.trouble(number, tray)
            shift.finish(tray)
        shift.scan("CMD:CLOSE-LOT", good=False)     # an operator may not
        shift.log_in(LEAD)
        shift.scan("CMD:CLOSE-LOT")
        shift.scan("CMD:YES")
        shift.log_in(OPERATOR)
        shift.scan("ORDER:WO-4712")
        for n, tray in enumerate(self.sensors, 1):
            number += 1
            if number == self.MES_AWAY:
                self.mes.goes_away()
            if number == self.MES_BACK:
                self.mes.comes_back()
            shift.begin_tray("T-%02d" % n, tray)
            if number in self.PULLED:
                self.pulled_in_mid_work(tray[-1], TRAY, False)
            self.trouble(number, tray)
            shift.finish(tray)
        shift.log_in(LEAD)
        shift.scan("CMD:CLOSE-LOT")
        shift.scan("CMD:YES")
        shift.scan("CMD:LEAVE")
        shift.see("SCAN YOUR BADGE")

    def test_2_every_unit_has_the_verdict_that_it_earned(self):
        ends = {serial: verdict for serial, verdict, _ in self.shift.pulled}
        for unit in (u for tray in self.gateways + self.sensors for u in tray):
            self.assertEqual(ends[unit.serial], "FAIL" if unit.bad else "PASS", unit.serial)
        self.assertEqual(len(ends), TRAY * (self.SCANNED + self.TRAYS))

    def test_3_the_handover_holds_what_devices_and_service_hold(self):
        good = {u.serial for tray in self.gateways + self.sensors for u in tray if not u.bad}
        rows = {}
        for lot in ("WO-4711", "WO-4712"):
            place = self.factory.dir / "state" / "handover"
            whole = json.loads((place / (lot + ".json")).read_text())
            with open(place / (lot + ".csv"), newline="", encoding="utf-8") as f:
                table = list(csv.DictReader(f))
            self.assertEqual([r["serial"] for r in table], [u["serial"] for u in whole["units"]])
            self.assertTrue(whole["checkpoint"].startswith("line-1.demo\n"))
            rows.update({u["serial"]: u for u in whole["units"]})
        self.assertEqual({s for s, u in rows.items() if u["verdict"] == "PASS"}, good)
        made = self.factory.counts()["ids"]
        for serial in (u.serial for tray in self.sensors for u in tray if not u.bad):
            self.assertEqual(made["enrollments/" + rows[serial]["registration_id"]]["created"], 1, serial)
        asked = {r.get("registrationId") for r in self.factory.requests() if r.get("plane") == "device" and r.get("status") in (200, 202)}
        self.assertLessEqual({rows[s]["registration_id"] for s in good}, asked)

    def test_4_the_mes_heard_each_visit_once_and_was_asked_before_each(self):
        with sqlite3.connect("file:%s?mode=ro" % (self.factory.dir / "state/ledger.db"), uri=True) as db:
            visits = db.execute("SELECT serial, verdict, code, lot FROM visit ORDER BY number").fetchall()
            wait_until(lambda: db.execute("SELECT count(*) FROM delivery").fetchone()[0] == 0, 60, "all is delivered")
        heard = [(e["unit"], e["body"]["verdict"], e["body"]["code"], e["lot"]) for e in self.mes.results()]
        self.assertEqual(sorted(heard), sorted(visits))
        silent = [e["unit"] for e in self.mes.results() if e["body"]["decision"] == "silent: go"]
        asked = {q["serial"] for q in self.mes.questions}
        self.assertGreaterEqual(len(silent), TRAY * (self.MES_BACK - self.MES_AWAY) - 1, "nobody answered in two trays")
        self.assertEqual({u.serial for tray in self.gateways + self.sensors for u in tray} - asked - set(silent), set())
        self.assertEqual([e["type"] for e in self.mes.once().values() if e["type"].startswith("lot.")],
                         ["lot.opened", "lot.closed", "lot.opened", "lot.closed"])

    def test_5_nobody_is_named(self):
        secrets = [*NAMES, OPERATOR[0].split(":")[1], LEAD[0].split(":")[1]]
        for path in (p for p in (self.factory.dir / "state").rglob("*") if p.is_file()):
            data = path.read_bytes()
            for secret in secrets:
                self.assertNotIn(secret.encode(), data, "%s in %s" % (secret, path))

    def test_6_no_slot_waited_for_the_console(self):
        print("a slot paused for at most %d ms between two stages, with a console killed twice and hung once" % pauses(self.shift.process.events()))


if __name__ == "__main__":
    if "--short" in sys.argv:   # the same troubles, in fewer trays
        sys.argv.remove("--short")
        OneShift.SCANNED, OneShift.TRAYS, OneShift.PULLED, OneShift.KILLED, OneShift.HUNG = 2, 4, (1, 3), (2, 5), 4
        OneShift.MES_AWAY, OneShift.MES_BACK = 4, 6
    unittest.main(verbosity=2)
