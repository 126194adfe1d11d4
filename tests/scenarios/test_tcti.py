#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tpm2-tools at a unit on the bus through libtss2-tcti-station.so, beside the same tools at the same TPM's own socket."""
import contextlib
import ctypes
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import BenchError, Factory, built, wait_until  # noqa: E402
from sim import sanitizer_of  # noqa: E402

LIBRARY = "drivers/libtss2-tcti-station.so"
CERTIFICATE = "0x01c00002"
PATIENCE_S = 60     # far beyond what any of these takes: who waits as long hangs


class Tools:
    """tpm2-tools at one TPM, with a directory for their files."""

    def __init__(self, factory, tcti, name):
        self.factory, self.tcti = factory, tcti
        self.place = factory.dir / name
        self.place.mkdir()
        self.env = {"TPM2TOOLS_TCTI": tcti, "LD_LIBRARY_PATH": pathlib.Path(built(LIBRARY)).parent}

    def asked(self, *words):
        """Exit status and output."""
        return self.factory.run(words, env=self.env, cwd=self.place, timeout_s=PATIENCE_S)

    def __call__(self, *words):
        status, output = self.asked(*words)
        if status != 0:
            raise BenchError("%s at %s: exit status %s\n%s" % (" ".join(words), self.tcti, status, output))
        return output

    def file(self, name):
        return (self.place / name).read_bytes()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.factory = Factory(devices=4)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.factory.close()

    def tearDown(self):
        self.factory.unplug_all()


