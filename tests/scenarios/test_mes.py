# SPDX-License-Identifier: Apache-2.0
"""The MES: asked before a unit begins, and told of everything, at least once, in order per unit, whatever breaks in between."""
import contextlib
import csv
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402
from mes import Mes  # noqa: E402

UNITS = 8


def rows(factory, sql):
    with sqlite3.connect("file:%s?mode=ro" % (factory.dir / "state/ledger.db"), uri=True) as db:
        return db.execute(sql).fetchall()


def identities(factory):
    """Intents in the audit log: what was signed or permitted, or was about to be."""
    return rows(factory, "SELECT count(*) FROM entry WHERE type LIKE '%intent%'")[0][0]


class WithMes(unittest.TestCase):
    floor, mutual, hmac, units, slots = "", False, b"the key of both", UNITS, None

    def setUp(self):
        self.factory = Factory(devices=self.units, slots=self.slots or self.units)
        self.addCleanup(self.factory.close)
        self.mes = Mes(self.factory.dir / "mes", hmac=self.hmac, mutual=self.mutual)
        self.addCleanup(self.mes.goes_away)
        self.factory.floor = "\n" + self.floor.replace("{place}", str(self.factory.dir)) + "\n" + self.mes.config()
        self.factory.write_config("line", "line", "reader")

    def serial(self, n):
        return "SIM%04d" % n

    def pass_units(self, line, units):
        for n in units:
            self.factory.plug(self.serial(n), n)
        return [line.wait_verdict("%02d" % n, 120) for n in units]

    def heard(self, count, timeout_s=40):
        wait_until(lambda: len(self.mes.results()) >= count, timeout_s, "%d results at the MES, which has %d" % (count, len(self.mes.results())))
        return self.mes.results()


class CheckIn(WithMes):
    def one(self, answer):
        """What becomes of the first unit, when the MES says this of it."""
        self.mes.answers[self.serial(1)] = answer
        self.line = self.factory.start_line()
        self.factory.plug(self.serial(1), 1)
        return self.line.wait_verdict("01", 60)

    def refused(self, answer, code, reason=""):
        end = self.one(answer)
        self.assertEqual((end["verdict"], end["code"]), ("HOLD", code))
        self.assertIn(reason, end["what"])
        self.assertEqual(identities(self.factory), 0, "nothing is counted or signed for a unit that was not released")
        self.assertEqual(self.factory.stats(self.serial(1))["BUNDLE_COMMIT"], 0)
        return end

    def test_go_lets_the_unit_begin_and_the_result_says_so(self):
        self.assertEqual(self.one({"decision": "go", "variant": "EU", "profile": "demo"})["verdict"], "PASS")
        result = self.heard(1)[0]["body"]
        self.assertEqual((result["verdict"], result["decision"], result["variant"]), ("PASS", "go", "EU"))
        self.assertEqual(result["check_in"], self.mes.questions[0]["id"])
        self.assertEqual(result["registration_id"], rows(self.factory, "SELECT registration_id FROM job")[0][0])
        self.assertTrue(result["checkpoint"].startswith("line-1.demo\n"), "a checkpoint leaves the station with every result")

    def test_hold_keeps_it_and_shows_the_reason(self):
        self.refused({"decision": "hold", "reason": "Erstmuster: bitte zur QS", "code": "Q7"}, "E-MES-003", "Q7: Erstmuster")

    def test_skip_lets_it_travel_on(self):
        self.refused({"decision": "skip", "reason": "done in hall 2"}, "E-MES-004")

    def test_error_is_no_release(self):
        self.refused({"decision": "error", "reason": "no route"}, "E-MES-005")

    def test_another_profile_is_no_release(self):
        self.refused({"decision": "go", "profile": "other"}, "E-MES-007", "other")

    def test_another_unit_is_no_release(self):
        self.refused({"decision": "go", "unit_id": "SIM0999"}, "E-MES-007")

    def test_silence_is_no_release(self):
        self.refused(None, "E-MES-006")

    def test_garbage_is_no_release(self):
        self.refused(b"\xff{\"decision\":\"go\"}", "E-MES-006")

    def test_an_answer_to_another_question_is_no_release(self):
        self.refused(b'{"id":"0","decision":"go"}', "E-MES-006")

    def test_an_answer_after_the_time_is_no_release(self):
        self.mes.delay_s = 2.5
        self.refused({"decision": "go"}, "E-MES-006")

    def test_a_word_that_is_not_known_is_no_release(self):
        self.refused({"decision": "GO"}, "E-MES-006")

    def test_a_reason_of_400_umlauts_is_cut_between_two_of_them(self):
        what = self.refused({"decision": "hold", "reason": "ä" * 400}, "E-MES-003")["what"]
        self.assertEqual(what, "ä" * 90)

    def test_an_answer_said_twice_is_no_answer(self):
        self.mes.twice = True
        self.refused({"decision": "go"}, "E-MES-006")

    def test_the_answer_to_the_first_question_is_none_to_the_second(self):
        first = {"decision": "go"}
        self.assertEqual(self.one(first)["verdict"], "PASS")
        said = json.dumps({"id": self.mes.questions[0]["id"], **first}).encode()
        self.mes.answers[self.serial(2)] = said
        self.factory.plug(self.serial(2), 2)
        end = self.line.wait_verdict("02", 60)
        self.assertEqual((end["verdict"], end["code"]), ("HOLD", "E-MES-006"))
        self.assertEqual(self.factory.stats(self.serial(2))["BUNDLE_COMMIT"], 0)


