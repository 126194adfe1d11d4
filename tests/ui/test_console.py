# SPDX-License-Identifier: Apache-2.0
"""The console in a real terminal (tmux) against a peer that speaks docs/control.md: what the operator sees, and what is left behind."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CONSOLE = os.path.abspath(sys.argv.pop(1))
EVENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "events")
PATIENCE_S = 20


def events(name):
    with open(os.path.join(EVENTS, name + ".jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Line:
    """A line's control socket: answers watch with a snapshot, then sends what it is told."""

    def __init__(self, path, snapshot, mute=False):
        self.snapshot, self.mute, self.requests, self.clients = snapshot, mute, [], []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.path = path
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.hear, args=(client,), daemon=True).start()

    def hear(self, client):
        with client.makefile() as requests:
            for text in requests:
                request = json.loads(text)
                self.requests.append(request)
                if request["do"] == "watch" and not self.mute:
                    self.send(self.snapshot, client)
                if request["do"] == "scan":
                    self.send({"ok": False, "happened": "No order has this code."}, client)

    def send(self, event, client=None):
        data = (json.dumps(event, ensure_ascii=False) + "\n").encode()
        for c in [client] if client else self.clients:
            c.sendall(data)

    def die(self):
        os.unlink(self.path)
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for c in self.clients:
            c.shutdown(socket.SHUT_RDWR)
            c.close()


class Terminal:
    count = 0

    def __init__(self, folder, command, cols=80, rows=24, env=None):
        Terminal.count += 1
        self.name = "console-%d-%d" % (os.getpid(), Terminal.count)
        self.folder = folder
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TMUX", "COLUMNS", "LINES")}
        clean.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
        inner = {"TERM": "tmux-256color", "LC_ALL": "C.UTF-8", **(env or {})}
        script = "cd %s; stty -g >before; %s %s & echo $! >pid; fg >/dev/null; echo EXIT=$?; stty -g >after; exec sleep 1000" % (
            folder, " ".join("%s=%s" % x for x in inner.items()), command)
        subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", "new-session", "-d", "-x", str(cols), "-y", str(rows),
                        "sh", "-m", "-c", script], env=clean, check=True)

    def tmux(self, *args):
        return subprocess.run(["tmux", "-L", self.name, *args], check=True, capture_output=True, encoding="utf-8").stdout

    def text(self, *flags):
        return self.tmux("capture-pane", "-p", *flags)

    def pid(self):
        with open(os.path.join(self.folder, "pid"), encoding="ascii") as f:
            return int(f.read())

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def file(self, name):
        with open(os.path.join(self.folder, name), encoding="ascii") as f:
            return f.read()

    def kill(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], check=False, capture_output=True)


