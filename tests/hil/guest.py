# SPDX-License-Identifier: Apache-2.0
"""What boots in the virtual machine: Debian's kernel, a few of its modules, and a small root with the station in it.

    vmlinux, modules = kernel(cache)
    root = Root(place / "root", modules)
    root.add_program(station, "/bin/station")
    root.pack(place / "initrd.img")
    subprocess.Popen(machine_words(vmlinux, place / "initrd.img", place, ports=2))
    shell = Shell(place / "shell.sock")
    shell.run("cat /proc/version")

The guest has three serial ports: console.log is what kernel and init say, shell.sock is a shell, and events.log is for
whoever in the guest writes to /dev/ttyS2.
"""
import fcntl
import lzma
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tarfile

DRIVERS = ["xhci_pci", "cdc_acm"]

# The shell at the end reads lines, not a terminal: no prompt, no echo. Its port is open before it is said to be there:
# what stands in a port that is only then opened is lost.
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tracefs trace /sys/kernel/tracing
mount -t securityfs security /sys/kernel/security
ip link set lo up
for port in 1 2; do stty -F /dev/ttyS$port raw -echo; done
for module in {modules}; do insmod /lib/modules/$module.ko; done
systemd-udevd --daemon
udevadm trigger
udevadm settle
exec 3<>/dev/ttyS1
echo GUEST-UP
exec <&3 >&3 2>&1 3>&-
while read -r line; do eval "$line" </dev/null; status=$?; done
"""


class GuestError(AssertionError):
    """The virtual machine could not be made, or does not answer."""


def run(*words, **options):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise GuestError("%s: exit status %d\n%s" % (" ".join(str(w) for w in words), done.returncode, done.stderr))
    return done.stdout


def kernel(place):
    """Debian's kernel, downloaded and unpacked once per `place`: (vmlinux, directory of modules)."""
    vmlinux = place / "vmlinux"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not vmlinux.exists():
            shutil.rmtree(place / "files", ignore_errors=True)
            extract(download(place), place / "files")
            unpack(next(place.glob("files/boot/vmlinuz*")), vmlinux)
    return vmlinux, next((place / "files/lib/modules").iterdir())


def download(place):
    """The package of Debian's newest kernel. Its name changes with every security update."""
    depends = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", "linux-image-amd64"))
    if not depends:
        raise GuestError("apt knows no linux-image-amd64: run apt-get update")
    for old in place.glob("*.deb"):
        old.unlink()
    run("apt-get", "download", depends.group(1), cwd=place)
    return next(place.glob("*.deb"))


def extract(deb, place):
    """The kernel and its USB drivers; the rest of the package is large."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as process:
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            for member in tar:
                if re.match(r"\./(boot/vmlinuz|lib/modules/[^/]+/kernel/drivers/usb/)", member.name):
                    tar.extract(member, place)
    deb.unlink()


def unpack(bzimage, vmlinux):
    """The ELF kernel inside a bzImage (Linux's boot protocol: setup sectors, then an xz payload): it starts faster."""
    image = bzimage.read_bytes()
    setup = (image[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = setup * 512 + offset
    content = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(image[start:start + length])
    part = vmlinux.with_suffix(".part")
    part.write_bytes(content)
    part.rename(vmlinux)


def libraries(program):
    """The shared libraries of a program, as the loader finds them."""
    return re.findall(r"(?:=> )?(/\S+) \(0x", run("ldd", program))


def module_files(modules, names, found=None):
    """The files of modules and of what they depend on, in the order to load them: name → path."""
    found = {} if found is None else found
    for name in names:
        if name in found:
            continue
        path = next(modules.rglob(re.sub("[-_]", "[-_]", name) + ".ko"), None)
        if not path:
            raise GuestError("%s has no module %s" % (modules, name))
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes()).group(1).decode()
        module_files(modules, [d for d in depends.split(",") if d], found)
        found[name] = path
    return found


class Root:
    """A root file system in a directory: busybox, udev, the modules and a shell on the second serial port."""

    def __init__(self, place, modules):
        self.place = pathlib.Path(place)
        for name in ("bin", "dev", "proc", "sys", "run", "tmp"):
            (self.place / name).mkdir(parents=True)
        self.add("/bin/busybox", "/bin/busybox")
        self.add_program("/bin/udevadm", "/bin/udevadm")
        (self.place / "bin/systemd-udevd").symlink_to("udevadm")
        self.add("/lib/udev/rules.d/50-udev-default.rules", "/lib/udev/rules.d/50-udev-default.rules")
        self.write("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
        self.write("/etc/group", "root:x:0:\ntty:x:5:\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        files = module_files(modules, DRIVERS)
        for name, path in files.items():
            self.add(path, "/lib/modules/%s.ko" % name)
        self.write("/init", INIT.format(modules=" ".join(files)), 0o755)

    def _target(self, path):
        path = self.place / str(path).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add(self, source, target):
        shutil.copy(os.path.realpath(source), self._target(target))

    def add_program(self, source, target):
        """A program and its libraries."""
        self.add(source, target)
        for library in libraries(source):
            self.add(library, library)

    def add_tree(self, source, target):
        shutil.copytree(source, self._target(target), dirs_exist_ok=True)

    def write(self, target, text, mode=0o644):
        path = self._target(target)
        path.write_text(text)
        path.chmod(mode)

    def pack(self, image):
        files = subprocess.run(["find", "."], cwd=self.place, capture_output=True, check=True).stdout
        with open(image, "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=self.place, input=files, stdout=out,
                           check=True)


def machine_words(vmlinux, image, place, ports, pcap=None):
    """The command of a machine with `ports` USB ports, each a usbredir client of PLACE/sockets/portN. The processor is
    emulated: no KVM is needed. `pcap`: a directory for a usbmon capture of each port."""
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "Nehalem", "-smp", "1", "-m", "768",
             "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot",
             "-kernel", vmlinux, "-initrd", image,
             "-append", "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on nokaslr",
             "-serial", "file:%s/console.log" % place,
             "-chardev", "socket,id=shell,path=%s/shell.sock,server=on,wait=off" % place, "-serial", "chardev:shell",
             "-serial", "file:%s/events.log" % place,
             "-device", "qemu-xhci,id=x0,addr=0x10,p2=%d,p3=%d" % (ports, ports)]
    for n in range(1, ports + 1):
        capture = ",pcap=%s/port%d.pcap" % (pcap, n) if pcap else ""
        words += ["-chardev", "socket,id=c%d,path=%s/sockets/port%d,reconnect=1" % (n, place, n),
                  "-device", "usb-redir,chardev=c%d,id=u%d,bus=x0.0,port=%d%s" % (n, n, n, capture)]
    return words


class Shell:
    """The shell in the guest, once init has said GUEST-UP."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))

    def run(self, command, timeout_s=60):
        """Runs one line; gives (status, what it said)."""
        self.socket.settimeout(timeout_s)
        self.socket.sendall(("%s\necho \"|GUEST-SAID $status\"\n" % command).encode())
        said = b""
        while not (end := re.search(rb"\|GUEST-SAID (\d+)\n", said)):
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                raise GuestError("%s: not done within %g s\n%s" % (command, timeout_s, said.decode(errors="replace"))) from None
            if not more:
                raise GuestError("%s: the machine has ended\n%s" % (command, said.decode(errors="replace")))
            said += more
        return int(end.group(1)), said[:end.start()].decode(errors="replace")

    def close(self):
        self.socket.close()
