# SPDX-License-Identifier: Apache-2.0
"""Servers that misbehave in one way each, for the tests of the HTTPS door. Standard library and the openssl command only.

Prints one line of JSON (ports, the CA file) once everything listens, and ends when its standard input ends. By port:
good (a trusted certificate for localhost), other_name, expired, untrusted (issued by a CA that nobody trusts), cut (closes every
connection at once), demanding (refuses any client certificate but those of the trusted CA), proxy (wants user:password,
then tunnels), closed_proxy (403 always). On `good` the path chooses what happens."""
import base64
import email.utils
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

LOGIN = "Basic " + base64.b64encode(b"user:open sesame").decode()
BIG = 3 * 1024 * 1024
connects = []  # headers of each CONNECT that the proxy saw
unanswered = []  # bodies that came over a kept connection, which then died


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_ca(folder, name):
    base = os.path.join(folder, name)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=" + name, "-keyout", base + ".key", "-out", base + ".pem",
            "-addext", "keyUsage=critical,keyCertSign")
    return base


def make_server(folder, name, ca, host, expired=False):
    base = os.path.join(folder, name)
    with open(base + ".ext", "w") as f:
        f.write(f"subjectAltName=DNS:{host}\nextendedKeyUsage=serverAuth\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + host,
            "-keyout", base + ".key", "-out", base + ".csr")
    if not expired:
        openssl("x509", "-req", "-in", base + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
                "-days", "30", "-extfile", base + ".ext", "-out", base + ".pem")
        return base
    with open(base + ".cnf", "w") as f:
        f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={base}.db\nnew_certs_dir={folder}\nrand_serial=yes\n"
                "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    open(base + ".db", "w").close()
    openssl("ca", "-batch", "-config", base + ".cnf", "-cert", ca + ".pem", "-keyfile", ca + ".key", "-in",
            base + ".csr", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", base + ".ext",
            "-notext", "-out", base + ".pem")
    return base


class Good(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = 0  # on this connection

    def log_message(self, *args):
        pass

    def any_method(self):
        length = int(self.headers.get("Content-Length", "0"))
        self.requests += 1
        self.sent = self.rfile.read(length).decode()
        getattr(self, "path_" + self.path[1:].split("?")[0].split("/")[0].replace("-", "_"))()

    do_GET = do_PUT = do_POST = do_DELETE = any_method

    def reply(self, status, body=b"{}", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def path_echo(self):
        seen = {"method": self.command, "path": self.path, "body": self.sent, "port": self.client_address[1],
                "headers": {k.lower(): v for k, v in self.headers.items()}}
        self.reply(200, json.dumps(seen).encode(), ETag='"one"', x_ms_error_code="404201", x_ms_request_id="abc")

    def path_connects(self):
        self.reply(200, json.dumps(connects).encode())

    def path_enrollmentGroups(self):
        if "wrong-clock" in self.path:
            self.date_time_string = lambda timestamp=None: "Wed, 01 Jan 2020 00:00:00 GMT"
        self.reply(404, b"<html>not here</html>")

    def path_enrollments(self):
        slow = 600 if "ten-minutes" in self.path else 0
        self.date_time_string = lambda timestamp=None: email.utils.formatdate(time.time() - slow, usegmt=True)
        if "liar" in self.path:
            self.reply(200, b'{"registrationId":"somebody-else","attestation":{"type":"none"}}')
            return
        self.reply(401, b'{"errorCode":401000,"trackingId":"t","message":"Unauthorized"}')

    def path_dies_when_kept(self):
        if self.requests == 1:
            self.reply(200)
            return
        unanswered.append(self.command + " " + self.sent)
        self.path_cut()

    def path_unanswered(self):
        self.reply(200, json.dumps(unanswered).encode())

    def path_redirect(self):
        self.reply(302, Location="/echo")

    def path_late(self):
        time.sleep(3)
        self.reply(200)

    def path_truncated(self):
        self.reply(200, b'{"half":', length=100)
        self.close_connection = True

    def path_cut(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def path_reset(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def path_big(self):
        self.reply(200, b"x" * BIG)

    def path_just_fits(self):
        self.reply(200, b"x" * 1024 * 1024)

    def path_big_chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(BIG // 65536):
            self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def path_no_http(self):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self.close_connection = True

    def path_retry_seconds(self):
        self.reply(429, Retry_After="7")

    def path_retry_date(self):
        # The Date that send_response writes is now; the peer's own clock is the measure.
        self.reply(503, Retry_After=self.date_time_string(time.time() + 40))

    def path_retry_nonsense(self):
        self.reply(503, Retry_After="soon")

    def path_retry_forever(self):
        self.reply(503, Retry_After="99999999999999999999")


def serve_tls(certificate, client_ca=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Good)
    server.daemon_threads = True
    server.handle_error = lambda *args: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate + ".pem", certificate + ".key")
    if client_ca:
        # In TLS 1.2 the refusal comes within the handshake, so that no reset can overtake it.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca + ".pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def serve_raw(handle):
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(4096)
        if not more:
            break
        head += more
    return head.decode()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def proxy(connection):
    head = read_head(connection)
    connects.append(head)
    if f"Proxy-Authorization: {LOGIN}\r\n" not in head:
        connection.sendall(b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
        connection.close()
        return
    host, port = head.split()[1].rsplit(":", 1)
    try:
        # A machine without /etc/hosts knows no localhost.
        there = socket.create_connection(("127.0.0.1" if host == "localhost" else host, int(port)))
    except OSError:
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        connection.close()
        return
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    threading.Thread(target=pump, args=(there, connection), daemon=True).start()
    pump(connection, there)


def closed_proxy(connection):
    read_head(connection)
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def main():
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        ca, stranger = make_ca(folder, "trusted"), make_ca(folder, "stranger")
        print(json.dumps({
            "ca": ca + ".pem",
            "good": serve_tls(make_server(folder, "good", ca, "localhost")),
            "other_name": serve_tls(make_server(folder, "other", ca, "elsewhere.example")),
            "expired": serve_tls(make_server(folder, "expired", ca, "localhost", expired=True)),
            "untrusted": serve_tls(make_server(folder, "untrusted", stranger, "localhost")),
            "demanding": serve_tls(make_server(folder, "demanding", ca, "localhost"), ca),
            "cut": serve_raw(lambda c: c.close()),
            "proxy": serve_raw(proxy),
            "closed_proxy": serve_raw(closed_proxy),
        }), flush=True)
        sys.stdin.read()


main()