class WithTools(Case):
    @classmethod
    def setUpClass(cls):
        if sanitizer_of(built(LIBRARY)):
            raise unittest.SkipTest("tpm2-tools do not end with a sanitizer's library in front of them, whatever TPM they speak to")
        super().setUpClass()

    def tools(self, config="", tcti=None):
        type(self).count += 1
        return Tools(self.factory, tcti or "station" + (":" + config if config else ""), "tools-%d" % self.count)

    def at_its_socket(self, serial):
        """The same tools at the TPM of a unit that is not plugged in."""
        return self.tools(tcti="swtpm:path=%s" % self.enterContext(self.factory.swtpm(serial)))

    def facts(self, tools):
        """What a TPM is, and shows at any time."""
        said = [tools("tpm2_getcap", what) for what in ("properties-fixed", "algorithms", "ecc-curves", "handles-persistent")]
        said.append(tools("tpm2_readpublic", "-c", "0x81010001", "-o", "ek.pub"))
        tools("tpm2_nvread", CERTIFICATE, "-o", "ek.crt")
        return said, tools.file("ek.pub"), tools.file("ek.crt")

    def refused(self, tools, *words):
        status, output = tools.asked("tpm2_getcap", "properties-fixed")
        self.assertNotEqual(status, 0, output)
        for word in words:
            self.assertIn(word, output)

    # --- what comes through

    def test_tools_say_the_same_as_at_the_tpms_own_socket(self):
        self.factory.plug("SIM0001", 1)
        through = self.facts(self.tools())
        self.factory.unplug("SIM0001")
        self.assertEqual(through, self.facts(self.at_its_socket("SIM0001")))
        self.assertIn("IBM", through[0][0])
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text"], input=through[2], capture_output=True, check=True)
        self.assertIn(b"Public Key Algorithm: rsaEncryption", text.stdout)

    def test_a_key_is_made_loaded_and_certified_as_one_that_openssl_believes(self):
        """Three objects in a TPM that holds three: each tool leaves what it made, and who does not flush runs out of room."""
        self.factory.plug("SIM0001", 1)
        tools = self.tools("serial=SIM0001")
        tools("tpm2_createprimary", "-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-a",
              "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda", "-c", "ak.ctx")
        tools("tpm2_readpublic", "-c", "ak.ctx", "-f", "pem", "-o", "ak.pem")
        tools("tpm2_flushcontext", "-t")
        tools("tpm2_createprimary", "-C", "o", "-c", "parent.ctx")
        tools("tpm2_flushcontext", "-t")
        tools("tpm2_create", "-C", "parent.ctx", "-G", "ecc256", "-u", "key.pub", "-r", "key.priv")
        tools("tpm2_flushcontext", "-t")
        tools("tpm2_load", "-C", "parent.ctx", "-u", "key.pub", "-r", "key.priv", "-c", "key.ctx")
        tools("tpm2_flushcontext", "-t")
        tools("tpm2_certify", "-c", "key.ctx", "-C", "ak.ctx", "-g", "sha256", "-o", "attest", "-s", "signature", "-f", "plain")
        tools("tpm2_flushcontext", "-t")
        self.assertEqual(tools("tpm2_getcap", "handles-transient").strip(), "")
        said = subprocess.run(["openssl", "dgst", "-sha256", "-verify", "ak.pem", "-signature", "signature", "attest"], cwd=tools.place,
                              capture_output=True, text=True)
        self.assertIn("Verified OK", said.stdout)
        self.assertEqual(tools.file("attest")[:4], bytes.fromhex("ff544347"))

    # --- which unit

    def test_each_of_two_units_is_found_by_its_serial_number_and_by_its_port(self):
        own = {serial: self.facts(self.at_its_socket(serial)) for serial in ("SIM0001", "SIM0002")}
        self.assertNotEqual(own["SIM0001"], own["SIM0002"])
        self.doCleanups()   # the sockets
        self.factory.plug("SIM0001", 1)
        self.factory.plug("SIM0002", 2)
        printed = self.factory.verb("devices")
        for n, serial in ((1, "SIM0001"), (2, "SIM0002")):
            port = self.factory.slot_port(n)
            self.assertRegex(printed, r"port = %s +\S+ +%s" % (port, serial))
            for config in ("serial=" + serial, "port=" + port, port):
                self.assertEqual(self.facts(self.tools(config)), own[serial], config)

    def test_who_does_not_say_which_of_two_units_is_told_how(self):
        self.factory.plug("SIM0001", 1)
        self.factory.plug("SIM0002", 2)
        self.refused(self.tools(), "E-CFG-003", "2 such units", "serial=")

    def test_a_unit_that_is_not_there_is_not_found(self):
        self.refused(self.tools(), "E-USB-002")
        self.factory.plug("SIM0001", 1)
        self.refused(self.tools("serial=SIM0002"), "E-USB-002", "serial=SIM0002")
        self.refused(self.tools("port=" + self.factory.slot_port(2)), "E-USB-002")

    def test_a_configuration_of_another_form_is_refused(self):
        self.factory.plug("SIM0001", 1)
        self.refused(self.tools("colour=red"), "E-CFG-003", "port=PORT")

    # --- beside the line

    def test_a_unit_is_the_lines_while_it_works_on_it_and_the_tools_afterwards(self):
        line = self.factory.start_line()
        tools = self.tools("serial=SIM0003")
        self.factory.knob("SIM0003", "delay_ms", 200)
        self.factory.plug("SIM0003", 3)
        line.wait(lambda: any(s["stage"] == "read-key" for s in line.slots("03")), 30, "read-key")
        self.refused(tools, "E-USB-010", "another program has it")
        self.factory.knob("SIM0003", "delay_ms", 0)
        self.assertEqual(line.wait_verdict("03")["verdict"], "PASS")
        self.assertIn("0x81000200", tools("tpm2_getcap", "handles-persistent"))
        status, output = tools.asked("tpm2_createprimary", "-C", "o", "-c", "key.ctx")
        self.assertNotEqual(status, 0)
        self.assertIn("E-USB-008", output)
        self.factory.unplug("SIM0003")
        self.assertEqual(line.stop(), 0)

    def test_a_unit_is_enrolled_with_whatever_a_tool_left_in_it(self):
        self.factory.plug("SIM0004", 4)
        tools = self.tools()
        for name in ("one", "two", "three"):
            tools("tpm2_createprimary", "-C", "o", "-c", name)
        self.assertEqual(tools("tpm2_getcap", "handles-transient").split(), ["-", "0x80000000", "-", "0x80000001", "-", "0x80000002"])
        line = self.factory.start_line()
        self.assertEqual(line.wait_verdict("04")["verdict"], "PASS")
        self.factory.unplug("SIM0004")
        self.assertEqual(line.stop(), 0)

    # --- a unit that goes, or is silent

    @contextlib.contextmanager
    def in_the_middle(self):
        """A tool whose command has reached a unit that will not answer it within the test's patience."""
        self.factory.plug("SIM0001", 1)
        tools = self.tools()
        self.factory.knob("SIM0001", "delay_ms", PATIENCE_S * 2000)
        before = self.factory.stats("SIM0001")["TPM"]
        process = self.factory.popen(["tpm2_getrandom", "8"], tools.place.name, env=tools.env, cwd=tools.place)
        wait_until(lambda: self.factory.stats("SIM0001")["TPM"] > before, PATIENCE_S, "a command")
        yield process
        self.factory.knob("SIM0001", "delay_ms", 0)
        if not self.factory.list()["SIM0001"]["port"]:
            self.factory.plug("SIM0001", 1)
        self.assertEqual(len(tools("tpm2_getrandom", "--hex", "8").strip()), 16)

    def test_a_unit_pulled_in_the_middle_of_a_command_ends_the_tool(self):
        with self.in_the_middle() as process:
            self.factory.unplug("SIM0001")
            self.assertNotEqual(process.wait(PATIENCE_S), 0)
            self.assertIn("E-USB-002", process.output)

    def test_a_tool_killed_in_the_middle_of_a_command_leaves_nothing_to_the_next(self):
        with self.in_the_middle() as process:
            process.kill()


