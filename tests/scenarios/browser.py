# SPDX-License-Identifier: Apache-2.0
"""A real browser without a window, led through its pipe (Chrome DevTools Protocol): what a page shows, asks for and is refused."""
import base64
import itertools
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from sim import BenchError, wait_until  # noqa: E402

PROGRAM = "chromium-headless-shell"
PATIENCE_S = 60


class Browser:
    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="browser.")
        self.numbers, self.answers, self.events, self.session = itertools.count(1), queue.Queue(), [], None
        there, self.to = os.pipe()
        self.back, here = os.pipe()
        high = [os.dup(fd) for fd in (there, here)]     # so that neither stands where the other shall be

        def at_three_and_four():
            fds = [os.dup2(fd, 50 + i) for i, fd in enumerate(high)]
            for i, fd in enumerate(fds):
                os.dup2(fd, 3 + i)

        self.log = open(self.place + "/log", "wb")
        self.process = subprocess.Popen(
            [PROGRAM, "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-dev-shm-usage", "--no-proxy-server", "--user-data-dir=" + self.place + "/profile", "about:blank"],
            preexec_fn=at_three_and_four, close_fds=False, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, "HOME": self.place})
        for fd in (there, here, *high):
            os.close(fd)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        rest = b""
        while True:
            part = os.read(self.back, 1 << 20)
            if not part:
                self.answers.put({"error": "the browser has gone"})
                return
            *whole, rest = (rest + part).split(b"\0")
            for text in whole:
                message = json.loads(text)
                if "id" in message:
                    self.answers.put(message)
                else:
                    self.events.append(message)

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": self.session} if self.session else {})}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.answers.get(timeout=PATIENCE_S)
            if answer.get("id") == number or "id" not in answer:
                break
        if "error" in answer:
            raise BenchError("%s: %s" % (method, answer["error"]))
        return answer["result"]

    def open(self, url, width=1000, height=450):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=url)

    def evaluate(self, script):
        """The script's value, as JSON has it."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BenchError("%s: %s" % (script, answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, script, what, timeout_s=PATIENCE_S):
        return wait_until(lambda: self.evaluate(script), timeout_s, what, 0.05)

    def requests(self):
        """Every address that the page asked for, or wanted to."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """Breaches of the page's policy, and errors of its script."""
        return ([e["params"]["issue"] for e in self.events if e["method"] == "Audits.issueAdded"
                 and e["params"]["issue"]["code"] == "ContentSecurityPolicyIssue"]
                + [e["params"] for e in self.events if e["method"] == "Runtime.exceptionThrown"]
                + [e["params"] for e in self.events if e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] == "error"])

    def picture(self):
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        self.log.close()
        shutil.rmtree(self.place, ignore_errors=True)