class Console(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="con")
        self.addCleanup(self.dir.cleanup)
        self.socket = os.path.join(self.dir.name, "s")

    def line(self, snapshot, **kw):
        line = Line(self.socket, snapshot, **kw)
        self.addCleanup(lambda: os.path.exists(self.socket) and line.die())
        return line

    def start(self, options="", **kw):
        t = Terminal(self.dir.name, "%s %s %s" % (CONSOLE, self.socket, options), **kw)
        self.addCleanup(t.kill)
        return t

    def until(self, what, claim):
        end = time.monotonic() + PATIENCE_S
        while not claim():
            self.assertLess(time.monotonic(), end, what + "; the screen:\n" + self.last)
            time.sleep(0.1)

    def see(self, terminal, *texts):
        self.last = ""

        def claim():
            self.last = terminal.text()
            return all(t in self.last for t in texts)
        self.until("never saw %r" % (texts,), claim)
        return self.last

    def test_events_are_seen_as_they_happen(self):
        first, *later = events("tray8")
        line = self.line(first)
        t = self.start()
        self.see(t, "line-3 running", "READY: plug units in")
        for e in later:
            line.send(e)
        text = self.see(t, "DO NOT PULL: slot 02", "✓ PASS", "✗ FAIL", "E-ATT-004", "PASS 41")
        self.assertEqual(line.requests, [{"do": "watch"}])
        self.assertEqual(len(text.rstrip("\n").split("\n")), 24)

    def test_line_that_is_down_dies_and_comes_back_is_followed(self):
        t = self.start()
        self.see(t, "LINE NOT REACHABLE, RETRYING")
        line = self.line(events("pull8")[0])
        self.see(t, "PULL: 7 good, slot 07 red bin")
        line.die()
        self.see(t, "LINE NOT REACHABLE, RETRYING", "✓ PASS")
        self.line(events("tray8")[0])
        self.see(t, "READY: plug units in")
        os.kill(t.pid(), 0)

    def test_line_that_takes_the_connection_and_is_silent_counts_as_lost(self):
        self.line({}, mute=True)
        self.see(self.start(), "LINE NOT REACHABLE", "does not answer")

    def test_garbage_from_the_socket_is_survived(self):
        line = self.line(events("pull8")[0])
        t = self.start()
        self.see(t, "PULL: 7 good")
        for c in line.clients:
            c.sendall(b"\x00\xff{]\n")
        self.until("never came back", lambda: len(line.requests) > 1)
        self.see(t, "PULL: 7 good")

    def test_resizing_redraws_for_the_new_size(self):
        self.line(events("tray64")[0])
        t = self.start()
        self.see(t, "F2 Slots*", "49✓PASS")
        t.tmux("resize-window", "-x", "120", "-y", "40")
        text = self.see(t, "33 ✓ PASS")
        self.assertEqual(len(text.rstrip("\n").split("\n")), 40)
        t.tmux("resize-window", "-x", "30", "-y", "8")
        self.see(t, "F2 Slots*")
        t.tmux("resize-window", "-x", "80", "-y", "24")
        self.see(t, "F2 Slots*", "49✓PASS")

    def test_keys_lead_through_the_screens_and_q_leaves_a_sane_terminal(self):
        self.line(events("pull8")[0])
        t = self.start()
        self.see(t, "PULL: 7 good")
        t.keys("F6")
        self.see(t, "F6 Unit*", "registration id")
        t.keys("F1")
        self.see(t, "F1 Help*", "This unit is bad. Red bin.")
        t.keys("Escape")
        self.see(t, "F2 Slots*")
        t.keys("Down", "Down", "Enter")
        self.see(t, "F6 Unit*", "GW-2026-000019")
        t.keys("q")
        self.leaves_sane_terminal(t, "EXIT=0")

    def leaves_sane_terminal(self, t, code):
        self.see(t, code)
        self.until("no stty", lambda: os.path.exists(os.path.join(t.folder, "after")) and t.file("after"))
        self.assertEqual(t.file("before"), t.file("after"))
        self.assertEqual(t.tmux("display", "-p", "#{alternate_on} #{cursor_flag}").split(), ["0", "1"])

    def test_signals_leave_a_sane_terminal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                with tempfile.TemporaryDirectory(prefix="con") as folder:
                    t = Terminal(folder, "%s %s" % (CONSOLE, self.socket))
                    self.addCleanup(t.kill)
                    self.see(t, "LINE NOT REACHABLE")
                    os.kill(t.pid(), number)
                    self.leaves_sane_terminal(t, "EXIT=0")

    def test_terminal_that_goes_away_ends_the_console(self):
        t = self.start()
        self.see(t, "LINE NOT REACHABLE")
        pid = t.pid()
        t.kill()
        self.until("still there", lambda: not self.alive(pid))

    @staticmethod
    def alive(pid):
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8])[;m]")

    def test_colours_are_used_where_there_are_some(self):
        self.line(events("pull8")[0])
        t = self.start()
        self.see(t, "PULL: 7 good")
        self.assertRegex(t.text("-e"), self.COLOUR)

    def test_no_color_and_mono_mean_none(self):
        self.line(events("pull8")[0])
        for options, env in (("", {"NO_COLOR": "1"}), ("--mono", {})):
            with self.subTest(options=options):
                t = self.start(options, env=env)
                self.see(t, "PULL: 7 good", "✗ FAIL")
                self.assertNotRegex(t.text("-e"), self.COLOUR)
                t.kill()

    def test_ascii_terminal_gets_ascii(self):
        self.line(events("pull8")[0])
        for options, env in (("", {"LC_ALL": "C"}), ("--ascii", {})):
            with self.subTest(options=options):
                t = self.start(options, env=env)
                self.assertTrue(self.see(t, "PULL: 7 good", "X FAIL", "+ PASS").isascii())
                t.kill()

    def scanned(self, line):
        return [r for r in line.requests if r["do"] == "scan"]

    def test_scanned_code_goes_to_the_line_its_letters_do_nothing_and_the_answer_is_shown(self):
        line = self.line(events("pull8")[0])
        t = self.start()
        self.see(t, "PULL: 7 good")
        t.tmux("send-keys", "-l", "q/SN-qq-0077\r")
        self.see(t, "No order has this code.", "F2 Slots*")
        self.assertEqual(self.scanned(line), [{"do": "scan", "code": "q/SN-qq-0077"}])
        os.kill(t.pid(), 0)

    def test_code_is_written_by_hand_sent_by_enter_and_dropped_by_escape(self):
        line = self.line(events("pull8")[0])
        t = self.start()
        self.see(t, "PULL: 7 good")
        for end in ("Escape", "Enter"):
            for key in "/", "q", "4", "2":
                t.keys(key)
                time.sleep(0.2)
            self.see(t, "q42")
            t.keys(end)
            self.until("still there", lambda: "q42" not in t.text())
        self.see(t, "No order has this code.")
        self.assertEqual(self.scanned(line), [{"do": "scan", "code": "q42"}])

    def test_code_scanned_while_the_line_is_away_is_refused_and_not_kept(self):
        t = self.start()
        self.see(t, "LINE NOT REACHABLE")
        t.tmux("send-keys", "-l", "SN-0077\r")
        self.see(t, "The line is not reachable: scan it again later.")
        line = self.line(events("pull8")[0])
        self.see(t, "PULL: 7 good")
        self.assertEqual(line.requests, [{"do": "watch"}])

    def test_hostile_texts_do_not_reach_the_terminal(self):
        first, *later = events("hostile")
        line = self.line(first)
        t = self.start()
        self.see(t, "E-漢字-1")
        for e in later:
            if isinstance(e, dict):
                line.send(e)
        self.see(t, "E-漢字-1", "05")
        self.assertEqual(len(line.requests), 1)
        self.assertNotEqual(t.tmux("display", "-p", "#{pane_title}").strip(), "title")
        raw = t.text("-e")
        self.assertNotIn("\x1b[31mRED", raw)

    def test_flood_of_events_ends_in_the_last_state(self):
        first, *later = events("tray8")
        line = self.line(first)
        t = self.start()
        self.see(t, "READY")
        for i in range(20000):
            line.send({"event": "counts", "counts": {"pass": i}})
        self.see(t, "PASS 19999")

    def test_plain_is_lines_of_text(self):
        first, *later = events("tray8")
        line = self.line(first)
        out = os.path.join(self.dir.name, "out")
        with open(out, "w", encoding="utf-8") as f:
            p = subprocess.Popen([CONSOLE, self.socket, "--plain"], stdout=f)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.last = ""

        def said(text):
            with open(out, encoding="utf-8") as g:
                self.last = g.read()
            return text in self.last
        self.until("no snapshot", lambda: said("line line-3 running"))
        for e in later:
            line.send(e)
        self.until("no verdict", lambda: said("slot 04 FAIL serial GW-2026-000020"))
        self.until("no warning", lambda: said("slot 02 working install 8/12 serial GW-2026-000018 DO NOT PULL: The station writes"))
        line.send(events("hostile")[0])
        line.die()
        self.until("no loss", lambda: said("LINE NOT REACHABLE, RETRYING"))
        self.line(events("pull8")[0])
        self.until("no return", lambda: said("PASS 7"))
        self.assertEqual([c for c in self.last if ord(c) < 32 and c != "\n"], [])
        self.assertEqual(self.last.count("LINE NOT REACHABLE"), 1)


if __name__ == "__main__":
    unittest.main()
