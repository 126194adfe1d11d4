# SPDX-License-Identifier: Apache-2.0
"""A bench for tests: simulated devices on a simulated bus, the emulated service, and programs that meet them.

    with Bench(devices=8) as bench:
        endpoint = bench.start_dps("--polls", "0")
        bench.plug("SIM0001", 1)
        line = bench.popen([bench.built("station/station"), "run", "--config", conf], name="line")
        ...
        assert bench.stats("SIM0001")["TPM"] > 3

Everything lives in a directory of its own and ends with the `with`. STATION_BUILD names the build directory. What a
program says goes to a file, never to a pipe, which a forgotten child could hold open for ever.
"""
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STATION_BUILD", SOURCE / "build")).resolve()
DEVICES = "tests/sim/device/sim-devices-usb"


class BenchError(AssertionError):
    """Something of the bench itself went wrong."""


def built(path):
    """A program of the build directory."""
    program = BUILD / path
    if not program.exists():
        raise BenchError("%s is not built (STATION_BUILD is %s)" % (path, BUILD))
    return str(program)


def sanitizer_of(program):
    """The sanitizer's runtime that a program must load before any other library, or None."""
    path = shutil.which(str(program))
    if not path:
        return None
    said = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    for line in said.splitlines():
        words = line.split()
        if words and words[0].startswith("libasan.so") and len(words) > 2:
            return words[2]
    return None


def listens(path):
    """Whether somebody takes connections at a Unix socket: it may be there before."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(str(path)) == 0


def wait_until(true, timeout_s=10.0, what="condition", pause_s=0.01):
    """Waits for a function to say something true, and gives that."""
    end = time.monotonic() + timeout_s
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise BenchError("%s: not within %g s" % (what, timeout_s))
        time.sleep(pause_s)


def manufacture(place, count, prefix="SIM", **options):
    """Runs tests/pki/manufacture on a directory; options are its own, as no_ek=True or model="X"."""
    words = [sys.executable, str(SOURCE / "tests/pki/manufacture"), "--dir", str(place), "--count", str(count),
             "--prefix", prefix]
    for name, value in options.items():
        if value is False:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BenchError(done.stdout)


class Process:
    """A program on the bench; `output` is what it has said so far."""

    def __init__(self, words, env, log, cwd):
        self.log = log
        self.words = [str(w) for w in words]
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(self.words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, start_new_session=True)
        self.pid = self.popen.pid

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    @property
    def running(self):
        return self.popen.poll() is None

    def wait(self, timeout_s=60.0):
        """Its exit status; a program that doesn't end in time is killed, and that is a failure."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError("%s: not done within %g s\n%s" % (self.words[0], timeout_s, self.output)) from None

    def wait_for_output(self, text, timeout_s=10.0):
        """Waits until it has said something; fails at once if it ends before."""
        def said():
            over = not self.running
            if text in self.output:
                return True
            if over:
                raise BenchError("%s ended with %s before it said %r:\n%s"
                                 % (self.words[0], self.popen.returncode, text, self.output))
            return False
        wait_until(said, timeout_s, "%s saying %r" % (self.words[0], text))

    def signal(self, number):
        if self.running:
            self.popen.send_signal(number)

    def stop(self, timeout_s=10.0):
        """SIGTERM, and its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self):
        """SIGKILL for it and for whatever it started and left in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()