class Silence(WithMes):
    units = 2

    def begin(self, silent):
        self.factory.floor = self.factory.floor.replace("[mes-http]", "[mes]\nsilent = %s\n\n[mes-http]" % silent)
        self.factory.write_config("line", "line", "reader")
        self.mes.goes_away()
        line = self.factory.start_line()
        return self.pass_units(line, [1, 2])

    def tearDown(self):
        self.mes.comes_back()

    def test_go_goes_on_and_the_record_says_that_nobody_answered(self):
        self.assertEqual({s["verdict"] for s in self.begin("go")}, {"PASS"})
        said = [json.loads(b)["body"] for (b,) in rows(self.factory, "SELECT entry FROM entry WHERE type = 'stage.done'")]
        self.assertEqual({b["decision"] for b in said if b["stage"] == "admit"}, {"silent: go"})

    def test_listed_lets_those_begin_that_the_mes_left_a_list_of(self):
        inbox = self.factory.dir / "in"
        (inbox / "allow").mkdir(parents=True)
        (inbox / "allow" / "today.txt").write_text("XXX\n%s\r\nYYY" % self.serial(2))
        self.factory.floor += "\n[mes-folder]\nout = %s\nin = %s\n" % (self.factory.dir, inbox)
        ends = self.begin("listed")
        self.assertEqual([s["verdict"] for s in ends], ["HOLD", "PASS"])
        self.assertEqual(ends[0]["code"], "E-MES-006")


