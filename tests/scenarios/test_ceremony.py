#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/ceremony.md, command by command, on machines that share nothing but what is carried; a line that works by the CA that came of it,
its renewal, a list of what was revoked, and a change of the root."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

import test_lots


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from sim import SOURCE, built  # noqa: E402


# All that a profile may have in its leaves.
FORM = "extended_key_usage = client-server\nalternative_name = dns\norganization = Contoso, Ltd.\norganizational_unit = Line 1\n"


class Ceremony(test_lots.People):
    devices = 4

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.blocks = re.findall(r"```sh\n(.*?)```", (SOURCE / "docs/ceremony.md").read_text(), re.S)
        place = cls.factory.dir
        for machine in ("root", "site", "line"):
            (place / machine).mkdir()
            (place / machine / "passphrase").touch(mode=0o600)
            (place / machine / "passphrase").write_text("dice of %s\n" % machine)
        for name, path in (("line", cls.factory.config), ("engineer", cls.engineer)):
            text = path.read_text().replace("%s/ca/" % place, "%s/line/" % place).replace("group = demo-group", "group = contoso")
            text = text.replace("file:%s/secrets/passphrase" % place, "file:%s/line/passphrase" % place)
            text = text.replace("issue_until = 2035-12-31", "issue_until = %d-12-31" % (test_lots.time.gmtime().tm_year + 2))
            text = text.replace("finish = no\n", "finish = no\nvalidity_days = 365\n").replace("\n[profile demo]\n", "\n[profile demo]\nvalidity_days = 365\n")
            text = text.replace("[profile open]\n", "[profile open]\n" + FORM)
            (place / "line" / (name + ".conf")).write_text(text)
        cls.factory.config.write_text((place / "line/line.conf").read_text())
        cls.engineer.write_text((place / "line/engineer.conf").read_text())

    def sh(self, block, status=0):
        env = {**os.environ, "PATH": "%s:%s" % (pathlib.Path(built("station/cmd/station")).parent, os.environ["PATH"])}
        done = subprocess.run(["sh", "-e", "-c", block], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env,
                              cwd=self.factory.dir, timeout=60)
        self.assertEqual(done.returncode, status, block + done.stdout)
        return done.stdout

    def revoke(self, *words, status=0):
        return self.factory.verb("revoke", "--config", self.engineer, "--badge", self.two(), *words, status=status)

    def test_the_page_makes_a_line_that_works_and_renews_it(self):
        (root, site_csr, site, line_csr, line, imported, code, proof, proved, next_csr, next_in) = self.blocks
        for block in (root, site_csr, site, line_csr, line):
            self.sh(block)
        self.assertIn("nothing broken", self.sh("cd line; cp ../site/chain.pem chain.pem; station profile lint --config line.conf; rm chain.pem"))
        # What is no chain for this key is refused, and nothing was put in its place.
        self.assertIn("E-CA-020", self.sh("cd line; station ca import --config line.conf ../ca/chain.pem || true"))
        self.assertFalse((self.factory.dir / "line/chain.pem").exists())
        said = self.sh(imported)
        self.assertIn("the chain holds, and it may sign revocation lists", said)
        self.assertIn("in a file: for training", said)
        self.sh(code)
        self.sh(proof)
        self.assertIn("contoso-root: ", self.sh(proved))
        self.begin("OLD", 4, profile="open")
        self.run_good(["SIM0001", "SIM0002"])
        self.factory.dps_goes_dark()
        self.assertEqual(self.run_units(["SIM0003"])["SIM0003"]["verdict"], "BUILT")
        self.factory.dps_comes_back()
        self.line.stop()
        self.line = None
        leaf = self.sh("openssl x509 -in %s -noout -subject -ext subjectAltName,extendedKeyUsage" % self.factory.device_file("SIM0001", "leaf.pem"))
        name = self.factory.leaf_of("SIM0001")[0]
        for said in ('O = "Contoso, Ltd.", OU = Line 1, CN = ' + name, "DNS:" + name, "TLS Web Client Authentication, TLS Web Server"):
            self.assertIn(said, leaf)
        # The next key, by the same site CA.
        old = (self.factory.dir / "line/chain.pem").read_text()
        self.assertIn("E-CA-001", self.sh("cd line; station ca renew --config line.conf --name X --next ./line2.key || true"))
        self.sh(next_csr)
        self.sh(line)
        self.sh(next_in)
        kept = [p.name for p in (self.factory.dir / "line").iterdir() if re.fullmatch(r"chain\.pem\.[0-9a-f]{16}", p.name)]
        self.assertEqual(len(kept), 1)
        self.assertEqual((self.factory.dir / "line" / kept[0]).read_text(), old)
        # Cut off behind the key and before the chain, it is called again.
        (self.factory.dir / "line/chain.pem").write_text(old)
        self.sh("cd line; station ca import --config line.conf --next next/line.key carried.pem")
        # One that passed is known, and one that was begun is finished, by the old CA; one that is replaced gets its leaf of the new CA,
        # and so does a fresh one.
        self.revoke("SIM0002", "--replace")
        self.start()
        slots = self.run_good(["SIM0001", "SIM0002", "SIM0003", "SIM0004"])
        self.assertEqual([slots[s]["recognised"] for s in sorted(slots)], [True, False, False, False])
        self.line.stop()
        self.line = None
        issuers = [self.sh("openssl x509 -in %s -noout -issuer" % self.factory.device_file(s, "leaf.pem")) for s in sorted(slots)]
        self.assertEqual(["Line 1 / 2" in i for i in issuers], [False, True, False, True])
        self.assertEqual(len(self.entries("ca.imported")), 3)
        # The list of what was revoked, by two readers; its number grows.
        self.revoke("SIM0004", "--reason", "keyCompromise", status=1)
        numbers = []
        for _ in range(2):
            self.sh("cd line; station ca crl --config line.conf --out list.crl --days 7")
            text = self.sh("cd line; openssl crl -inform DER -in list.crl -out list.pem; openssl crl -in list.pem -noout -text -CAfile chain.pem")
            self.assertIn("verify OK", text)
            self.assertEqual(text.count("Serial Number:"), 1, "of this CA")
            numbers.append(int(re.search(r"CRL Number: *\n? *(\d+)", text).group(1)))
        self.assertLess(numbers[0], numbers[1])
        self.sh("cd line; certtool --verify-crl --load-ca-certificate chain.pem --infile list.pem")
        leaf = self.factory.device_file("SIM0004", "leaf.pem")
        self.assertIn("certificate revoked", self.sh("cd line; openssl verify -crl_check -CRLfile list.pem -partial_chain -CAfile chain.pem %s || "
                                                     "true" % leaf))
        good = self.factory.device_file("SIM0002", "leaf.pem")
        self.sh("cd line; openssl verify -crl_check -CRLfile list.pem -partial_chain -CAfile chain.pem %s" % good)
        self.factory.audit_verify()
        self.two_roots_stand_in_the_group_and_then_one()

    def two_roots_stand_in_the_group_and_then_one(self):
        """As part 6 has it, with the factory's other root as the one before."""
        ensure = ("group", "ensure", "--config", self.engineer)
        before = self.factory.dir / "ca/chain.pem"

        def held():
            x509 = self.factory.ask_service("GET", "/enrollmentGroups/contoso")["attestation"]["x509"]["signingCertificates"]
            return [x509[w]["info"]["subjectName"] for w in ("primary", "secondary") if x509.get(w)]
        self.factory.ask_service("DELETE", "/enrollmentGroups/demo-group")    # a certificate stands in one group only
        self.assertIn("and CN=Demo Root CA", self.factory.verb(*ensure, "--before", before))
        self.assertEqual([("Contoso" in h, "Demo" in h) for h in held()], [(True, False), (False, True)])
        self.assertIn("is there and holds", self.factory.verb(*ensure, "--before", before))
        self.assertIn("is there and holds", self.factory.verb(*ensure))       # asked for one, the other stays
        self.factory.verb(*ensure, "--replace")
        self.assertEqual(["Contoso" in h for h in held()], [True])


if __name__ == "__main__":
    del test_lots.People
    sys.exit(unittest.main())
