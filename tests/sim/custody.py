# SPDX-License-Identifier: Apache-2.0
"""Where a factory's CA key lives when it is not a file: a SoftHSM2 token behind `p11-kit server`.

    with Factory(custody=Token) as factory:
        factory.custody.pull()          # the token is gone, with what serves it
        factory.custody.put_back()

What an engineer does at the ceremony is done by the token's own tools: the key of the line CA is put into it, and its file removed.
"""
import os
import pathlib
import signal
import subprocess

PIN = "271828"
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

    def take_key(self, factory):
        """The line CA's key leaves its file for the token."""
        (self.dir / "tokens").mkdir(parents=True)
        (self.dir / "softhsm2.conf").write_text("directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n" % self.dir)
        factory.secret("token-pin", PIN)
        plain, key = self.dir / "plain.pem", factory.dir / "ca/line.key"
        self.tool("openssl", "pkey", "-in", key, "-passin", "file:%s/secrets/passphrase" % factory.dir, "-out", plain)
        self.tool("softhsm2-util", "--init-token", "--free", "--label", "station", "--pin", PIN, "--so-pin", "314159")
        self.tool("softhsm2-util", "--import", plain, "--token", "station", "--label", "line-ca", "--id", "01", "--pin", PIN)
        plain.unlink()
        key.unlink()
        self.put_back()

    @property
    def env(self):
        clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        return dict(clean, SOFTHSM2_CONF=str(self.dir / "softhsm2.conf"))

    def tool(self, *words):
        subprocess.run([str(w) for w in words], env=self.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def put_back(self):
        from sim import wait_until
        socket = self.dir / "p11.sock"
        socket.unlink(missing_ok=True)
        self.server = subprocess.Popen(["p11-kit", "server", "-f", "-n", socket, "-p", MODULE, "pkcs11:"], env=self.env,
                                       stdout=subprocess.DEVNULL, start_new_session=True)
        wait_until(socket.exists, 20, "p11-kit server")

    def pull(self):
        if self.server:
            os.killpg(self.server.pid, signal.SIGKILL)  # with the processes that serve who is connected
            self.server.wait()
            self.server = None

    close = pull