class ForPrograms(Case):
    def test_every_function_does_what_the_standard_says(self):
        self.factory.plug("SIM0001", 1)
        # Python itself keeps what it has until it ends.
        env = {"ASAN_OPTIONS": "detect_leaks=0", "LD_PRELOAD": "%s %s" % (sanitizer_of(built(LIBRARY)) or "", self.factory.env()["LD_PRELOAD"])}
        status, output = self.factory.run([sys.executable, __file__, "--call", built(LIBRARY)], env=env, timeout_s=PATIENCE_S)
        self.assertEqual((status, output.strip()), (0, "called"))

    def test_the_library_shows_one_symbol(self):
        said = subprocess.run(["nm", "-D", "--defined-only", built(LIBRARY)], capture_output=True, text=True, check=True).stdout
        self.assertEqual([line.split()[-1] for line in said.splitlines()], ["Tss2_Tcti_Info"])


# --- a program of another language, which loads the library by itself

TCTI = 0xa << 16    # TSS2_TCTI_RC_LAYER
NOT_IMPLEMENTED, BAD_CONTEXT, BAD_REFERENCE, BAD_SEQUENCE, TRY_AGAIN, BAD_VALUE, INSUFFICIENT_BUFFER = (
    TCTI | n for n in (2, 3, 5, 7, 9, 11, 6))
BLOCK = -1
GET_RANDOM = bytes.fromhex("8001 0000000c 0000017b 0008")


class Context(ctypes.Structure):
    """TSS2_TCTI_CONTEXT_COMMON_V2."""
    C, P, R = ctypes.c_void_p, ctypes.POINTER, ctypes.c_uint32
    _fields_ = [("magic", ctypes.c_uint64), ("version", ctypes.c_uint32),
                ("transmit", ctypes.CFUNCTYPE(R, C, ctypes.c_size_t, ctypes.c_char_p)),
                ("receive", ctypes.CFUNCTYPE(R, C, P(ctypes.c_size_t), ctypes.c_char_p, ctypes.c_int32)),
                ("finalize", ctypes.CFUNCTYPE(None, C)), ("cancel", ctypes.CFUNCTYPE(R, C)),
                ("poll_handles", ctypes.CFUNCTYPE(R, C, C, C)), ("set_locality", ctypes.CFUNCTYPE(R, C, ctypes.c_uint8)),
                ("make_sticky", ctypes.CFUNCTYPE(R, C, C, ctypes.c_uint8))]