class Delivery(WithMes):
    def test_mutual_tls(self):
        self.mes.goes_away()
        self.mes = Mes(self.factory.dir / "mtls", mutual=True)
        self.factory.floor = "\n" + self.mes.config()
        self.factory.write_config("line", "line", "reader")
        line = self.factory.start_line()
        self.assertEqual(self.pass_units(line, [1])[0]["verdict"], "PASS")
        self.assertEqual(self.heard(1)[0]["unit"], self.serial(1))

    def test_an_outage_loses_nothing_and_doubles_nothing(self):
        self.factory.floor = self.factory.floor.replace("[mes-http]", "[mes]\ncheck_in = no\n\n[mes-http]")
        self.factory.write_config("line", "line", "reader")
        line = self.factory.start_line()
        self.pass_units(line, [1, 2])
        self.heard(2)
        self.mes.goes_away()
        self.pass_units(line, [3, 4, 5])
        for n in (3, 4, 5):     # and once more, so that units have more than one event
            self.factory.unplug(self.serial(n))
            line.wait_empty("%02d" % n)
            self.factory.plug(self.serial(n), n)
            line.wait_verdict("%02d" % n, 60, nth=2)
        line.kill()
        line = self.factory.start_line()
        self.mes.status["unit.result"] = 503
        self.mes.comes_back()
        time.sleep(1.5)
        self.mes.status.clear()
        for n in range(1, 6):   # all were plugged in when the line came back
            line.wait_verdict("%02d" % n, 60)
        visits = rows(self.factory, "SELECT serial, verdict, ended_ms FROM visit ORDER BY number")
        self.assertEqual(len(visits), 8 + 5)
        results = self.heard(len(visits))
        self.assertEqual(len(results), len(visits))
        for n in range(1, 6):
            mine = [(e["unit"], e["body"]["verdict"], e["body"]["ended_ms"]) for e in results if e["unit"] == self.serial(n)]
            self.assertEqual(mine, [v for v in visits if v[0] == self.serial(n)], "in order, each once")
        wait_until(lambda: rows(self.factory, "SELECT count(*) FROM delivery")[0][0] == 0, 20, "nothing waits")

    def test_a_line_that_is_killed_while_it_delivers_delivers_all(self):
        self.factory.floor = self.factory.floor.replace("[mes-http]", "[mes]\ncheck_in = no\n\n[mes-http]")
        self.factory.write_config("line", "line", "reader")
        self.mes.delay_s = 0.3
        line = self.factory.start_line()
        self.pass_units(line, range(1, UNITS + 1))
        for _ in range(4):
            time.sleep(0.4)
            line.kill()
            line = self.factory.start_line()
        self.mes.delay_s = 0
        self.assertEqual(sorted(e["unit"] for e in self.heard(UNITS)), [self.serial(n) for n in range(1, UNITS + 1)])

    def test_the_mes_hears_what_the_line_is(self):
        def states():
            return [e["body"]["state"] for e in self.mes.once().values() if e["type"] == "line.state"]
        line = self.factory.start_line()
        wait_until(lambda: states() == ["ready"], 20, "ready")
        line.stop()
        self.factory.start_line()
        wait_until(lambda: states() == ["ready", "stopped", "ready"], 20, "stopped, in order")

    def test_what_the_mes_refuses_for_good_goes_aside_and_holds_nobody_back(self):
        self.mes.status["unit.result"] = 422
        line = self.factory.start_line()
        self.pass_units(line, [1])
        wait_until(lambda: rows(self.factory, "SELECT state FROM delivery") == [("aside",)], 20, "it is aside")
        self.mes.status.clear()
        self.pass_units(line, [2])
        self.assertEqual([e["unit"] for e in self.heard(1)], [self.serial(2)])
        self.assertIn("E-MES-002", self.factory.verb("queue", "--config", self.factory.config))
        self.factory.verb("queue", "--retry", "--config", self.factory.config)
        self.assertEqual({e["unit"] for e in self.heard(2)}, {self.serial(1), self.serial(2)})

    def test_one_event_that_is_never_taken_holds_up_no_other_unit(self):
        self.mes.status[self.serial(3)] = 500
        line = self.factory.start_line()
        self.pass_units(line, range(1, 7))
        self.factory.unplug(self.serial(3))
        line.wait_empty("03")
        self.factory.plug(self.serial(3), 3)
        line.wait_verdict("03", 60, nth=2)
        self.assertEqual(sorted(e["unit"] for e in self.heard(5)), [self.serial(n) for n in (1, 2, 4, 5, 6)])
        tries = lambda: [t for unit, t in self.mes.tried if unit == self.serial(3)]  # noqa: E731
        wait_until(lambda: len(tries()) >= 4, 30, "it is tried again and again")
        self.assertGreater(tries()[3] - tries()[0], 1 + 2 + 4 - 0.5, "at growing distances")
        self.assertFalse(self.factory.ask_line(do="queue")["mes"]["adapters"][0]["offline"], "the MES itself is there")
        self.assertEqual(rows(self.factory, "SELECT unit, state FROM delivery"), [(self.serial(3), "waiting")] * 2)
        self.assertIn("status 500", self.factory.verb("queue", "--config", self.factory.config))
        self.mes.status.clear()
        self.factory.verb("queue", "--retry", "--config", self.factory.config)
        self.heard(7)
        ended = [e["body"]["ended_ms"] for e in self.mes.results(self.serial(3))]
        self.assertEqual((len(ended), ended), (2, sorted(ended)), "in order")

    def test_the_mes_says_itself_when_it_wants_an_event_again(self):
        self.mes.status[self.serial(1)] = (429, 6)
        line = self.factory.start_line()
        self.pass_units(line, [1, 2])
        self.heard(1)
        self.mes.status.clear()
        self.heard(2)
        first, second = [t for unit, t in self.mes.tried if unit == self.serial(1)]
        self.assertGreaterEqual(second - first, 5.9)

    def test_a_mes_that_takes_nothing_from_anybody_is_shown_and_not_flooded(self):
        self.mes.status["unit.result"] = 503
        line = self.factory.start_line()
        self.pass_units(line, [1, 2])
        adapter = lambda: self.factory.ask_line(do="queue")["mes"]["adapters"][0]  # noqa: E731
        wait_until(lambda: (adapter()["code"], adapter()["waiting"]) == ("E-MES-001", 2), 20, "it is shown")
        self.mes.status.clear()
        self.heard(2)
        wait_until(lambda: not adapter()["offline"], 20, "it is back")

    def test_a_wrong_key_delivers_nothing_and_stops_nothing(self):
        (self.factory.dir / "mes" / "hmac").write_bytes(b"another")
        self.factory.floor = self.factory.floor.replace("[mes-http]", "[mes]\nsilent = go\n\n[mes-http]")
        self.factory.write_config("line", "line", "reader")
        line = self.factory.start_line()
        self.assertEqual(self.pass_units(line, [1])[0]["verdict"], "PASS")
        wait_until(lambda: self.mes.refused, 20, "a refusal")
        self.assertEqual(self.mes.events, [])
        self.assertEqual(rows(self.factory, "SELECT count(*) FROM delivery WHERE unit <> ''")[0][0], 1)


