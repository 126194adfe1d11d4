# SPDX-License-Identifier: Apache-2.0
"""A factory's MES for tests, written from docs/mes.md: an HTTP server of its own with mutual TLS or HMAC, that answers check-ins as it
is told, keeps what it hears, and can be away, slow or mad.

    with Mes(place, hmac=b"key") as mes:
        mes.answers["SN1"] = {"decision": "hold", "reason": "first article"}
        mes.goes_away(); mes.comes_back()
        mes.results("SN1")
"""
import hashlib
import hmac as hmac_module
import http.server
import json
import pathlib
import socket
import ssl
import subprocess
import threading
import time


class Mes:
    def __init__(self, place, hmac=None, mutual=False):
        self.place = pathlib.Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        self.hmac, self.mutual = hmac, mutual
        self.answers = {}       # label or serial → what a check-in is answered, beside its id; None: nothing at all; bytes: these
        self.status = {}        # type of event, or its unit → status to answer with, or (status, seconds for Retry-After)
        self.tried = []         # (unit, monotonic time) of each event that came, taken or not
        self.delay_s, self.twice = 0, False     # twice: each answer's body is there twice
        self.lock = threading.Lock()
        self.connections = set()
        self.questions, self.events, self.refused = [], [], []
        self.port, self.server = 0, None
        if mutual:
            self._make_certificates()
        self.comes_back()

    # --- its life

    def _make_certificates(self):
        """A CA, the server's certificate and the station's."""
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=self.place, check=True, capture_output=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Factory CA", "-days", "30",
                "-keyout", "ca.key", "-out", "ca.pem")
        for name, extra in (("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("station", "extendedKeyUsage=clientAuth")):
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key",
                    "-out", name + ".csr")
            (self.place / "ext").write_text(extra + "\n")
            openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile",
                    "ext", "-out", name + ".pem")

    def comes_back(self):
        mes = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                mes.connections.add(self.connection)

            def do_POST(self):
                mes.take(self)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        if self.mutual:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.place / "ca.pem"))
            context.load_cert_chain(self.place / "server.pem", self.place / "server.key")
            context.verify_mode = ssl.CERT_REQUIRED
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def goes_away(self):
        self.server.shutdown()
        self.server.server_close()
        while self.connections:     # those that are kept open too
            try:
                self.connections.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.goes_away()

    @property
    def url(self):
        return "%s://localhost:%d/plant" % ("https" if self.mutual else "http", self.port)

    def config(self):
        """The section of station.conf."""
        text = "[mes-http]\nurl = %s\ntimeout_ms = 1500\n" % self.url
        if self.mutual:
            text += "ca_file = %s\ncertificate = %s\nkey = %s\n" % tuple(self.place / n for n in ("ca.pem", "station.pem", "station.key"))
        if self.hmac:
            key = self.place / "hmac"
            key.touch(mode=0o600)
            key.write_bytes(self.hmac)
            text += "hmac_key = file:%s\n" % key
        return text

    # --- requests

    def _is_signed(self, handler, body):
        if not self.hmac:
            return True
        text = "POST\n%s\n%s\n" % (handler.path, handler.headers.get("X-Station-Time", "")) + body.decode()
        return hmac_module.compare_digest(hmac_module.new(self.hmac, text.encode(), hashlib.sha256).hexdigest(),
                                          handler.headers.get("X-Station-Signature", ""))

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        if not self._is_signed(handler, body):
            with self.lock:
                self.refused.append(body)
            return self.say(handler, 401, b"{}")
        message = json.loads(body)
        time.sleep(self.delay_s)
        if handler.path == "/plant/v1/checkin":
            return self.answer(handler, message)
        with self.lock:
            status = self.status.get(message["unit"], self.status.get(message["type"], 200))
            self.tried.append((message["unit"], time.monotonic()))
            if status == 200:
                self.events.append(message)
        status, after = status if isinstance(status, tuple) else (status, None)
        return self.say(handler, status, b"{}", after)

    def answer(self, handler, question):
        with self.lock:
            self.questions.append(question)
        told = self.answers.get(question["label"], self.answers.get(question["serial"], {"decision": "go"}))
        if told is None:
            handler.close_connection = True
            return handler.connection.close()
        told = told if isinstance(told, bytes) else json.dumps({"id": question["id"], **told}).encode()
        return self.say(handler, 200, told * (2 if self.twice else 1))

    @staticmethod
    def say(handler, status, body, retry_after=None):
        try:
            handler.send_response(status)
            if retry_after is not None:
                handler.send_header("Retry-After", str(retry_after))
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass    # the station did not wait

    # --- its books

    def once(self):
        """Events by their id: the same one again does no harm."""
        with self.lock:
            return {event["id"]: event for event in self.events}

    def results(self, serial=None):
        """Results in the order in which each was heard first."""
        seen, found = set(), []
        with self.lock:
            for event in self.events:
                if event["type"] == "unit.result" and event["id"] not in seen and serial in (None, event["unit"]):
                    found.append(event)
                seen.add(event["id"])
        return found