class Info(ctypes.Structure):
    """TSS2_TCTI_INFO."""
    _fields_ = [("version", ctypes.c_uint32), ("name", ctypes.c_char_p), ("description", ctypes.c_char_p), ("help", ctypes.c_char_p),
                ("init", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_char_p))]


def call(library):
    """The functions of the library, in an order that a program may call them in, and in orders that it may not."""
    def same(got, wanted):
        if got != wanted:
            raise AssertionError("%r, not %r" % (got, wanted))
    info = ctypes.CDLL(library).Tss2_Tcti_Info
    info.restype = ctypes.POINTER(Info)
    info = info().contents
    same(info.name, b"station")
    size = ctypes.c_size_t(0)
    same(info.init(None, None, None), BAD_REFERENCE)
    same(info.init(None, ctypes.byref(size), None), 0)
    memory = ctypes.create_string_buffer(size.value)
    small = ctypes.c_size_t(size.value - 1)
    same(info.init(memory, ctypes.byref(small), None), INSUFFICIENT_BUFFER)
    same(info.init(memory, ctypes.byref(size), None), 0)
    at = ctypes.cast(memory, ctypes.c_void_p)
    c = Context.from_buffer(memory)
    same(c.version, 2)
    answer, room = ctypes.create_string_buffer(4096), ctypes.c_size_t(4096)

    def receive(into=answer, size=4096, timeout=BLOCK):
        room.value = size
        return c.receive(at, ctypes.byref(room), into, timeout)

    same(c.receive(at, None, answer, BLOCK), BAD_REFERENCE)
    same(receive(), BAD_SEQUENCE)
    same(c.cancel(at), BAD_SEQUENCE)
    same(c.transmit(at, 4, GET_RANDOM), BAD_VALUE)
    same(c.transmit(at, len(GET_RANDOM), None), BAD_VALUE)
    same(c.transmit(at, len(GET_RANDOM), GET_RANDOM), 0)
    same(c.transmit(at, len(GET_RANDOM), GET_RANDOM), BAD_SEQUENCE)
    same(receive(timeout=-2), BAD_VALUE)
    same((receive(into=None, size=0), room.value), (0, 20))
    same((receive(size=19), room.value), (INSUFFICIENT_BUFFER, 20))
    same((receive(), room.value, answer.raw[:10].hex()), (0, 20, "80010000001400000000"))
    same(receive(), BAD_SEQUENCE)
    # Who does not want to wait is not made to, and has the answer in the end.
    same(c.transmit(at, len(GET_RANDOM), GET_RANDOM), 0)
    said = receive(timeout=0)
    while said == TRY_AGAIN:
        said = receive(timeout=0)
    same((said, room.value), (0, 20))
    # After a cancelled command the next one has its own answer.
    same(c.transmit(at, len(GET_RANDOM), GET_RANDOM), 0)
    same(c.cancel(at), 0)
    same(c.transmit(at, len(GET_RANDOM), GET_RANDOM), 0)
    same((receive(), room.value), (0, 20))
    same(c.poll_handles(at, None, ctypes.byref(room)), NOT_IMPLEMENTED)
    same(c.set_locality(at, 1), NOT_IMPLEMENTED)
    same(c.make_sticky(at, None, 1), NOT_IMPLEMENTED)
    # What the structure's members were, for they will be zero.
    transmit, finalize = (type(f)(ctypes.cast(f, ctypes.c_void_p).value) for f in (c.transmit, c.finalize))
    finalize(at)
    same(memory.raw, bytes(len(memory)))
    same(transmit(at, len(GET_RANDOM), GET_RANDOM), BAD_CONTEXT)
    finalize(at)
    # A second time in the same process: the bus is still seen.
    same(info.init(memory, ctypes.byref(size), b"serial=SIM0001"), 0)
    c.finalize(at)
    print("called")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        call(sys.argv[2])
    else:
        unittest.main(verbosity=2)
