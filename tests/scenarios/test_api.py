#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The station's HTTP API on a running line, asked by an independent client, and held against its own description, the ledger and the
devices."""
import contextlib
import json
import pathlib
import re
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from factory import Factory, wait_until  # noqa: E402
from web import TOKEN, Api, Description, Events, floor, free_port, metrics  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH")
NAME, BADGE, PIN = "Ada Ordinary", "op-0417-Q", "2580"
LEAD, LEAD_BADGE, LEAD_PIN = "Lea Leading", "ld-0099-Q", "7412"
MORE = "[people]\nfile = {place}/people.json\n\n[lots]\norders = {place}/orders\n"
ORDER = {"order": "WO-1", "product": "gateway", "profile": "demo", "count": 10}


class Case(unittest.TestCase):
    """A line with an API, a lot that is open, and two units that are done."""
    devices, slots = 3, 4

    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.factory = Factory(devices=cls.devices, slots=cls.slots, floor=floor(cls.port, MORE), jig=(2, 2))
        cls.factory.secret("api", TOKEN)
        cls.api = Api(cls.port)
        (cls.factory.dir / "orders").mkdir()
        (cls.factory.dir / "orders/WO-1.json").write_text(json.dumps(ORDER))
        cls.factory.verb("people", "init", "--config", cls.factory.config)
        for name, role, badge, pin in ((NAME, "operator", BADGE, PIN), (LEAD, "lead", LEAD_BADGE, LEAD_PIN)):
            subprocess.run([cls.factory.station, "people", "add", "--config", str(cls.factory.config), "--name", name, "--role", role],
                           input="%s\n%s\n" % (badge, pin), encoding="utf-8", check=True, capture_output=True)
        cls.line = cls.factory.start_line()
        cls.description = Description(json.loads((SOURCE / "station/api/openapi.json").read_text()))
        cls.shift_begins()
        for n in (1, 2):
            cls.factory.plug("SIM%04d" % n, n)
        for n in (1, 2):
            assert cls.line.wait_verdict("%02d" % n)["verdict"] == "PASS"

    @classmethod
    def tearDownClass(cls):
        cls.factory.unplug_all()
        cls.line.stop()
        cls.factory.close()

    @classmethod
    def shift_begins(cls):
        """By the API alone: a MES may do what a scanner does."""
        for answer in (cls.api.do("scan", code="BADGE:" + LEAD_BADGE), cls.api.do("pin", pin=LEAD_PIN), cls.api.do("lot-open", id="WO-1")):
            assert answer.status == 200, answer.body

    def ledger(self, question, *values):
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db:
            return db.execute(question, values).fetchall()

    def keeps_description(self, path, method, answer):
        self.assertEqual(list(self.description.answer_breaks(path, method, answer)), [], answer.body[:500])


class Described(Case):
    """The description and the server say the same."""

    def place_of(self, path):
        return path.replace("/v1/slots/{name}", "/v1/slots/01").replace("/v1/units/{id}", "/v1/units/SIM0001").replace(
            "/v1/lots/{id}", "/v1/lots/WO-1")

    def test_every_path_answers_each_method_as_the_file_says(self):
        for path, methods in self.description.doc["paths"].items():
            for method in METHODS:
                if path == "/v1/events" and method == "GET":
                    continue    # it never ends
                published = method.lower() in methods or (method == "HEAD" and "get" in methods)
                with self.subTest(path=path, method=method):
                    body = {"do": "status"} if path == "/v1/requests" and method == "POST" else None
                    answer = self.api(self.place_of(path), method, body, TOKEN if body else None)
                    if method == "OPTIONS":
                        self.assertEqual((answer.status, answer.body), (204, b""))
                        allowed = answer.headers["allow"].split(", ")
                        self.assertEqual(set(allowed), {m.upper() for m in methods} | {"OPTIONS"} | ({"HEAD"} if "get" in methods else set()))
                    elif not published:
                        self.assertEqual((answer.status, answer.type), (405, "application/problem+json"))
                        self.assertIn("OPTIONS", answer.headers["allow"])
                    else:
                        self.assertEqual(answer.status, 200, answer.body)
                        if method == "HEAD":
                            self.assertEqual(answer.body, b"")
                        else:
                            self.keeps_description(path, method, answer)

    def test_no_route_is_missing_in_the_file(self):
        routes = re.findall(r'^\t\{"(/[^"]*)", ROUTE_\w+, [^{]*\{(.*)\}\},$', (SOURCE / "station/api/route.c").read_text(), re.M)
        self.assertGreater(len(routes), 10)
        self.assertEqual(sorted(p for p, _ in routes), sorted(self.description.doc["paths"]))
        for path, parameters in routes:
            known = {n: kind for n, kind in re.findall(r'\{"(\w+)", (true|false)\}', "{" + parameters + "}")}
            said = self.description.doc["paths"][path].get("get", {}).get("parameters", [])
            self.assertEqual({p["name"]: "true" if p["schema"]["type"] == "integer" else "false" for p in said if p["in"] == "query"},
                             known, path)

    def test_the_file_that_is_served_is_the_file(self):
        self.assertEqual(self.api.get("/v1/openapi.json"), self.description.doc)

    def test_refusals_are_problems_with_a_code_and_sentences(self):
        cases = [("/v1/slots/99", "GET", None, 404, "/v1/slots/{name}"), ("/v1/units/nobody", "GET", None, 404, "/v1/units/{id}"),
                 ("/v1/lots/WO-9", "GET", None, 404, "/v1/lots/{id}"), ("/v1/journal?before=x", "GET", None, 400, "/v1/journal"),
                 ("/v1/units?mots=3", "GET", None, 400, "/v1/units"), ("/v1/requests", "POST", {"do": "nonsense"}, 400, "/v1/requests"),
                 ("/v1/requests", "POST", [], 400, "/v1/requests")]
        for path, method, body, status, published in cases:
            with self.subTest(path=path):
                answer = self.api(path, method, body, TOKEN if body is not None else None)
                self.assertEqual(answer.status, status, answer.body)
                self.keeps_description(published, method, answer)
                self.assertEqual(answer.json["status"], status)
                self.assertTrue(all(answer.json[m] for m in ("code", "happened", "todo", "whom", "detail", "title")), answer.json)

    def test_events_are_those_of_the_description(self):
        reader = Events(self.port)
        try:
            _, _, snapshot = reader.wait(lambda h: h[1] == "snapshot", "a snapshot")
            snapshot.pop("event")
            self.assertEqual(list(self.description.breaks(snapshot, {"$ref": "#/components/schemas/Status"})), [])
        finally:
            reader.close()


class Told(Case):
    """What it says is so."""

    def test_units_are_those_of_the_ledger(self):
        rows = self.ledger("SELECT serial, registration_id, hub FROM job ORDER BY started_ms")
        units = self.api.get("/v1/units")["units"]
        self.assertEqual([(u["serial"], u["registration_id"], u["hub"]) for u in units], rows)
        self.assertEqual(len(rows), 2)
        for serial, registration, _ in rows:
            for name in (serial, registration):
                unit = self.api.get("/v1/units/" + name)["unit"]
                self.assertEqual((unit["serial"], unit["verdict"]), (serial, "PASS"))
                self.assertEqual(unit["leaf_sha256"], self.factory.leaf_of(serial)[1])
        first = self.api.get("/v1/units?most=1")["units"]
        self.assertEqual([u["serial"] for u in self.api.get("/v1/units?after=%s" % first[0]["job"])["units"]], [rows[1][0]])

    def test_results_and_journal_are_read_in_portions(self):
        whole = self.api.get("/v1/results")
        self.assertEqual(sorted(r["serial"] for r in whole["results"]), ["SIM0001", "SIM0002"])
        self.assertEqual(self.api.get("/v1/results?lot=WO-1")["results"], whole["results"])
        self.assertEqual(self.api.get("/v1/results?lot=WO-2")["results"], [])
        one = self.api.get("/v1/results?most=1")
        self.assertEqual(self.api.get("/v1/results?after=%d" % one["last"])["results"], whole["results"][1:])
        size, = self.ledger("SELECT count(*) FROM entry")[0]
        found, before = [], None
        while before != 0:
            part = self.api.get("/v1/journal?most=7" + ("&before=%d" % before if before is not None else ""))
            found += [e["index"] for e in part["entries"]]
            before = part["first"]
        self.assertEqual(found, list(range(size - 1, -1, -1)))

    def test_metrics_are_in_the_format_and_count_the_ledger(self):
        answer = self.api("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        found = metrics(answer.body.decode())

        def of(name, **labels):
            return found[(name, frozenset(labels.items()))]
        verdicts = dict(self.ledger("SELECT verdict, count(*) FROM job GROUP BY verdict"))
        self.assertEqual(of("station_units", verdict="pass"), sum(verdicts.values()))
        self.assertEqual(of("station_fit"), 1)
        self.assertEqual(of("station_audit_entries"), self.ledger("SELECT count(*) FROM entry")[0][0])
        self.assertEqual(sum(v for (n, _), v in found.items() if n == "station_slots"), self.slots)
        done = [s for s in self.line.slots() if s["state"] == "done" and s["verdict"]]
        for stage in self.factory.stages():
            took = [s["times"].get(stage, 0) for s in {s["serial"]: s for s in done}.values()]
            took = [t for t in took if t]
            if not took:
                continue
            self.assertEqual(of("station_stage_duration_seconds_count", stage=stage), len(took), stage)
            self.assertAlmostEqual(of("station_stage_duration_seconds_sum", stage=stage), sum(took) / 1000, 6)
            buckets = sorted((float(dict(labels)["le"]), v) for (n, labels), v in found.items()
                             if n == "station_stage_duration_seconds_bucket" and dict(labels)["stage"] == stage)
            self.assertEqual([v for _, v in buckets], [sum(t <= 1000 * le for t in took) for le, _ in buckets])
            self.assertEqual(buckets[-1][0], float("inf"))

    def test_no_name_of_a_person_passes(self):
        reader = Events(self.port)
        try:
            self.assertEqual(self.api.do("scan", code="BADGE:" + BADGE).status, 200)
            self.assertEqual(self.api.do("pin", pin=PIN).status, 200)
            reader.wait(lambda h: h[1] == "shift" and h[2]["shift"]["person"]["role"] == "operator", "the operator")
            said = [json.dumps(h) for h in reader.heard]
        finally:
            reader.close()
            self.shift_begins_again()
        said += [self.api(p).body.decode() for p in ("/v1/status", "/v1/lots", "/v1/lots/WO-1", "/v1/results", "/v1/journal?most=200",
                                                      "/v1/units/SIM0001", "/metrics")]
        for text in said:
            for secret in (NAME, LEAD, "Ada", "Lea ", BADGE, LEAD_BADGE, PIN, LEAD_PIN, TOKEN):
                self.assertNotIn('"%s' % secret, text)
                self.assertNotIn('%s"' % secret, text)

    def shift_begins_again(self):
        for answer in (self.api.do("scan", code="BADGE:" + LEAD_BADGE), self.api.do("pin", pin=LEAD_PIN)):
            self.assertEqual(answer.status, 200, answer.body)

    def test_static_answers_are_kept_by_their_tag_and_others_never(self):
        for path in ("/", "/v1/openapi.json"):
            first = self.api(path)
            self.assertEqual(first.headers["cache-control"], "no-cache")
            again = self.api(path, If_None_Match='"other", W/' + first.headers["etag"])
            self.assertEqual((again.status, again.body), (304, b""))
            self.assertEqual(self.api(path, If_None_Match='"other"').status, 200)
        for path in ("/v1/status", "/metrics", "/v1/nothing"):
            self.assertEqual(self.api(path).headers["cache-control"], "no-store")

    def test_every_answer_keeps_a_browser_from_guessing_and_framing(self):
        for path in ("/", "/v1/status", "/metrics", "/v1/nothing", "/v1/openapi.json"):
            headers = self.api(path, Origin="https://elsewhere.example").headers
            self.assertEqual((headers["x-content-type-options"], headers["x-frame-options"]), ("nosniff", "DENY"))
            self.assertFalse([h for h in headers if h.startswith("access-control")])
        self.assertIn("default-src 'none'", self.api("/").headers["content-security-policy"])


class Streamed(Case):
    """Events as they happen, and where a reader goes on who broke off."""

    def test_a_reader_goes_on_where_it_broke_off(self):
        one = Events(self.port)
        try:
            self.assertEqual(one.headers["content-type"], "text/event-stream")
            one.wait(lambda h: h[1] == "snapshot", "a snapshot")
            self.assertEqual(one.retry, 2000)
            self.factory.plug("SIM0003", 3)
            broke = one.wait(lambda h: h[1] == "slot" and h[2]["slot"]["stage"] == "attest", "attest")
            one.wait(lambda h: h[1] == "slot" and h[2]["slot"]["verdict"] == "PASS", "a verdict")
            self.factory.unplug("SIM0003")
            one.wait(lambda h: h[1] == "slot" and h[2]["slot"]["name"] == "03" and h[2]["slot"]["state"] == "empty"
                     and one.heard.index(h) > one.heard.index(broke), "it is pulled")
            two = Events(self.port, last_id=broke[0])
            try:
                rest = one.heard[one.heard.index(broke) + 1:]
                two.wait(lambda h: h[0] == rest[-1][0], "the last one")
                self.assertEqual(two.heard[:len(rest)], rest)
                numbers = [int(h[0].split("-")[1]) for h in one.heard]
                self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            finally:
                two.close()
        finally:
            one.close()

    def test_a_reader_of_another_run_is_told_a_snapshot(self):
        for last in ("abc-5", "0-0", "nonsense", "1-99999999999999999999999", "x" * 300, "%"):
            reader = Events(self.port, last_id=last)
            try:
                self.assertEqual(reader.status, 200)
                reader.wait(lambda h: True, "something")
                self.assertEqual(reader.heard[0][1], "snapshot")
            finally:
                reader.close()


class Guarded(Case):
    """Who may not, and what is no request."""

    def test_only_the_token_may_change_something(self):
        for shown, status in ((None, 401), ("Bearer ", 401), ("Bearer wrong", 401), ("Basic " + TOKEN, 401), ("Bearer " + TOKEN[:-1], 401),
                              ("Bearer " + TOKEN + "x", 401)):
            answer = self.api("/v1/requests", "POST", {"do": "stop"}, Authorization=shown)
            self.assertEqual(answer.status, status, shown)
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")
            self.assertEqual(answer.json["code"], "E-LIN-003")
        self.assertEqual(self.api("/v1/status", Authorization="Bearer wrong").status, 401)
        self.assertEqual(self.api("/v1/status", token=TOKEN).status, 200)
        self.assertTrue(self.line.process.running)
        self.assertNotIn(TOKEN, self.line.process.output)

    def test_a_name_that_was_made_to_point_here_is_turned_away(self):
        for host in ("evil.example", "evil.example:%d" % self.port, "127.0.0.1.evil.example", "localhost.evil.example", "[::1].x", "",
                     "127.0.0.1:80@evil.example", "127.0.0.1:x"):
            answer = self.api("/v1/status", Host=host)
            self.assertEqual(answer.status, 421, host)
        for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:%d" % self.port):
            self.assertEqual(self.api("/v1/status", Host=host).status, 200, host)
        twice = self.api.raw(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertIn(twice.split()[1], (b"400", b"421"))

    def test_requests_that_are_too_much_are_refused(self):
        self.assertEqual(self.api("/v1/units/" + "a" * 2500).status, 414)
        self.assertEqual(self.api("/v1/units/" + "a" * 300).status, 400)
        self.assertEqual(self.api("/v1/status", X="y" * 60000).status, 431)
        self.assertEqual(self.api("/v1/requests", "POST", {"do": "scan", "code": "x" * 5000}, TOKEN).status, 413)
        self.assertEqual(self.api("/v1/requests", "POST", '{"do":"status"}', TOKEN, Content_Type="text/plain").status, 415)
        self.assertEqual(self.api("/v1/status", "GET", "body").status, 400)
        chunked = (b"POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n" % TOKEN.encode())
        self.assertIn(b" 413 ", self.api.raw(chunked + b"1000\r\n" + b"x" * 4096 + b"\r\n1\r\nx\r\n0\r\n\r\n").split(b"\r\n")[0])

    def test_paths_that_are_not_in_their_form_are_refused(self):
        for target, status in (("/v1/units/%", 400), ("/v1/units/%2", 400), ("/v1/units/%zz", 400), ("/v1/units/%00", 400),
                               ("/v1/units/%ff%fe", 400), ("/v1/units/", 404), ("/v1/units/a/b", 404), ("/v1/status/", 404), ("//", 404),
                               ("/../etc/passwd", 404), ("/v1/units/..%2f..%2fetc", 404), ("/v1/units/%0a", 400), ("/v1/status?x=1", 400),
                               ("/v1/units?most=", 400), ("/v1/units?most=-1", 400), ("/v1/units?most=1&most=2", 400),
                               ("/v1/units?most=99999999999999999999", 400), ("/v1/status?", 200), ("/v1/status?&&", 200)):
            answer = self.api(target)
            self.assertEqual(answer.status, status, target)

    def test_bytes_that_are_no_request_harm_nobody(self):
        good = b"GET /v1/slots/01 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        for data in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\xff" * 5000, b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     b"POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", b"\r\n" * 3000,
                     b"POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
                     b"POST /v1/requests HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
                     b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX"):
            self.api.raw(data)
            self.assertIn(b"200 OK", self.api.raw(good).split(b"\r\n")[0], data[:40])

    def test_requests_in_a_row_are_answered_in_their_order(self):
        one = b"GET /v1/slots/%02d HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
        data = b"".join(one % (n, b"" if n < 4 else b"Connection: close\r\n") for n in (1, 2, 3, 4))
        said = self.api.raw(data, half=True)
        self.assertEqual(re.findall(rb'"name":"(\d\d)"', said), [b"01", b"02", b"03", b"04"])

    def test_who_sends_half_a_request_is_hung_up_on_and_others_are_served(self):
        slow = [socket.create_connection(("127.0.0.1", self.port), timeout=40) for _ in range(80)]
        try:
            for s in slow:
                s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: loc")
            for _ in range(5):
                self.assertEqual(self.api("/v1/status").status, 200)
            until = time.monotonic() + 40
            left = list(slow)
            while left and time.monotonic() < until:     # a drop now and then does not help them
                for s in list(left):
                    try:
                        s.sendall(b"a")
                        s.settimeout(0.01)
                        if not s.recv(100):
                            left.remove(s)
                    except TimeoutError:
                        pass
                    except OSError:
                        left.remove(s)
                time.sleep(0.2)
            self.assertEqual(len(left), 0)
        finally:
            for s in slow:
                s.close()
        self.assertEqual(self.api("/v1/status").status, 200)


class Local(unittest.TestCase):
    """A Unix socket instead of a port, and no token."""

    def setUp(self):
        self.factory = Factory(devices=1, slots=1, floor="[api]\nlisten = unix:{place}/api.sock\n")
        self.path = self.factory.dir / "api.sock"
        self.addCleanup(self.factory.close)

    def ask(self, *words):
        return subprocess.run(["curl", "-s", "-m", "10", "--unix-socket", self.path, "-o", "-", "-w", "\n%{http_code}", *words],
                              capture_output=True, text=True, check=True).stdout.rsplit("\n", 1)

    def test_a_unix_socket_serves_its_group_and_replaces_a_dead_one(self):
        line = self.factory.start_line()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o660)
        body, status = self.ask("http://any.name/v1/status")
        self.assertEqual((status, json.loads(body)["station"]["state"]), ("200", "running"))
        _, status = self.ask("-H", "Authorization: Bearer ", "-H", "Content-Type: application/json", "-d", '{"do":"stop"}',
                             "http://localhost/v1/requests")
        self.assertEqual(status, "401")     # an empty token is none
        line.kill()
        self.assertTrue(self.path.exists())
        again = self.factory.start_line()
        self.assertEqual(self.ask("http://localhost/v1/status")[1], "200")
        self.assertEqual(again.stop(), 0)
        self.assertFalse(self.path.exists())

    def test_what_another_program_has_is_left_to_it(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.path))
            other.listen()
            line = self.factory.start_line(ready=False)
            self.assertNotEqual(line.process.wait(30), 0)
            self.assertIn("E-BASE-002", line.process.output)
            self.assertTrue(self.path.exists())
        self.path.unlink()
        self.path.write_text("no socket")
        line = self.factory.start_line(ready=False)
        self.assertNotEqual(line.process.wait(30), 0)
        self.assertEqual(self.path.read_text(), "no socket")


if __name__ == "__main__":
    unittest.main(verbosity=2)
