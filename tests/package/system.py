# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian in a folder, with the station's package in it, and a machine that boots it.

    fresh = Fresh(cache)                    # debootstrap, once per `cache`; unpacked anew each time
    fresh.install(deb)
    fresh.run("station", "help")
    machine = Machine(fresh, place, ports=2)    # systemd as its first process
    machine.run("systemctl start station")

Needs root: a chroot is one's own only then. Nothing outside `cache` and `place` is touched.
"""
import contextlib
import pathlib
import shutil
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "hil"), str(pathlib.Path(__file__).resolve().parents[1] / "sim")]
from guest import DRIVERS, Shell, kernel, machine_words, module_files  # noqa: E402
from sim import BenchError, wait_until  # noqa: E402

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
SYSTEM = "adduser,systemd,systemd-sysv,udev,procps,tpm2-tools"    # what any Debian machine of an engineer has

# The station's modules, before udev comes; the kernel package is not installed in the guest.
INIT = """#!/bin/busybox sh
for module in {modules}; do /bin/busybox insmod /station-modules/$module.ko; done
exec /lib/systemd/systemd
"""

# As tests/hil: a shell without terminal on the second serial port.
SHELL = """#!/bin/bash
for port in 1 2; do stty -F /dev/ttyS$port raw -echo; done
exec 3<>/dev/ttyS1
echo GUEST-UP >/dev/ttyS0
exec <&3 >&3 2>&1 3>&-
while read -r line; do eval "$line" </dev/null; status=$?; done
"""
SHELL_UNIT = """[Service]
ExecStart=/station-shell
[Install]
WantedBy=multi-user.target
"""


def said(words, **options):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise BenchError("%s: exit status %d\n%s" % (" ".join(str(w) for w in words), done.returncode, done.stdout[-6000:]))
    return done.stdout


class Fresh:
    """A minimal Debian in `cache`/root. What was downloaded stays in `cache`, so that a second run takes seconds."""

    def __init__(self, cache):
        self.cache = pathlib.Path(cache)
        self.root = self.cache / "root"
        self.cache.mkdir(parents=True, exist_ok=True)
        self.close()
        base = self.cache / "base.tar"
        if not base.exists():
            self.bootstrap(base)
        self.root.mkdir()
        said(["tar", "-C", self.root, "-xf", base])
        shutil.copytree(self.archives, self.root / "var/cache/apt/archives", dirs_exist_ok=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        self.before = self.files()

    @property
    def archives(self):
        path = self.cache / "archives"
        path.mkdir(exist_ok=True)
        return path

    def bootstrap(self, base):
        said(["debootstrap", "--variant=minbase", "--include=" + SYSTEM, SUITE, self.root, MIRROR])
        self.run("apt-get", "clean")
        said(["tar", "-C", self.root, "-cf", base.with_suffix(".part"), "."])
        base.with_suffix(".part").rename(base)
        shutil.rmtree(self.root)

    def run(self, *words, **options):
        """A command in the chroot, to its end; gives what it said."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        with self.mounted():
            return said(["chroot", self.root, *words], env=environment, **options)

    @contextlib.contextmanager
    def mounted(self):
        said(["mount", "-t", "proc", "proc", self.root / "proc"])
        try:
            yield
        finally:
            said(["umount", self.root / "proc"])

    def install(self, deb):
        """The package and what it depends on, as apt finds it."""
        shutil.copy(deb, self.root / "root")
        output = self.run("apt-get", "-y", "-q", "--no-install-recommends", "install", "/root/" + deb.name)
        for path in (self.root / "var/cache/apt/archives").glob("*.deb"):
            shutil.copy(path, self.archives)
        return output

    def files(self):
        """Every file, folder and link, but what apt and dpkg keep for themselves, and caches of others."""
        own = ("var/lib/dpkg", "var/lib/apt", "var/cache", "var/log", "root", "proc", "tmp", "run", "dev")
        return {p.relative_to(self.root).as_posix() for p in self.root.rglob("*")
                if not p.relative_to(self.root).as_posix().startswith(own)}

    def write(self, path, text, mode=0o644, owner="root:root"):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        self.run("chown", owner, path)

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Machine:
    """The chroot as the root of a virtual machine with a Debian kernel; `ports` USB ports, each a usbredir client of
    PLACE/sockets/portN. The processor is emulated, as in tests/hil."""

    def __init__(self, fresh, place, ports, kernels):
        self.place = pathlib.Path(place)
        self.ports = ports
        self.shell = None
        vmlinux, modules = kernel(kernels)
        self.fill(fresh, modules)
        with open(self.place / "qemu.log", "wb") as log:
            self.popen = subprocess.Popen(self.words(vmlinux), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            self.wait(lambda: "GUEST-UP" in self.console, 300, "guest up")
            self.shell = Shell(self.place / "shell.sock")
        except BaseException:
            self.close()
            raise

    def words(self, vmlinux):
        words = [str(w) for w in machine_words(vmlinux, self.place / "initrd.img", self.place, self.ports)]
        words[words.index("-m") + 1] = "2048"
        at = words.index("-append") + 1
        words[at] += " systemd.unified_cgroup_hierarchy=1 systemd.show_status=false systemd.getty_auto=no"
        return words

    def fill(self, fresh, modules):
        files = module_files(modules, DRIVERS)
        (fresh.root / "station-modules").mkdir()
        for name, path in files.items():
            shutil.copy(path, fresh.root / "station-modules" / (name + ".ko"))
        shutil.copy("/bin/busybox", fresh.root / "bin/busybox")
        fresh.write("/init", INIT.format(modules=" ".join(files)), 0o755)
        fresh.write("/station-shell", SHELL, 0o755)
        fresh.write("/etc/systemd/system/station-shell.service", SHELL_UNIT)
        fresh.run("systemctl", "enable", "station-shell.service")
        shutil.rmtree(fresh.root / "var/cache/apt")
        shutil.rmtree(fresh.root / "var/lib/apt/lists")
        with open(self.place / "initrd.img", "wb") as out:
            files = subprocess.run(["find", ".", "-xdev"], cwd=fresh.root, stdout=subprocess.PIPE, check=True).stdout
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=fresh.root, input=files, stdout=out, check=True)

    def run(self, command, timeout_s=120, status=0):
        """A command in the guest, to its end; gives what it said."""
        code, output = self.shell.run(command, timeout_s)
        if code != status:
            raise BenchError("%s: exit status %d\n%s" % (command, code, output))
        return output

    def show(self, *names):
        """Properties of the service, as systemd has them."""
        lines = self.run("systemctl show station.service -p " + ",".join(names)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def wait(self, look, timeout_s, what):
        def alive():
            value = look()
            if not value and self.popen.poll() is not None:
                raise BenchError("the machine ended before %s:\n%s\n%s" % (what, self.console[-4000:], (self.place / "qemu.log").read_text()))
            return value
        return wait_until(alive, timeout_s, what, 0.1)

    @property
    def console(self):
        path = self.place / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- what Line wants of a process: the one that writes events.log lives as long as the machine

    @property
    def running(self):
        return self.popen.poll() is None

    @property
    def output(self):
        return (self.place / "events.log").read_text(errors="replace")

    def close(self):
        if self.shell:
            self.shell.close()
        self.popen.kill()
        self.popen.wait()