class Shift(WithMes):
    """More units than slots, and a line that is killed again and again while it delivers."""
    units, slots = 30, 8

    def test_each_event_comes_once_by_its_id_and_in_order_per_unit(self):
        self.factory.floor = self.factory.floor.replace("[mes-http]", "[mes]\ncheck_in = no\n\n[mes-http]")
        self.factory.write_config("line", "line", "reader")
        self.mes.delay_s = 0.15
        line = self.factory.start_line()
        for first in range(1, self.units + 1, self.slots):
            batch = range(first, min(first + self.slots, self.units + 1))
            for n in batch:
                self.factory.plug(self.serial(n), n - first + 1)
            for n in batch:
                line.wait_verdict("%02d" % (n - first + 1), 120)
            line.kill()     # while it delivers
            line = self.factory.start_line()
            for n in batch:     # they are still plugged in: each has another visit
                line.wait_verdict("%02d" % (n - first + 1), 120)
                self.factory.unplug(self.serial(n))
            for n in batch:
                line.wait_empty("%02d" % (n - first + 1))
            line.kill()
            line = self.factory.start_line()
        self.mes.delay_s = 0
        wait_until(lambda: rows(self.factory, "SELECT count(*) FROM delivery")[0][0] == 0, 60, "nothing waits")
        visits = rows(self.factory, "SELECT serial, verdict, ended_ms FROM visit ORDER BY number")
        results = self.mes.results()
        self.assertEqual(len(results), len(visits))
        self.assertEqual(sorted(e["id"] for e in results), sorted(i for (i,) in rows(self.factory, "SELECT id FROM event WHERE type = 'unit.result'")))
        for n in range(1, self.units + 1):
            mine = [(e["unit"], e["body"]["verdict"], e["body"]["ended_ms"]) for e in results if e["unit"] == self.serial(n)]
            self.assertEqual(mine, [v for v in visits if v[0] == self.serial(n)], "in order, each once")
            self.assertEqual(len(mine), 2)


