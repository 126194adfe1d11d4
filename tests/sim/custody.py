# SPDX-License-Identifier: Apache-2.0
"""Where a factory's CA key lives when it is not a file: a SoftHSM2 token behind `p11-kit server`, or a software TPM.

    with Factory(custody=Token) as factory:
        factory.custody.pull()          # the token is gone, with what serves it
        factory.custody.put_back()

What an engineer does at the ceremony is done by the token's own tools: the key of the line CA is put into it, and its file removed.
"""
import os
import pathlib
import signal
import subprocess

PIN = "no-word-271828"      # nothing else in a factory says this
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


class Token:
    key = "pkcs11:token=station;object=line-ca"
    floor = """
[custody]
pin = file:{place}/secrets/token-pin
token_socket = {place}/token/p11.sock
"""

    def __init__(self, place):
        self.dir = pathlib.Path(place) / "token"
        self.server = None

    def take_key(self, factory, keep=False):
        """The line CA's key leaves its file for the token."""
        (self.dir / "tokens").mkdir(parents=True)
        (self.dir / "softhsm2.conf").write_text("directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n" % self.dir)
        factory.secret("token-pin", PIN)
        plain, key = self.dir / "plain.pem", factory.dir / "ca/line.key"
        self.tool("openssl", "pkey", "-in", key, "-passin", "file:%s/secrets/passphrase" % factory.dir, "-out", plain)
        self.tool("softhsm2-util", "--init-token", "--free", "--label", "station", "--pin", PIN, "--so-pin", "314159")
        self.tool("softhsm2-util", "--import", plain, "--token", "station", "--label", "line-ca", "--id", "01", "--pin", PIN)
        plain.unlink()
        if not keep:
            key.unlink()
        self.put_back()

    @property
    def env(self):
        clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        return dict(clean, SOFTHSM2_CONF=str(self.dir / "softhsm2.conf"))

    def tool(self, *words):
        subprocess.run([str(w) for w in words], env=self.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def put_back(self):
        from sim import listens, wait_until
        socket = self.dir / "p11.sock"
        socket.unlink(missing_ok=True)
        self.server = subprocess.Popen(["p11-kit", "server", "-f", "-n", socket, "-p", MODULE, "pkcs11:"], env=self.env,
                                       stdout=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: listens(socket), 20, "p11-kit server")

    def pull(self):
        if self.server:
            os.killpg(self.server.pid, signal.SIGKILL)  # with the processes that serve who is connected
            self.server.wait()
            self.server = None

    close = pull


class Tpm:
    """The CA's key and the anchor of the count in the station's own TPM. `limit`: how often it may sign."""
    key = "tpm:handle=0x81010010"
    limit = None
    floor = """
[custody]
tcti = swtpm:path={place}/own-tpm/socket
pin = file:{place}/secrets/tpm-value
anchor = tpm:nv=0x01800010
lease = 4
order_key_1 = {place}/owner.vkey
order_key_2 = {place}/quality.vkey
"""

    def __init__(self, place):
        self.dir = pathlib.Path(place) / "own-tpm"
        self.server = None

    def take_key(self, factory):
        """Key, counter and their certificate, made as at the ceremony."""
        secret = lambda name: "file:%s/secrets/%s" % (factory.dir, name)
        self.dir.mkdir()
        factory.secret("tpm-value", "a value of the station")
        factory.secret("tpm-owner", "a value of the brand owner")
        self.put_back()
        self.tool("tpm2_changeauth", "-c", "owner", "a value of the brand owner")
        (factory.dir / "ca/line.key").unlink()
        for name in ("owner", "quality"):
            said = factory.verb("order", "key", name, "--out", factory.dir / ("secrets/order-" + name), "--passphrase", secret("passphrase"))
            (factory.dir / (name + ".vkey")).write_text(next(text for text in said.splitlines() if text.startswith(name + "+")) + "\n")
        self.config = factory.write_config("engineer", "owner", "contributor", "ceremony")
        words = ("--owner", secret("tpm-owner"))
        factory.verb("custody", "make-key", "--config", self.config, *words, *(("--limit", self.limit) if self.limit else ()))
        self.certify(factory)
        if "anchor = " in self.floor:
            factory.verb("custody", "make-anchor", "--config", self.config, *words)
            self.begin(factory)

    def begin(self, factory):
        """Two people tie the count to the anchor."""
        if not (factory.dir / "ceremony.json").exists():
            self.config.write_text(self.config.read_text() + "[people]\nfile = %s/ceremony.json\n" % factory.dir)
            factory.verb("people", "init", "--config", self.config)
            for n in "12":
                subprocess.run([factory.station, "people", "add", "--config", self.config, "--name", "Keeper " + n, "--role", "lead"],
                               input="BADGE:keeper-%s\n27182%s\n" % (n, n), text=True, check=True, stdout=subprocess.DEVNULL)
        factory.secret("two", "".join("BADGE:keeper-%s\n27182%s\n" % (n, n) for n in "12"))
        factory.verb("custody", "init", "--config", self.config, "--badge", factory.dir / "secrets/two")

    def certify(self, factory):
        """The root signs a certificate for the key in the TPM."""
        ca, vault = factory.dir / "ca", factory.dir / "vault"
        (self.dir / "line.csr").write_text(factory.verb("ca", "csr", "--config", self.config, "--name", "Demo TPM Line CA"))
        (self.dir / "ids.ext").write_text("subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n")
        self.tool("openssl", "x509", "-req", "-extfile", self.dir / "ids.ext", "-in", self.dir / "line.csr", "-copy_extensions", "copyall", "-CA", ca / "root.pem", "-CAkey",
                  vault / "root.key", "-passin", "file:%s/secrets/passphrase" % factory.dir, "-days", "4380", "-out", ca / "line.pem")
        (ca / "chain.pem").write_text((ca / "line.pem").read_text() + (ca / "root.pem").read_text())

    @property
    def env(self):
        clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        return dict(clean, TPM2TOOLS_TCTI="swtpm:path=%s/socket" % self.dir)

    tool = Token.tool

    def put_back(self):
        from sim import listens, wait_until
        for name in ("socket", "socket.ctrl"):
            (self.dir / name).unlink(missing_ok=True)
        state = self.dir / "state"
        state.mkdir(exist_ok=True)
        self.server = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", "dir=%s" % state, "--server",
                                        "type=unixio,path=%s/socket" % self.dir, "--ctrl", "type=unixio,path=%s/socket.ctrl" % self.dir,
                                        "--flags", "startup-clear"], env=self.env, stdout=subprocess.DEVNULL, start_new_session=True)
        wait_until(lambda: (self.dir / "socket").exists() and listens(self.dir / "socket.ctrl"), 20, "swtpm")
        # Sockets that listen are not yet a TPM that answers.
        asks = ["tpm2_getcap", "properties-fixed"]
        wait_until(lambda: subprocess.run(asks, env=self.env, capture_output=True).returncode == 0, 20, "swtpm to answer", 0.1)

    pull = close = Token.pull
