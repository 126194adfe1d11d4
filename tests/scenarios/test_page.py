#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lead's screen in a real browser, beside a running line: what it shows is what the ledger says, live, and what a unit calls itself
does nothing to it."""
import contextlib
import json
import os
import pathlib
import sqlite3
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from browser import Browser  # noqa: E402
from factory import Factory  # noqa: E402
from web import floor, free_port  # noqa: E402

PICTURE = pathlib.Path(__file__).resolve().parents[2] / "docs/pictures/lead-screen.png"
PICTURE_MAX = 60000
ROWS, COLUMNS = 2, 4
CARDS = """Object.fromEntries([...document.querySelectorAll(".slot")].map(c => [c.dataset.slot,
    {serial: c.dataset.serial, kind: c.dataset.kind, text: c.textContent, row: c.style.gridRow, column: c.style.gridColumn,
     width: c.getBoundingClientRect().width, x: c.getBoundingClientRect().x, y: c.getBoundingClientRect().y}]))"""
COUNTS = """Object.fromEntries([...document.querySelectorAll("#counts [data-count]")].map(e => [e.dataset.count, +e.querySelector("b").textContent]))"""
LIVE = 'document.body?.dataset.live === "yes" && document.querySelectorAll(".slot").length > 0'
HOSTILE = ['<script>window.hurt = 1</script>', '<img src=x onerror="window.hurt=1">', '"><svg onload=window.hurt=1>', "A" * 5000,
           "\u202eSIM0001\u202c", "\u2066x\u2069\u200f", "\u0000\u001b[2J\r\n\t", "${window.hurt=1}", "</script><script>window.hurt=1//",
           "javascript:window.hurt=1", "\ud800", "__proto__", "constructor"]


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.factory = Factory(devices=5, slots=ROWS * COLUMNS, floor=floor(cls.port), jig=(ROWS, COLUMNS))
        cls.factory.secret("api", "a token that the page has not")
        cls.line = cls.factory.start_line()

    @classmethod
    def tearDownClass(cls):
        cls.factory.unplug_all()
        cls.line.stop()
        cls.factory.close()

    def setUp(self):
        self.browser = Browser()
        self.addCleanup(self.browser.close)
        self.origin = "http://127.0.0.1:%d" % self.port
        self.browser.open(self.origin + "/")
        self.browser.wait(LIVE, "the page is live")

    def tearDown(self):
        left = {"%s://%s" % urllib.parse.urlsplit(u)[:2] for u in self.browser.requests() if not u.startswith(("data:", "about:"))}
        self.assertEqual(left, {self.origin})
        self.assertEqual(self.browser.complaints(), [])

    def ledger(self, question):
        with contextlib.closing(sqlite3.connect(self.factory.dir / "state/ledger.db")) as db:
            return db.execute(question).fetchall()

    def passes(self, serial, port):
        before = len([s for s in self.line.slots("%02d" % port) if s["verdict"]])
        self.factory.plug(serial, port)
        self.line.wait(lambda: len([s for s in self.line.slots("%02d" % port) if s["verdict"]]) > before, 60, "a verdict")

    def show(self, **slot):
        """As if the station said this of a slot."""
        given = {"name": "01", "state": "working", "verdict": "", "serial": "", "sentence": "", "code": "", "todo": "", "row": 1, "column": 1,
                 "stage_index": 1, "stage_count": 12, "since_ms": 0, "label": "", **slot}
        self.browser.evaluate("heard.slot(%s)" % json.dumps({"event": "slot", "slot": given}))

    def test_the_grid_shows_live_what_the_ledger_says(self):
        for n, port in ((1, 1), (2, 4), (3, 6)):
            self.passes("SIM%04d" % n, port)
        units = dict(self.ledger("SELECT slot, serial FROM job WHERE serial IN ('SIM0001', 'SIM0002', 'SIM0003')"))
        self.assertEqual(len(units), 3)
        self.browser.wait("document.querySelectorAll('.slot.PASS').length === 3", "three units that pass")
        cards = self.browser.evaluate(CARDS)
        self.assertEqual(len(cards), ROWS * COLUMNS)
        self.assertEqual({name: c["serial"] for name, c in cards.items() if c["kind"] == "PASS"}, units)
        for n in range(ROWS * COLUMNS):
            card = cards["%02d" % (n + 1)]
            self.assertEqual((card["row"], card["column"]), (str(n // COLUMNS + 1), str(n % COLUMNS + 1)))
        self.assertTrue(cards["01"]["x"] < cards["02"]["x"] and cards["01"]["y"] < cards["05"]["y"])
        self.assertEqual(len({round(c["width"]) for c in cards.values()}), 1)
        self.assertIn("✔ PASS", cards["01"]["text"])    # a shape and a word, not a colour alone
        passed, = self.ledger("SELECT count(*) FROM job WHERE verdict = (SELECT verdict FROM job WHERE serial = 'SIM0001')")[0]
        self.browser.wait("(%s).pass === %d" % (COUNTS, passed), "the counts")
        self.browser.wait('document.getElementById("headline").textContent === "● running"', "the headline")
        if os.environ.get("UI_WRITE_EXPECTED"):
            picture = self.browser.picture()
            self.assertLess(len(picture), PICTURE_MAX)
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_bytes(picture)
        self.factory.unplug_all()
        self.browser.wait("document.querySelectorAll('.slot.empty').length === %d" % (ROWS * COLUMNS), "all are pulled")

    def test_it_goes_on_by_itself_when_the_line_was_started_again(self):
        self.passes("SIM0004", 2)
        self.factory.unplug_all()
        passed, = self.ledger("SELECT count(*) FROM job WHERE verdict = (SELECT verdict FROM job WHERE serial = 'SIM0004')")[0]
        self.line.stop()
        self.browser.wait('document.body.dataset.live === "no"', "it says that the line is gone")
        self.assertIn("connection lost", self.browser.evaluate('document.getElementById("live").textContent'))
        type(self).line = self.factory.start_line()
        self.browser.wait(LIVE, "it is live again")
        self.browser.wait("(%s).pass === %d" % (COUNTS, passed), "the counts of the ledger")
        self.passes("SIM0004", 3)
        self.browser.wait('document.querySelector("[data-slot=\\"03\\"]").dataset.serial === "SIM0004"', "the unit")
        self.factory.unplug_all()

    def test_what_a_unit_calls_itself_is_text(self):
        self.browser.evaluate('document.getElementById("failures").replaceChildren()')
        elements = self.browser.evaluate('document.querySelectorAll("script, img, svg, iframe, object").length')
        for n, text in enumerate(HOSTILE):
            self.show(state="done", verdict="FAIL", serial=text, label=text, sentence=text, code=text[:16], todo=text, since_ms=n)
            card = self.browser.evaluate(CARDS)["01"]
            self.assertEqual(card["kind"], "FAIL", text)
            self.assertLess(len(card["text"]), 700)
            self.assertFalse([c for c in card["text"] if ord(c) < 32 or c in "\u202e\u202c\u2066\u2069\u200f"], ascii(text))
        for field in ("state", "verdict", "name"):
            self.show(**{field: "<b onclick=x>"})
            self.show(**{field: "__proto__"})
        self.show(row=10**9, column=-5, stage_index=10**12)
        for event in ("null", "{}", '{"slot":null}', '{"shift":{"lot":{"id":"../x","count":"<b>"}}}'):
            self.browser.evaluate("for (const h of Object.values(heard)) try { h(%s) } catch {}" % event)
        self.assertEqual(self.browser.evaluate('document.querySelectorAll("script, img, svg, iframe, object").length'), elements)
        self.assertIsNone(self.browser.evaluate("window.hurt ?? null"))
        self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)

    def test_a_unit_of_hostile_name_in_a_real_slot_is_text(self):
        path = self.factory.tpms / "SIM0005/device.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "serial": "<img src=x onerror=hurt=1>"}))
        self.passes("SIM0005", 8)
        self.browser.wait('["FAIL", "HOLD", "PASS"].includes(document.querySelector("[data-slot=\\"08\\"]").dataset.kind)', "a verdict")
        card = self.browser.evaluate(CARDS)["08"]
        shown = [s for s in self.line.slots("08") if s["verdict"]][-1]
        self.assertEqual((card["serial"], card["kind"]), (shown["serial"], shown["verdict"]))
        self.assertIsNone(self.browser.evaluate("window.hurt ?? null"))
        self.factory.unplug_all()

    def test_shapes_and_words_differ_for_every_state(self):
        words = set()
        for verdict, state in (("PASS", "done"), ("BUILT", "done"), ("HOLD", "done"), ("FAIL", "done"), ("", "working"), ("", "waiting"),
                               ("", "empty")):
            self.show(state=state, verdict=verdict, name="01")
            words.add(self.browser.evaluate('document.querySelector("[data-slot=\\"01\\"] .word").textContent'))
        self.assertEqual(len(words), 7)
        self.assertEqual(len({w.split(" ")[0] for w in words}), 7)


class Policy(unittest.TestCase):
    """The watch over the policy works, and the policy."""

    def test_a_foreign_script_and_a_foreign_address_are_refused(self):
        port = free_port()
        with Factory(devices=1, slots=1, floor=floor(port)) as factory:
            factory.secret("api", "another")
            line = factory.start_line()
            browser = Browser()
            try:
                browser.open("http://127.0.0.1:%d/" % port)
                browser.wait(LIVE, "the page is live")
                self.assertEqual(browser.complaints(), [])
                browser.evaluate("{ const s = document.createElement('script'); s.textContent = 'window.hurt = 1'; document.body.append(s); }")
                self.assertEqual(browser.evaluate("fetch('http://localhost:%d/v1/status').then(() => 'came', () => 'refused')" % port), "refused")
                self.assertIsNone(browser.evaluate("window.hurt ?? null"))
                browser.wait("1", "a turn")
                self.assertGreaterEqual(len(browser.complaints()), 2)
            finally:
                browser.close()
                line.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