def end_on_sigterm():
    """Lets SIGTERM, as a test runner sends it when time is up, leave by way of every `with`."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


class Bench:
    """Simulated devices SIM0001.. in their own directory, none plugged in, on a bus of `ports` ports."""

    def __init__(self, devices=2, ports=64, usb=True, place=None, serial=0):
        """`place` is a directory that stays, with its devices, for the next time; else one is made and removed.
        `serial`: so many devices without a TPM, SER0001.., each on a tty."""
        end_on_sigterm()
        self.keep = place is not None
        self.dir = pathlib.Path(place or tempfile.mkdtemp(prefix="bench.")).resolve()
        self.dir.mkdir(parents=True, exist_ok=True)
        self.traffic = self.dir / "traffic"
        for left in [self.dir / "bus.env", self.dir / "control", self.traffic / "traffic.jsonl", *self.dir.glob("*.log")]:
            left.unlink(missing_ok=True)
        self.tpms = self.dir / "tpm"
        self.vendor = self.dir / "vendor"
        self.processes = []
        self.control = self.dir / "control"
        self.endpoint = None
        self._bus_env = {}
        try:
            self._devices_from_cache(devices)
            self.add_serial(serial)
            if usb:
                self._start_devices(ports)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def end(self):
        """Ends every program."""
        for process in reversed(self.processes):
            process.signal(signal.SIGTERM)
        for process in reversed(self.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(5)
            process.kill()
        self.processes = []

    def close(self):
        """Ends every program and removes the directory."""
        self.end()
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    # --- devices

    def _devices_from_cache(self, count):
        """Manufacturing takes half a second a TPM, copying none: make each once per build directory."""
        built(DEVICES)  # there is a build directory to keep them in
        cache = BUILD / "tests" / "manufactured"
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            manufacture(cache, count)
        if not self.vendor.exists():
            self._copy_vendor(cache)
        self.tpms.mkdir(exist_ok=True)
        for n in range(1, count + 1):
            serial = "SIM%04d" % n
            if not (self.tpms / serial).exists():
                shutil.copytree(cache / "tpm" / serial, self.tpms / serial)

    def _copy_vendor(self, cache):
        shutil.copytree(cache / "vendor", self.vendor)
        for config in ("swtpm-localca.conf", "swtpm_setup.conf"):
            text = (self.vendor / config).read_text()
            (self.vendor / config).write_text(text.replace(str(cache / "vendor"), str(self.vendor)))

    def add_devices(self, count=1, prefix="BAD", **options):
        """Manufactures more here and now, e.g. prefix="NOEK", no_ek=True; they can be plugged in at once."""
        manufacture(self.dir, count, prefix, **options)

    def add_serial(self, count=1, prefix="SER"):
        """More devices without a TPM (docs/serial-csr.md), which only say who they are; they can be plugged in at once."""
        for n in range(1, count + 1):
            place = self.tpms / ("%s%04d" % (prefix, n))
            place.mkdir(parents=True, exist_ok=True)
            (place / "device.json").write_text(json.dumps(
                {"kind": "serial", "serial": place.name, "model": "SIM-TTY", "revision": "1.0.3"}))

    def _start_devices(self, ports):
        program = built(DEVICES)
        env_file = self.dir / "bus.env"
        self.bus = process = self._start([program, "--tpms", self.tpms, "--control", self.control, "--env", env_file,
                               "--ports", ports], "devices", dict(os.environ))

        def ready():
            if not process.running:
                raise BenchError("sim-devices-usb: " + process.output)
            return env_file.exists()
        wait_until(ready, 20, "sim-devices-usb")
        for line in env_file.read_text().splitlines():
            key, _, value = line.partition("=")
            self._bus_env[key] = value

    def ask(self, *words):
        """One command to the devices' control socket; gives the answer behind `ok`."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.control))
            s.sendall((" ".join(str(w) for w in words) + "\n").encode())
            answer = b""
            while not answer.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    break
                answer += more
        text = answer.decode().rstrip("\n")
        if text != "ok" and not text.startswith("ok "):
            raise BenchError("%s: %s" % (" ".join(str(w) for w in words), text))
        return text[3:]

    def plug(self, serial, port):
        """Plugs a device into port 1.., which is found on the bus at port_path(port)."""
        self.ask("plug", serial, port)

    def unplug(self, serial):
        self.ask("unplug", serial)

    def unplug_all(self):
        self.ask("unplug-all")

    def knob(self, serial, name, value):
        self.ask("knob", serial, name, value)

    def stats(self, serial):
        """Counts by name: frames, refused, TPM, BUNDLE_COMMIT, tpm.CreatePrimary, ...; what never came is 0."""
        class Counts(dict):
            def __missing__(self, key):
                return 0
        return Counts((k, int(v)) for k, v in (w.split("=") for w in self.ask("stats", serial).split()))

    def list(self):
        """Each device by serial: its port (0: unplugged), its path on the bus, and whether factory mode is closed."""
        devices = {}
        for word in self.ask("list").split()[1:]:
            serial, port, path, mode = word.split(":")
            devices[serial] = {"port": int(port), "path": None if path == "-" else path, "closed": mode == "closed"}
        return devices

    @staticmethod
    def port_path(port):
        """How a port is called in sysfs: 1-1.1 is port 1."""
        return "1-%d.%d" % ((port - 1) // 8 + 1, (port - 1) % 8 + 1)

    def device_file(self, serial, name):
        """A file of the device's own storage: bundle.bin, leaf.pem, chain.pem, registration.json."""
        return self.tpms / serial / name

    @contextlib.contextmanager
    def swtpm(self, serial):
        """The TPM of a device that is not plugged in, for tools of others: gives the path of its socket."""
        path = self.dir / (serial + ".tpm")
        process = self._start(
            ["swtpm", "socket", "--tpm2", "--tpmstate", "dir=%s" % (self.tpms / serial), "--server", "type=unixio,path=%s" % path,
             "--ctrl", "type=unixio,path=%s.ctrl" % path, "--flags", "not-need-init,startup-clear"], serial + ".tpm", dict(os.environ))
        try:
            wait_until(lambda: path.exists() and listens(str(path) + ".ctrl"), 5, "swtpm of " + serial)
            yield path
        finally:
            process.kill()
            self.processes.remove(process)
            for left in (path, pathlib.Path(str(path) + ".ctrl")):
                left.unlink(missing_ok=True)

    # --- programs

    built = staticmethod(built)

    def env(self, program=None, **more):
        """The environment in which `program` sees the simulated bus."""
        env = dict(os.environ)
        env.update(self._bus_env)
        sanitizer = program and sanitizer_of(program)
        if sanitizer and "LD_PRELOAD" in env:
            env["LD_PRELOAD"] = sanitizer + " " + env["LD_PRELOAD"]
        env.update({k: str(v) for k, v in more.items()})
        return env

    def _start(self, words, name, env, cwd=None):
        process = Process(words, env, self.dir / (name + ".log"), cwd)
        self.processes.append(process)
        return process

    def popen(self, words, name=None, env=None, cwd=None):
        """Starts a program on the bus; what it says is in DIR/NAME.log."""
        name = name or pathlib.Path(str(words[0])).name
        return self._start(words, name, self.env(words[0], **(env or {})), cwd)

    def run(self, words, timeout_s=60.0, env=None, cwd=None, check=False):
        """Runs a program on the bus to its end; gives (status, output)."""
        log = "run.%d" % time.monotonic_ns()
        process = self.popen(words, log, env, cwd)
        status = process.wait(timeout_s)
        output = process.output
        self.processes.remove(process)
        process.log.unlink()
        if check and status != 0:
            raise BenchError("%s: exit status %s\n%s" % (" ".join(process.words), status, output))
        return status, output

    def start_dps(self, *words, state=None):
        """Starts the emulated service and gives its endpoint.json; a second start with the same state goes on."""
        state = pathlib.Path(state or self.dir / "dps")
        (state / "endpoint.json").unlink(missing_ok=True)
        process = self._start([built("tests/sim/dps/dps-emulator"), "--listen", "127.0.0.1:0", "--state", state,
                               "--record-traffic", self.traffic, *words], "dps", dict(os.environ))

        def ready():
            if not process.running:
                raise BenchError("dps-emulator: " + process.output)
            with contextlib.suppress(FileNotFoundError):
                return json.loads((state / "endpoint.json").read_text())
            return None
        self.endpoint = wait_until(ready, 20, "dps-emulator")
        self.dps = process
        return self.endpoint

    def _dps_answers(self):
        port = int(self.endpoint["url"].rsplit(":", 1)[1])
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return False
        return True

    def dps_goes_dark(self):
        """The emulated service refuses connections from now on; it forgets nothing."""
        self.dps.signal(signal.SIGUSR1)
        wait_until(lambda: not self._dps_answers(), 20, "a dark service")

    def dps_comes_back(self):
        self.dps.signal(signal.SIGUSR2)
        wait_until(self._dps_answers, 20, "a service that answers")

    def dps_counts(self):
        """What became of everything it was asked: totals, and `ids` (docs/dps-emulator.md, Counts)."""
        context = ssl.create_default_context(cafile=self.endpoint["ca"])
        port = int(self.endpoint["url"].rsplit(":", 1)[1])
        link = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
        try:
            link.request("GET", "/_emulator/counts")
            return json.loads(link.getresponse().read())
        finally:
            link.close()


def bundle_fields(data):
    """The fields of a bundle (docs/tpm-bridge.md, section 3) as (tag, value) in their order."""
    fields, at = [], 0
    while at < len(data):
        tag, length = struct.unpack_from(">BH", data, at)
        if at + 3 + length > len(data):
            raise ValueError("the bundle ends inside field %d" % tag)
        fields.append((tag, data[at + 3:at + 3 + length]))
        at += 3 + length
    return fields
