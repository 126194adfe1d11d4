# SPDX-License-Identifier: Apache-2.0
"""What boots in the virtual machine: Debian's kernel, a few of its modules, and a small root with the station in it."""
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess

MODULES = ["usb-common", "usbcore", "xhci-hcd", "xhci-pci"]


def run(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **options).stdout


def kernel(place):
    """Downloads and unpacks Debian's kernel once: (vmlinux, directory of modules)."""
    place.mkdir(parents=True, exist_ok=True)
    vmlinux = place / "vmlinux"
    if not vmlinux.exists():
        depends = run("apt-cache", "depends", "linux-image-amd64")
        package = re.search(r"Depends: (linux-image-\S+)", depends).group(1)
        run("apt-get", "download", package, cwd=place)
        deb = next(place.glob(package + "_*.deb"))
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        subprocess.run(["tar", "x", "-C", place, "--wildcards", "./boot/vmlinuz*", "./lib/modules/*/kernel/drivers/usb/*"],
                       stdin=tar.stdout, check=True)
        tar.wait()
        deb.unlink()
        unpack(next(place.glob("boot/vmlinuz*")), vmlinux)
    return vmlinux, next((place / "lib/modules").iterdir())


def unpack(bzimage, vmlinux):
    """The ELF kernel inside a bzImage (Linux's boot protocol: setup sectors, then an xz payload): it starts faster."""
    image = bzimage.read_bytes()
    setup = (image[0x1F1] or 4) + 1
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = setup * 512 + offset
    payload = image[start:start + length]
    content = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
    part = vmlinux.with_suffix(".part")
    part.write_bytes(content)
    part.rename(vmlinux)


def libraries(program):
    """The shared libraries of a program, as the loader finds them."""
    return re.findall(r"(?:=> )?(/\S+) \(0x", run("ldd", program))


class Root:
    """A root file system in a directory, packed as an initramfs."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        shutil.rmtree(self.place, ignore_errors=True)
        for name in ("bin", "dev", "proc", "sys", "run", "tmp", "etc", "lib/modules", "lib/udev/rules.d"):
            (self.place / name).mkdir(parents=True)

    def add(self, source, target):
        path = self.place / str(target).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            shutil.copy(os.path.realpath(source), path)

    def add_program(self, source, target):
        self.add(source, target)
        for library in libraries(source):
            self.add(library, library)

    def add_tree(self, source, target):
        shutil.copytree(source, self.place / str(target).lstrip("/"), dirs_exist_ok=True)

    def write(self, target, text, mode=0o644):
        path = self.place / str(target).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def add_system(self, modules):
        self.add("/bin/busybox", "/bin/busybox")
        self.add_program("/bin/udevadm", "/bin/udevadm")
        self.add("/lib/udev/rules.d/50-udev-default.rules", "/lib/udev/rules.d/50-udev-default.rules")
        for name in MODULES:
            found = next(modules.rglob(name.replace("-", "[-_]") + ".ko"))
            self.add(found, "/lib/modules/" + found.name)
        self.write("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
        self.write("/etc/group", "root:x:0:\ntty:x:5:\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n")

    def pack(self, image):
        files = subprocess.run(["find", "."], cwd=self.place, capture_output=True, check=True).stdout
        with open(image, "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=self.place, input=files, stdout=out, check=True)


class Machine:
    """A running QEMU; what the guest prints on its console is in `log`. Emulated processor: no KVM is needed."""

    def __init__(self, vmlinux, image, sockets, devices, log, append=""):
        words = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "Nehalem", "-smp", "1", "-m", "768",
                 "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-serial", "file:%s" % log, "-no-reboot",
                 "-kernel", vmlinux, "-initrd", image, "-append",
                 "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on nokaslr " + append,
                 "-device", "qemu-xhci,id=x0,addr=0x10,p2=8,p3=8"]
        for n in range(1, devices + 1):
            words += ["-chardev", "socket,id=c%d,path=%s/port%d,reconnect=1" % (n, sockets, n),
                      "-device", "usb-redir,chardev=c%d,id=u%d,bus=x0.0,port=%d" % (n, n, n)]
        self.log = pathlib.Path(log)
        self.log.write_bytes(b"")
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(str(log) + ".qemu", "wb"))

    @property
    def output(self):
        return self.log.read_text(errors="replace").replace("\r", "")

    def kill(self):
        self.process.kill()
        self.process.wait()
