#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a fresh Debian: installed by apt, its line run by a real systemd with the unit's options, removed again.

    test_package.py --cache DIR     needs root; DIR keeps what was downloaded
"""
import argparse
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/package"), str(SOURCE / "tests/sim")]
from system import Fresh, Machine  # noqa: E402

CONTROLLER = "pci-0000:00:10.0-usb-0:"

# What `station.service` may do at most, as systemd counts it: 0 is nothing, 10 everything.
EXPOSURE_MAX = 2.2

LINE = """# written by tests/package/test_package.py
[station]
name = line-1
state_dir = /var/lib/station
log_origin = line-1.acme

[ca]
chain = ca/chain.pem
key = ca/line.key
log_key = ca/log.key
passphrase = credential:ca-passphrase
issue_until = 2035-12-31

[dps]
endpoint = {url}
global_endpoint = {url}
id_scope = {scope}
ca_file = service.pem
policy = {policy}
policy_key = credential:dps-key
arm_endpoint = {arm_url}
arm_id = {arm_id}
arm_token = credential:arm-token

[profile gateway]
group = acme
ek_roots = tpm-roots.pem

[profile sensor]
driver = serial_csr
attestation = x509-individual

[slot 01]
port = {port}1
profile = gateway

[slot 02]
port = {port}2
profile = sensor
"""


def commands(where):
    """The blocks of docs/install.md that are run there."""
    page = (SOURCE / "docs/install.md").read_text()
    blocks = re.findall(r"<!-- run: %s -->\n```sh\n(.*?)```" % where, page, re.S)
    assert blocks, where
    return blocks


def gunzip(path):
    return gzip.decompress(path.read_bytes()).decode()


def setUpModule():
    """The package of the sources as they are."""
    global DEB
    made = subprocess.run([SOURCE / "tests/package/make.sh", ARGS.cache], stdout=subprocess.PIPE, text=True, check=True).stdout
    DEB = pathlib.Path(made.strip())


class Package(unittest.TestCase):
    """One system for the whole story; the tests are its chapters, in order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.fresh = Fresh(ARGS.cache)
        cls.addClassCleanup(cls.fresh.close)
        output = cls.fresh.install(DEB)
        assert "Setting up station" in output, output

    def verbs(self):
        return [line.split("\t") for line in self.fresh.run("station", "help", "--table").splitlines()]

    def test_1_the_program_and_its_libraries_are_there_and_no_test_tool(self):
        self.assertIn("station run", "station " + self.verbs()[0][0])
        installed = self.fresh.run("dpkg-query", "-W", "-f", "${Package}\n").split()
        for tool in ("chromium", "libcmocka0", "libumockdev0", "swtpm", "qemu-system-x86", "gcc", "meson", "python3"):
            self.assertNotIn(tool, installed)
        self.assertEqual(self.fresh.run("ldd", "/usr/bin/station", "/usr/lib/station/dps-emulator").count("not found"), 0)
        self.assertIn("libtss2-tcti-station.so.0", self.fresh.run("ldconfig", "-p"))

    def test_1_the_page_installs_the_file_that_is_made(self):
        self.assertEqual(commands("install"), ["apt install ./%s\n" % DEB.name])

    def test_1_the_package_has_no_error_that_lintian_knows(self):
        said = subprocess.run(["lintian", "--fail-on", "error", DEB], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(said.returncode, 0, said.stdout)

    def test_2_manual_pages_say_every_verb_and_every_name_of_the_configuration(self):
        page = gunzip(self.fresh.root / "usr/share/man/man1/station.1.gz").replace("\\-", "-")
        for name, usage, summary in self.verbs():
            self.assertIn("\\fB%s\\fR %s\n%s\n" % (name, usage, summary), page)
        conf = gunzip(self.fresh.root / "usr/share/man/man5/station.conf.5.gz").replace("\\-", "-")
        names = re.findall(r"^\| `([a-z0-9_]+)` \|", (SOURCE / "docs/configuration.md").read_text(), re.M)
        self.assertGreater(len(names), 50)
        for name in names:
            self.assertIn(".TP\n\\fB%s\\fR" % name, conf)
        for page in ("station.1", "station.conf.5"):
            path = self.fresh.root / "usr/share/man" / ("man" + page[-1]) / (page + ".gz")
            said = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, env=dict(os.environ, MANROFFSEQ="", MANWIDTH="80"))
            self.assertEqual([line for line in said.stderr.splitlines() if "adjust line" not in line], [], page)

    def completed(self, *words):
        """What bash offers for the last of the words."""
        script = ("source /usr/share/bash-completion/completions/station; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _station;"
                  " printf '%s\\n' \"${COMPREPLY[@]}\"")
        return self.fresh.run("bash", "-c", script, "bash", "station", *words).split()

    def test_3_the_shell_completes_every_verb_and_its_options(self):
        firsts = sorted({name.split()[0] for name, _, _ in self.verbs()} | {"help"})
        self.assertEqual(sorted(self.completed("")), firsts)
        for name, usage, _ in self.verbs():
            options = sorted(set(re.findall(r"--[a-z-]+", usage)))
            self.assertEqual(sorted(self.completed(*name.split(), "--")), options, name)
        seconds = sorted(name.split()[1] for name, _, _ in self.verbs() if name.startswith("audit "))
        self.assertIn("verify", seconds)
        self.assertEqual(sorted(self.completed("audit", "")), seconds)
        self.assertEqual(self.completed("run", "--config", "/etc/os-r"), ["/etc/os-release"])

    def test_4_the_example_is_a_configuration(self):
        said = self.fresh.run("station", "check-config", "--config", "/usr/share/doc/station/examples/station.conf")
        self.assertRegex(said, "ok, 2 slots, 2 profiles")

    def test_4_the_service_is_well_formed_and_as_small_as_the_page_says(self):
        self.fresh.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/station.service")
        said = self.fresh.run("systemd-analyze", "security", "--offline=true", "--no-pager", "/lib/systemd/system/station.service")
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said).group(1))
        self.assertLess(exposure, EXPOSURE_MAX)
        self.assertIn("exposure level %.1f" % exposure, (SOURCE / "docs/install.md").read_text())

    def test_5_users_and_folders_are_there_and_the_secrets_are_roots_alone(self):
        self.assertRegex(self.fresh.run("id", "station"), r"groups=\d+\(station\),\d+\(enroll\)")
        self.assertEqual(self.fresh.run("stat", "-c", "%A %U %G", "/etc/station").strip(), "drwxr-x--- root station")
        self.assertEqual(self.fresh.run("stat", "-c", "%A %U %G", "/etc/station/credentials").strip(), "drwx------ root root")