class Folder(unittest.TestCase):
    def test_files_are_whole_whenever_somebody_looks(self):
        factory = Factory(devices=4, slots=4, floor="[mes-folder]\nout = {place}/out\nformat = json csv openhtf\n")
        self.addCleanup(factory.close)
        out = factory.dir / "out"
        line = factory.start_line()
        broken, ended = [], threading.Event()

        def look():
            while not ended.is_set():
                for path in list(out.glob("*")) if out.exists() else []:
                    try:
                        text = path.read_text()
                    except FileNotFoundError:
                        continue
                    if path.suffix == ".json":
                        try:
                            json.loads(text)
                        except ValueError:
                            broken.append((path.name, text))
                    elif path.suffix == ".csv" and len(list(csv.reader(text.splitlines()))) != 2:
                        broken.append((path.name, text))
        reader = threading.Thread(target=look)
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(ended.set)
        for n in (1, 2):
            factory.plug("SIM%04d" % n, n)
            self.assertEqual(line.wait_verdict("%02d" % n)["verdict"], "PASS")
        self.assertFalse(list(out.glob("*")) if out.exists() else [], "a folder that is not there is waited for")
        factory.unplug_all()
        for n in (1, 2):
            line.wait_empty("%02d" % n)
        out.mkdir()
        for _ in range(3):
            line.kill()
            line = factory.start_line()
        for n in (3, 4):
            factory.plug("SIM%04d" % n, n)
            line.wait_verdict("%02d" % n)
        wait_until(lambda: len(list(out.glob("*_SIM*.csv"))) == 4, 40, "four files of CSV")
        wait_until(lambda: rows(factory, "SELECT count(*) FROM delivery")[0][0] == 0, 20, "nothing waits")
        self.assertEqual(broken, [])
        for n in range(1, 5):
            found = sorted(p.name for p in out.glob("line-1_*_SIM%04d_*" % n))
            self.assertEqual(len(found), 3, found)
            with open(out / found[0], newline="", encoding="utf-8") as f:
                row = next(csv.DictReader(f))
            self.assertEqual((row["serial"], row["verdict"]), ("SIM%04d" % n, "PASS"))
            record = json.loads((out / found[2]).read_text())
            self.assertEqual((record["dut_id"], record["outcome"], record["station_id"]), ("SIM%04d" % n, "PASS", "line-1"))
            self.assertEqual(record["phases"][0]["name"], "detect")

    def outage(self, begin, end):
        """Units while the folder cannot be written, and what is there afterwards."""
        factory = Factory(devices=3, slots=3, floor="[mes-folder]\nout = {place}/out\nformat = json csv\n")
        self.addCleanup(factory.close)
        out = factory.dir / "out"
        out.mkdir()
        begin(out)
        line = factory.start_line()
        for n in (1, 2, 3):
            factory.plug("SIM%04d" % n, n)
            self.assertEqual(line.wait_verdict("%02d" % n)["verdict"], "PASS")
        wait_until(lambda: factory.ask_line(do="queue")["mes"]["adapters"][0]["offline"], 20, "it is shown")
        self.assertEqual({n for (n,) in rows(factory, "SELECT unit FROM delivery")} - {""}, {"SIM%04d" % n for n in (1, 2, 3)})
        self.assertEqual([p.name for p in out.glob("*_SIM*") if p.suffix != ".tmp"], [])
        end(out)
        wait_until(lambda: rows(factory, "SELECT count(*) FROM delivery")[0][0] == 0, 60, "all is delivered")
        for n in (1, 2, 3):
            names = sorted(p.suffix for p in out.glob("line-1_*_SIM%04d_*" % n))
            self.assertEqual(names, [".csv", ".json"])
        self.assertEqual(list(out.glob("*.tmp")), [], "no half of a file is left")
        self.assertEqual({json.loads(p.read_text())["body"]["verdict"] for p in out.glob("*_SIM*.json")}, {"PASS"})

    @unittest.skipIf(os.geteuid() != 0, "only root can mount a small file system")
    def test_a_full_disk_keeps_events_and_not_the_line(self):
        def fill(out):
            self.mount(out, "size=32k")
            with open(out / "rubbish", "wb", buffering=0) as f, contextlib.suppress(OSError):
                while f.write(bytes(4096)):
                    pass
        self.outage(fill, lambda out: (subprocess.run(["mount", "-o", "remount,size=1m", out], check=True), (out / "rubbish").unlink()))

    @unittest.skipIf(os.geteuid() != 0, "root may write into every directory, and others cannot mount")
    def test_a_read_only_folder_keeps_events_and_not_the_line(self):
        def mount(out):
            self.mount(out, "ro")
        self.outage(mount, lambda out: subprocess.run(["mount", "-o", "remount,rw", out], check=True))

    def mount(self, place, options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True)
        if done.returncode:
            self.skipTest("no mounts here")
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=False)


