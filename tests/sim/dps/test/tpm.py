# SPDX-License-Identifier: Apache-2.0
"""A TPM as a device has one: swtpm, used only through the commands of tpm2-tools."""
import base64
import os
import shutil
import subprocess
import tempfile
import time

EK, SRK = "0x81010001", "0x81000001"
SRK_ATTRIBUTES = "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda"
# The first bytes of a credential file of tpm2-tools.
CREDENTIAL_HEADER = bytes.fromhex("badcc0de00000001")


def split_blob(blob):
    """The six sized parts of an authenticationKey, each with its size in front."""
    parts, at = [], 0
    while at < len(blob):
        n = 2 + int.from_bytes(blob[at:at + 2], "big")
        parts.append(blob[at:at + n])
        at += n
    return parts


class Tpm:
    """A new TPM with an endorsement key and a storage root key of the TCG's templates where SDKs look for them."""

    def __init__(self, folder):
        # A socket's path must be short.
        self.short = tempfile.mkdtemp(prefix="tpm-")
        self.folder = tempfile.mkdtemp(prefix="tpm-", dir=folder)
        path = os.path.join(self.short, "tpm")
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + self.folder, "--server", "type=unixio,path=" + path,
             "--ctrl", f"type=unixio,path={path}.ctrl", "--flags", "not-need-init,startup-clear"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.01)
        self.env = dict(os.environ, TPM2TOOLS_TCTI="swtpm:path=" + path)
        self.run("tpm2_createek", "-c", EK, "-G", "rsa", "-u", "ek.pub")
        self.run("tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "rsa2048:aes128cfb", "-a", SRK_ATTRIBUTES,
                 "-c", "srk.ctx")
        self.run("tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", SRK)
        self.forget()
        self.ek, self.srk = self.public(EK), self.public(SRK)

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.short)

    def file(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as f:
                f.write(content)
        with open(path, "rb") as f:
            return f.read()

    def run(self, *words):
        done = subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True)
        if done.returncode:
            raise AssertionError(f"{' '.join(words)}: {done.stderr.decode()}")
        return done.stdout

    def forget(self):
        """A software TPM has three places for objects."""
        for what in ("-t", "-l", "-s"):
            self.run("tpm2_flushcontext", what)

    def public(self, handle):
        self.run("tpm2_readpublic", "-c", handle, "-f", "tss", "-o", "public")
        return base64.b64encode(self.file("public")).decode()

    def take_key(self, authentication_key):
        """Unwraps the service's key and keeps it: TPM2_ActivateCredential, TPM2_Import, TPM2_Load."""
        credential, secret, private, seed, public, _ = split_blob(base64.b64decode(authentication_key))
        self.file("credential", CREDENTIAL_HEADER + credential + secret)
        self.file("duplicate", private)
        self.file("seed", seed)
        self.file("key.pub", public)
        self.run("tpm2_startauthsession", "--policy-session", "-S", "session")
        self.run("tpm2_policysecret", "-S", "session", "-c", "e")
        self.run("tpm2_activatecredential", "-c", SRK, "-C", EK, "-i", "credential", "-o", "inner", "-P", "session:session")
        self.forget()
        self.run("tpm2_import", "-C", SRK, "-i", "duplicate", "-u", "key.pub", "-s", "seed", "-k", "inner", "-r", "key.priv")
        self.run("tpm2_load", "-C", SRK, "-u", "key.pub", "-r", "key.priv", "-c", "key.ctx")
        self.run("tpm2_flushcontext", "-t")

    def sign(self, text):
        """HMAC-SHA256 by the key that was taken last."""
        self.file("text", text.encode())
        self.run("tpm2_hmac", "-c", "key.ctx", "-o", "mac", "text")
        self.run("tpm2_flushcontext", "-t")
        return self.file("mac")
