# SPDX-License-Identifier: Apache-2.0
"""A scenario that breaks the contract fails, although nothing else in it went wrong."""
import http.client
import json
import pathlib
import ssl
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sim"))
from factory import BenchError, Factory  # noqa: E402


def ask(factory, path, body=None):
    """One request to the service, with no rights at all."""
    port = int(factory.endpoint["url"].rsplit(":", 1)[1])
    link = http.client.HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(cafile=factory.endpoint["ca"]))
    link.request("POST", path, body and json.dumps(body), {"Content-Type": "application/json"} if body else {})
    status = link.getresponse().status
    link.close()
    return status


class Scenarios(unittest.TestCase):
    def factory(self):
        return Factory(devices=0, usb=False, prepare=False, station="none")

    def test_a_sound_request_passes_even_if_it_is_refused(self):
        with self.factory() as factory:
            self.assertEqual(ask(factory, "/enrollments/query?api-version=2021-10-01", {"query": "select * from enrollments"}), 401)

    def test_a_misspelt_member_fails_the_scenario(self):
        with self.assertRaisesRegex(BenchError, "body.Query: no such property"):
            with self.factory() as factory:
                ask(factory, "/enrollments/query?api-version=2021-10-01", {"Query": "select * from enrollments"})

    def test_a_path_that_the_api_does_not_have_fails_the_scenario(self):
        with self.assertRaisesRegex(BenchError, "the API has no such operation"):
            with self.factory() as factory:
                ask(factory, "/enrolments/query?api-version=2021-10-01")

    def test_another_failure_is_told_first(self):
        with self.assertRaisesRegex(ZeroDivisionError, "division"):
            with self.factory() as factory:
                ask(factory, "/nothing")
                print(1 / 0)


if __name__ == "__main__":
    unittest.main()