class Inbox(unittest.TestCase):
    """Orders that the MES leaves in the folder."""

    def setUp(self):
        self.factory = Factory(devices=1, slots=1, floor="[mes-folder]\nout = {place}/out\nin = {place}/in\n")
        self.addCleanup(self.factory.close)
        (self.factory.dir / "out").mkdir()
        self.inbox, self.refused = self.factory.dir / "in/orders", self.factory.dir / "in/refused"
        self.taken = self.factory.dir / "state/orders"
        self.inbox.mkdir(parents=True)

    def leave(self, name, count=10, text=None, **more):
        text = text or json.dumps({"order": name, "product": "gateway", "profile": "demo", "count": count, **more})
        (self.inbox / ("." + name)).write_text(text)
        (self.inbox / ("." + name)).rename(self.inbox / (name + ".json"))
        return text

    def gone(self, name, place=None):
        wait_until(lambda: not (self.inbox / name).exists(), 20, "%s is gone from the inbox" % name)
        return self.taken / name

    def why(self, name):
        self.gone(name)
        self.assertTrue((self.refused / name).exists())
        return (self.refused / (name + ".txt")).read_text()

    def test_an_order_from_the_mes_can_be_opened(self):
        text = self.leave("WO-1")
        line = self.factory.start_line()
        self.assertEqual(self.gone("WO-1.json").read_text(), text)
        self.assertFalse(self.refused.exists())
        self.factory.verb("lot", "open", "--config", self.factory.config, "WO-1")
        self.factory.plug("SIM0001", 1)
        self.assertEqual(line.wait_verdict("01")["verdict"], "PASS")
        wait_until(lambda: list((self.factory.dir / "out").glob("*_SIM0001_*")), 20, "its result")
        result = json.loads(next((self.factory.dir / "out").glob("*_SIM0001_*")).read_text())
        self.assertEqual(result["lot"], "WO-1")
        again = self.leave("WO-1")      # the same once more does no harm
        self.assertEqual(self.gone("WO-1.json").read_text(), again)
        self.leave("WO-1", count=11)
        self.assertIn("E-LOT-004", self.why("WO-1.json"))
        self.assertEqual((self.taken / "WO-1.json").read_text(), text, "what was opened stays")

    def test_what_is_no_order_is_put_aside_with_the_reason(self):
        self.leave("WO-2", text="{")
        self.leave("WO-3", text=json.dumps({"order": "WO-4", "product": "p", "profile": "demo", "count": 1}))
        self.leave("WO-5", colour="red")
        self.leave("WO-6", text=" " * ((8 << 20) + 1))
        os.mkfifo(self.inbox / "WO-7.json")
        (self.inbox / "WO-8.json").symlink_to("/etc/passwd")
        (self.inbox / "WO-9.json.tmp").write_text("{")
        self.leave("WO-10")
        self.factory.start_line()
        for name, reason in (("WO-2", "line 1"), ("WO-3", "WO-4"), ("WO-5", "colour"), ("WO-6", "8388608"), ("WO-7", "no file"), ("WO-8", "no file")):
            self.gone(name + ".json")
            text = (self.refused / (name + ".json.txt")).read_text()
            self.assertTrue(text.startswith("E-LOT-002 "), text)
            self.assertIn(reason, text)
        self.gone("WO-10.json")
        self.assertEqual([p.name for p in self.taken.iterdir()], ["WO-10.json"])
        self.assertEqual([p.name for p in self.inbox.iterdir()], ["WO-9.json.tmp"], "what is still being written is left")

    def test_an_order_that_cannot_be_written_yet_waits(self):
        self.taken.parent.mkdir(exist_ok=True)
        self.taken.write_text("in the way")
        text = self.leave("WO-1")
        line = self.factory.start_line()
        line.wait(lambda: "orders of the MES" in line.process.output, 20, "a word about it")
        self.assertTrue((self.inbox / "WO-1.json").exists())
        self.taken.unlink()
        self.assertEqual(self.gone("WO-1.json").read_text(), text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
