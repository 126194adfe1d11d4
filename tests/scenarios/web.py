# SPDX-License-Identifier: Apache-2.0
"""A client of the station's HTTP API: Python's standard library, and nothing of the station's."""
import http.client
import json
import pathlib
import re
import socket
import sys
import threading

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("sim", "contract")]
from schema import Spec  # noqa: E402
from sim import wait_until  # noqa: E402

TOKEN = "api-token-of-this-test-7f3a"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def floor(port, *more):
    """The [api] section, and others."""
    return "[api]\nlisten = 127.0.0.1:%d\ntoken = file:{place}/secrets/api\n\n%s" % (port, "\n".join(more))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def type(self):
        return self.headers.get("content-type", "").split(";")[0]

    @property
    def json(self):
        return json.loads(self.body)


class Api:
    def __init__(self, port):
        self.port = port

    def __call__(self, path, method="GET", body=None, token=None, **headers):
        """One request; headers with _ for -, and None for one that shall not be there."""
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            headers["Authorization"] = "Bearer " + token
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {k: v for k, v in headers.items() if v is not None})
        answer = connection.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def get(self, path):
        answer = self(path)
        if answer.status != 200:
            raise AssertionError("%s: %d %s" % (path, answer.status, answer.body))
        return answer.json

    def do(self, what, **members):
        """A request that may change something."""
        return self("/v1/requests", "POST", {"do": what, **members}, TOKEN)

    def raw(self, data, timeout_s=30, half=False):
        """Bytes to a socket, and all that comes back until the station hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as s:
            parts = []
            try:
                s.sendall(data)
                if not half:
                    s.shutdown(socket.SHUT_WR)
            except OSError:
                pass    # the station has hung up already
            while True:
                try:
                    part = s.recv(65536)
                except ConnectionResetError:
                    break
                if not part:
                    break
                parts.append(part)
        return b"".join(parts)


class Events(threading.Thread):
    """A reader of /v1/events, who reads chunks and fields by the standard's own rules."""

    def __init__(self, port, last_id=None):
        super().__init__(daemon=True)
        self.heard, self.retry, self.comments = [], None, 0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
                            % (b"Last-Event-ID: %s\r\n" % last_id.encode() if last_id else b""))
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.start()

    def chunks(self):
        while True:
            size = int(self.file.readline().split(b";")[0] or b"0", 16)
            if not size:
                return
            yield self.file.read(size)
            self.file.readline()

    def run(self):
        text = b""
        try:
            for chunk in self.chunks():
                text += chunk
                while b"\n\n" in text:
                    block, _, text = text.partition(b"\n\n")
                    self.block(block.decode())
        except (OSError, ValueError):
            pass    # the station has gone, or the test

    def block(self, block):
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        self.comments += "" in fields
        if "retry" in fields:
            self.retry = int(fields["retry"][0])
        if "data" in fields:
            self.heard.append((fields["id"][0], fields["event"][0], json.loads("\n".join(fields["data"]))))

    def wait(self, true, what, timeout_s=60):
        """The first event for which it is true."""
        return wait_until(lambda: next((h for h in list(self.heard) if true(h)), None), timeout_s, what, 0.02)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self.join(10)


class Description(Spec):
    """The station's OpenAPI 3.0.3 file, read as strictly as the two of the cloud: what an object does not list, it has not."""

    def __init__(self, doc):
        self.doc = doc

    def breaks(self, value, schema, where="answer", request=False):
        schema = self.resolve(schema)
        if schema.get("nullable") and value is None:
            return []
        return super().breaks(value, {k: v for k, v in schema.items() if k not in ("nullable", "minimum", "maxLength")}, where, request)

    def answer_breaks(self, path, method, answer):
        """What an answer breaks of what the file says of this path, method and status."""
        published = self.doc["paths"][path][method.lower()]["responses"].get(str(answer.status))
        if published is None:
            return ["%s %s: %d is not published" % (method, path, answer.status)]
        published = self.resolve(published)
        content = published.get("content", {})
        if not content:
            return ["%s %s: there is a body where none belongs" % (method, path)] if answer.body else []
        if answer.type not in content:
            return ["%s %s: the body's type is %s" % (method, path, answer.type)]
        if not answer.type.endswith("json"):
            return []
        return list(self.breaks(answer.json, content[answer.type]["schema"], "%s %s" % (method, path)))


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? '
                    r'([+-]?(?:Inf|NaN|\d+(?:\.\d+)?(?:e[+-]?\d+)?))(?: -?\d+)?')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "counter": ("",)}


def metrics(text):
    """The Prometheus text format 0.0.4 as its description has it, strictly: {(name, labels): value}."""
    if not text.endswith("\n"):
        raise ValueError("the last line does not end")
    kinds, helps, samples, family = {}, set(), {}, None
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            if family in helps:
                raise ValueError("%s: helped twice" % family)
            helps.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in kinds or kind not in SUFFIXES or name != family:
                raise ValueError("a wrong type: " + line)
            kinds[name] = kind
        else:
            m = SAMPLE.fullmatch(line)
            if not m:
                raise ValueError("no sample: " + line)
            if m.group(1) not in [family + s for s in SUFFIXES[kinds[family]]]:
                raise ValueError("not of the family %s: %s" % (family, line))
            labels = {k: re.sub(r'\\([\\"n])', lambda e: {"n": "\n"}.get(e.group(1), e.group(1)), v)
                      for k, v in LABEL.findall(m.group(2) or "")}
            key = m.group(1), frozenset(labels.items())
            if key in samples:
                raise ValueError("twice: " + line)
            samples[key] = float(m.group(3))
    return samples