class Booted(unittest.TestCase):
    """The same system in a machine; its line enrolls units on a real kernel's USB stack."""

    @classmethod
    def setUpClass(cls):
        from factory import Factory, Line
        cls.fresh = Fresh(ARGS.cache)
        cls.addClassCleanup(cls.fresh.close)
        cls.fresh.install(DEB)
        cls.factory = Factory(devices=1, slots=1, usb=False, serial=1)
        cls.addClassCleanup(cls.factory.close)
        cls.port = cls.factory.endpoint["url"].rsplit(":", 1)[1]
        cls.factory.dps.stop()
        (cls.factory.dir / "dps/endpoint.json").unlink()
        cls.engineer()
        server = cls.factory._start([cls.factory.built("tests/sim/device/sim-devices-redir"), "--tpms", cls.factory.tpms,
                                     "--sockets", cls.factory.dir / "sockets", "--control", cls.factory.control], "redir", dict(os.environ))
        server.wait_for_output("ready", 20)
        cls.machine = Machine(cls.fresh, cls.factory.dir, 2, pathlib.Path(ARGS.kernel))
        cls.addClassCleanup(cls.machine.close)
        cls.machine.run("/usr/lib/station/dps-emulator --listen 127.0.0.1:%s --state /srv/dps --polls 0 --verified-ca /root/ca/root.pem"
                        " --group acme=/root/ca/root.pem >/dev/ttyS0 2>&1 &" % cls.port)
        cls.machine.wait(lambda: cls.machine.shell.run("test -e /srv/dps/endpoint.json")[0] == 0, 60, "dps-emulator")
        cls.line = Line(cls.machine)

    @classmethod
    def engineer(cls):
        """What docs/install.md has an engineer do, by its own commands; then the configuration is written for this factory."""
        from factory import plain_host
        place, told = cls.factory.dir, cls.factory.endpoint
        (cls.fresh.root / "media/vault").mkdir()
        cls.fresh.write("/root/passphrase", "correct horse battery staple", 0o600)
        cls.fresh.write("/root/dps-key", (place / "secrets" / cls.factory.policy_name("line")).read_text(), 0o600)
        for words in commands("elsewhere") + commands("line"):
            cls.fresh.run("sh", "-ec", "cd /root\n" + words)
        config = LINE.format(url=plain_host(told["url"]), scope=told["idScope"], policy=cls.factory.policy_name("line"),
                             arm_url=plain_host(told["arm"]["url"]), arm_id=told["arm"]["id"], port=CONTROLLER)
        cls.fresh.write("/etc/station/station.conf", config, 0o640, "root:station")
        cls.fresh.write("/etc/station/service.pem", pathlib.Path(told["ca"]).read_text())
        cls.fresh.write("/etc/station/tpm-roots.pem", (place / "vendor/bundle.pem").read_text())
        cls.fresh.write("/etc/station/credentials/arm-token", (place / "secrets/arm-reader").read_text(), 0o600)
        subprocess.run(["cp", "-r", place / "dps", cls.fresh.root / "srv/dps"], check=True)
        cls.fresh.write("/root/left", "while read -r path; do test ! -f $path || echo $path; done </root/files\n")
        # The tests have not the half minute that a line is given.
        cls.fresh.write("/etc/systemd/system/station.service.d/test.conf", "[Service]\nWatchdogSec=6s\nLoadCredential=arm-token:/etc/station/credentials/arm-token\n")

    def running(self):
        shown = self.machine.show("ActiveState", "SubState", "MainPID", "NRestarts", "StatusText")
        return shown if shown["SubState"] == "running" else None

    def follow(self):
        """Events go to the host from now on."""
        self.machine.run("station watch --config /etc/station/station.conf --json >/dev/ttyS2 2>&1 & true")
        self.line.wait(lambda: self.line.events(), 60, "a snapshot")

    def test_1_the_service_is_ready_when_systemctl_returns(self):
        start, people = commands("booted")
        for command in start.splitlines():
            self.machine.run("%s || { journalctl -u station --no-pager | tail -40; false; }" % command, 300)
        for command in people.splitlines():
            self.machine.run(command)
        shown = self.machine.show("ActiveState", "SubState", "StatusText", "NRestarts")
        self.assertEqual(shown, {"ActiveState": "active", "SubState": "running", "StatusText": "Plug units in.", "NRestarts": "0"})
        self.follow()

    def test_2_the_line_runs_as_its_user_without_a_capability(self):
        found = self.machine.run("cat /proc/%s/status" % self.machine.show("MainPID")["MainPID"])
        for name, value in (("CapEff", "0000000000000000"), ("CapBnd", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")):
            self.assertRegex(found, r"(?m)^%s:\t%s$" % (name, value))
        user = self.machine.run("id -u station").strip()
        self.assertRegex(found, r"(?m)^Uid:\t%s\t%s\t%s" % (user, user, user))

    def test_3_a_unit_of_each_kind_passes_under_the_options_of_the_unit(self):
        self.factory.plug("SIM0001", 1)
        self.factory.plug("SER0001", 2)
        for name in ("01", "02"):
            slot = self.line.wait_verdict(name, 180)
            self.assertEqual(slot["verdict"], "PASS", slot)

    def test_4_the_rules_gave_the_devices_to_the_group_and_kept_modemmanager_away(self):
        nodes = self.machine.run("for d in /sys/bus/usb/devices/*; do test -e $d/serial && echo $(cat $d/serial) "
                                 "$(udevadm info -q name -p $d); done; true")
        node = re.search(r"SIM0001 (\S+)", nodes).group(1)
        self.assertEqual(self.machine.run("stat -c '%%a %%G' /dev/%s /dev/ttyACM0" % node).split(), ["660", "enroll"] * 2)
        for path in ("/dev/" + node, "/dev/ttyACM0"):
            self.assertRegex(self.machine.run("udevadm info -q property -n " + path), r"ID_MM_(DEVICE|PORT)_IGNORE=1")

    def test_5_the_audit_log_is_whole(self):
        said = self.machine.run("station report --config /etc/station/station.conf --json")
        self.assertEqual(sorted(u["serial"] for u in json.loads(said)["units"]), ["SER0001", "SIM0001"])
        self.machine.run("station audit verify --config /etc/station/station.conf")

    def test_5_who_is_in_the_group_sees_the_line_and_nobody_else_does(self):
        status = "station status --config /etc/station/station.conf --json"
        self.assertIn('"running"', self.machine.run("runuser -u ana -- %s" % status))
        self.machine.run("runuser -u nobody -- %s" % status, status=1)
        self.machine.run("runuser -u ana -- cat /etc/station/ca/line.key", status=1)
        self.machine.run("runuser -u station -- cat /etc/station/credentials/dps-key", status=1)

    def test_6_a_line_that_stands_still_is_killed_and_started_again(self):
        self.machine.run("kill -STOP %s" % self.machine.show("MainPID")["MainPID"])
        again = self.machine.wait(lambda: self.running() if self.machine.show("NRestarts")["NRestarts"] == "1" else None, 120, "a restart")
        self.assertEqual(again["NRestarts"], "1")
        said = self.machine.run("journalctl -u station --no-pager")
        self.assertIn("Watchdog timeout", said)

    def test_7_a_line_without_its_launcher_is_started_again(self):
        self.machine.run("pkill -KILL st-launcher")
        again = self.machine.wait(lambda: self.running() if self.machine.show("NRestarts")["NRestarts"] == "2" else None, 120, "a restart")
        self.assertEqual(again["StatusText"], "Plug units in.")

    def test_8_a_stop_is_clean(self):
        self.machine.run("systemctl stop station", 120)
        self.assertEqual(self.machine.show("ActiveState", "Result", "ExecMainStatus"),
                         {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
        self.machine.run("pgrep -u station", status=1)
        self.machine.run("test -e /run/station", status=1)

    def failed_with(self, status):
        self.machine.run("systemctl start station", 300, status=1)
        self.machine.run("sleep 4")
        self.assertEqual(self.machine.show("ActiveState", "Result", "ExecMainStatus", "NRestarts"),
                         {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": status, "NRestarts": "0"})
        self.machine.run("systemctl reset-failed station")

    def test_8_what_a_person_must_mend_is_said_and_not_tried_again(self):
        secret = "/etc/station/credentials/ca-passphrase"
        self.machine.run("mv %s /root" % secret)
        self.failed_with("243")
        self.machine.run("echo wrong >%s" % secret)
        self.failed_with("3")
        self.assertIn("E-CA-001", self.machine.run("journalctl -u station --no-pager | tail -8"))
        self.machine.run("mv /root/ca-passphrase %s" % secret)

    def test_9_a_purge_leaves_the_state_and_what_the_engineer_wrote(self):
        self.machine.run("systemctl start station", 300)
        self.machine.run("dpkg -L station >/root/files; dpkg --purge station", 120)
        self.machine.run("pgrep -u station", status=1)
        self.assertEqual(self.machine.run("sh /root/left"), "")
        self.machine.run("test -e /var/lib/station/ledger.db -a -e /etc/station/ca/line.key")
        self.machine.run("systemctl cat station.service 2>/dev/null", status=1)


class Removed(unittest.TestCase):
    """A package that was never used."""

    def test_installed_and_purged_leaves_nothing_but_its_accounts(self):
        fresh = Fresh(ARGS.cache)
        self.addCleanup(fresh.close)
        depends = subprocess.run(["dpkg-deb", "-f", DEB, "Depends"], stdout=subprocess.PIPE, text=True, check=True).stdout
        fresh.run("apt-get", "-y", "-q", "--no-install-recommends", "install", *re.findall(r"(?:^|, )([a-z0-9.+-]+)", depends))
        before = fresh.files()
        fresh.install(DEB)
        self.assertIn("usr/bin/station", fresh.files() - before)
        fresh.run("apt-get", "-y", "-q", "purge", "station")
        left = fresh.files() - before
        self.assertEqual({p for p in left if not re.fullmatch(r"etc/(passwd|shadow|group|gshadow|subuid|subgid)-?", p)}, set())
        self.assertRegex(fresh.run("id", "station"), r"groups=\d+\(station\),\d+\(enroll\)")


if __name__ == "__main__":
    if os.geteuid() != 0:   # a chroot is root's
        os.execvp("sudo", ["sudo", "-n", "--preserve-env=STATION_BUILD,PYTHONDONTWRITEBYTECODE", sys.executable, *sys.argv])
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", default=str(SOURCE / "build/package"))
    parser.add_argument("--kernel", default=str(SOURCE / "build/hil/kernel"))
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2, failfast=True)   # a chapter needs those before it
