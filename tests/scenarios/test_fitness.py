#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What keeps a line from starting, what makes it unfit, and what an engineer's verbs refuse: each with its code."""
import json
import pathlib
import re
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import Factory, wait_until  # noqa: E402


class Fitness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=2, slots=2)
        cls.good = cls.factory.config.read_text()

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def tearDown(self):
        (self.factory.dir / "dps/rules.json").unlink(missing_ok=True)

    def config(self, old, new):
        path = self.factory.dir / "other.conf"
        self.assertRegex(self.good, old)
        path.write_text(re.sub(old, new, self.good))
        return path

    def refused(self, config, code, status=3):
        got, output = self.factory.run([self.factory.station, "run", "--config", config], timeout_s=90)
        self.assertIn(code, output)
        self.assertEqual(got, status, output)
        return output

    def test_a_missing_group_keeps_the_line_from_starting(self):
        self.assertIn("group ensure", self.refused(self.config("group = demo-group", "group = nobody-made-it"), "E-DPS-007"))

    def test_an_unproved_ca_keeps_the_line_from_starting(self):
        factory = self.factory
        other = factory.dir / "other-ca"
        if not other.exists():
            factory.verb("ca", "init", other, "--name", "Other", "--log-origin", "line-1.demo", "--passphrase",
                         "file:%s/secrets/passphrase" % factory.dir)
            (other / "root.key").rename(factory.dir / "vault/other.key")
        path = factory.dir / "unproved.conf"
        path.write_text(self.good.replace(str(factory.dir / "ca"), str(other)).replace("/state\n", "/state-unproved\n"))
        engineer = factory.dir / "unproved-engineer.conf"
        engineer.write_text((factory.dir / "engineer.conf").read_text().replace(str(factory.dir / "ca"), str(other))
                            .replace("group = demo-group", "group = other-group"))
        path.write_text(path.read_text().replace("group = demo-group", "group = other-group"))
        factory.verb("group", "ensure", "--config", engineer)
        self.assertIn("ca prove", self.refused(path, "E-DPS-008"))

    def test_a_readable_root_key_keeps_the_line_from_starting(self):
        copy = self.factory.dir / "ca/forgotten.key"
        shutil.copy(self.factory.dir / "vault/root.key", copy)
        try:
            self.refused(self.factory.config, "E-CA-003")
        finally:
            copy.unlink()

    def test_a_wrong_policy_key_is_refused_by_name(self):
        self.factory.secret("wrong", "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=")
        self.refused(self.config(r"policy_key = \S+", "policy_key = file:%s/secrets/wrong" % self.factory.dir), "E-DPS-003")

    def test_an_iot_hubs_connection_string_is_told_from_the_provisioning_services(self):
        """They look alike, and lie beside each other in the portal."""
        hub = self.factory.endpoint["hubs"][0]
        self.factory.secret("hub", hub["connectionString"])
        output = self.refused(self.config(r"policy_key = \S+", "policy_key = file:%s/secrets/hub" % self.factory.dir), "E-DPS-003")
        self.assertIn("IoT hub " + hub["hostName"], output)
        self.assertNotIn(re.search("SharedAccessKey=(.*)$", hub["connectionString"]).group(1), output)

    def test_a_secret_that_others_can_read_is_refused(self):
        self.factory.secret("open", "x")
        (self.factory.dir / "secrets/open").chmod(0o644)
        output = self.refused(self.config(r"policy_key = \S+", "policy_key = file:%s/secrets/open" % self.factory.dir), "E-CA-008")
        self.assertIn("0600", output)

    def test_a_service_that_another_ca_vouches_for_is_refused(self):
        self.refused(self.config(r"\nca_file = \S+", ""), "E-DPS-002")

    def test_an_unreachable_service_keeps_the_line_from_starting(self):
        self.refused(self.config(r"\nendpoint = \S+", "\nendpoint = https://localhost:1"), "E-DPS-001")

    def test_ten_mistakes_are_told_at_once(self):
        text = self.good
        for old, new in (("role = line", "role = boss"), ("issue_until = 2035-12-31", "issue_until = tomorrow"),
                         ("group = demo-group", "groop = demo-group\nkey_handle = 7\nfinish = perhaps"), ("0:1.2", "0:1.1"),
                         ("policy_key = file:", "policy_key = "), ("endpoint = https", "endpoint = http"),
                         ("[slot 02]", "[slot 01]"), ("profile = demo\n\n[slot", "profile = demon\n\n[slot")):
            text = text.replace(old, new)
        path = self.factory.dir / "mistakes.conf"
        path.write_text(text)
        got, output = self.factory.run([self.factory.station, "check-config", "--config", path])
        self.assertEqual(got, 1)
        lines = [line for line in output.splitlines() if re.match(r".*mistakes\.conf:\d+: ", line)]
        self.assertGreaterEqual(len(lines), 10, output)
        self.refused(path, "E-CFG-001", status=1)

    def test_engineers_verbs_are_refused_on_a_line(self):
        for verb in (["group", "ensure"], ["ca", "prove", "--name", "x", "--cert", "x", "--key", "x", "--passphrase", "file:x"]):
            got, output = self.factory.run([self.factory.station, *verb, "--config", self.factory.config])
            self.assertEqual(got, 1)
            self.assertIn("E-CFG-002", output)

    def test_check_cloud_prints_each_hop(self):
        output = self.factory.verb("check-cloud", "--config", self.factory.config)
        for hop in ("name", "tcp", "tls", "clock", "token", "right"):
            self.assertRegex(output, r"(?m)^ok +%s " % hop)

    def line_starts_with(self, name, secret, key):
        """A line that shows this credential instead of a policy's key reads the group and is ready."""
        self.factory.secret(name, secret)
        path = self.config(r"policy = \S+\npolicy_key = \S+", "%s = file:%s/secrets/%s" % (key, self.factory.dir, name))
        line = self.factory.start_line(config=path)
        self.assertEqual(line.stop(), 0)

    def test_a_bearer_token_opens_the_service(self):
        self.line_starts_with("bearer", self.factory.endpoint["bearer"]["reader"], "bearer_token")

    def test_a_ready_made_sas_token_opens_the_service(self):
        self.line_starts_with("sas", self.factory.sas_token(self.factory.policy_name("line")), "sas_token")

    def test_an_expired_sas_token_is_refused(self):
        self.factory.secret("expired", self.factory.sas_token(self.factory.policy_name("line"), -60))
        path = self.config(r"policy = \S+\npolicy_key = \S+", "sas_token = file:%s/secrets/expired" % self.factory.dir)
        self.refused(path, "E-DPS-003")

    def test_a_group_that_holds_another_ca_is_replaced_only_when_told(self):
        factory = self.factory
        other = factory.dir / "second-ca"
        factory.verb("ca", "init", other, "--name", "Second", "--log-origin", "line-1.demo", "--passphrase",
                     "file:%s/secrets/passphrase" % factory.dir)
        engineer = factory.dir / "second-engineer.conf"
        engineer.write_text((factory.dir / "engineer.conf").read_text().replace(str(factory.dir / "ca"), str(other)))
        code, output = factory.run([factory.station, "group", "ensure", "--config", engineer])
        self.assertEqual(code, 1)
        self.assertIn("E-DPS-011", output)
        self.assertIn("--replace", output)
        self.assertIn("is there and holds", factory.verb("group", "ensure", "--config", factory.dir / "engineer.conf"))

    def test_a_ledger_older_than_the_signers_memory_is_refused(self):
        factory = Factory(devices=1, slots=1)
        try:
            line = factory.start_line()
            line.stop()
            (factory.dir / "yesterday").mkdir()
            for name in ("ledger.db", "ledger.db-wal"):
                if (factory.dir / "state" / name).exists():
                    shutil.copy(factory.dir / "state" / name, factory.dir / "yesterday" / name)
            line = factory.start_line()
            factory.plug("SIM0001", 1)
            self.assertEqual(line.wait_verdict("01")["verdict"], "PASS")
            line.stop()
            for path in (factory.dir / "state").glob("ledger.db*"):
                path.unlink()
            for path in (factory.dir / "yesterday").iterdir():
                shutil.copy(path, factory.dir / "state")
            code, output = factory.run([factory.station, "run", "--config", factory.config], timeout_s=60)
            self.assertEqual(code, 3, output)
            self.assertIn("E-CA-007", output)
        finally:
            factory.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
