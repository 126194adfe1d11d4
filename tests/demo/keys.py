# SPDX-License-Identifier: Apache-2.0
"""The demo's second part: the CA's key in a token that is pulled in mid-run, and a production line whose key and count are in the
station's TPM. Each is a small factory of its own, made anew every time."""
import datetime
import json


def say(text):
    print(text, flush=True)


def tray(factory, line, serials, nth=1):
    """The verdicts of units that are plugged in at once and pulled together."""
    for port, serial in enumerate(serials, 1):
        factory.plug(serial, port)
    ends = [line.wait_verdict("%02d" % port, 120, nth=nth) for port in range(1, len(serials) + 1)]
    factory.unplug_all()
    for port in range(1, len(serials) + 1):
        line.wait_empty("%02d" % port)
    for serial, end in zip(serials, ends):
        say("  %-8s %s" % (serial, ("%s %s  %s" % (end["verdict"], end["code"], end["sentence"] if end["code"] else "")).strip()))
    return [(end["verdict"], end["code"]) for end in ends]


def on_a_token():
    """What was wrong, as text."""
    from custody import Token
    from factory import Factory
    say("\nThe CA's key on a PKCS#11 token (SoftHSM2 behind p11-kit's server), which is pulled in mid-run:")
    with Factory(devices=4, slots=2, custody=Token) as factory:
        line = factory.start_line()
        got = tray(factory, line, ["SIM0001", "SIM0002"])
        factory.custody.pull()
        say("  -- the token is pulled")
        got += tray(factory, line, ["SIM0003", "SIM0004"], nth=2)
        factory.custody.put_back()
        say("  -- the token is back; the units are plugged in again")
        got += tray(factory, line, ["SIM0003", "SIM0004"], nth=3)
        line.stop()
        intents = [e["body"]["serial"] for e in factory.ledger_entries() if e["type"] == "sign.intent"]
    wanted = [("PASS", "")] * 2 + [("HOLD", "E-CA-010")] * 2 + [("PASS", "")] * 2
    say("  %d units, %d identities" % (4, len(set(intents))))
    return [] if got == wanted and len(intents) == len(set(intents)) == 4 else ["the token: %s, %d identities" % (got, len(intents))]


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y-%m-%d")


def sign_order(factory, number, count):
    """An order that two have signed, each with a key of his own."""
    path = factory.dir / "orders" / (number + ".json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"order": number, "product": "gateway", "profile": "demo", "count": count}))
    signed = path.with_suffix(".order")
    factory.verb("order", "make", path, "--config", factory.config, "--out", signed, "--from", day(-1), "--until", day(1))
    for who in ("owner", "quality"):
        factory.verb("order", "sign", signed, "--key", factory.dir / ("secrets/order-" + who), "--name", who, "--passphrase",
                     "file:%s/secrets/passphrase" % factory.dir)


def in_the_tpm():
    from custody import Tpm
    from factory import Factory

    class Production(Tpm):
        floor = Tpm.floor + "production = yes\n[lots]\norders = {place}/orders\nhandover = {place}/handover\nrequired = yes\n"

    say("\nA production line: the CA's key and the count in the station's TPM (swtpm), an order of two that two people have signed:")
    with Factory(devices=3, slots=3, custody=Production) as factory:
        factory.clock = (True, 0)
        sign_order(factory, "WO-1", 2)
        line = factory.start_line()
        factory.verb("lot", "open", "--config", factory.config, "WO-1")
        got = tray(factory, line, ["SIM0001", "SIM0002", "SIM0003"])
        left = factory.ask_line(do="lot")["lot"]["signer"]
        line.stop()
    say("  the signer has counted %(used)d of %(allowed)d" % left)
    passed = sum(verdict == "PASS" for verdict, _ in got)
    refused = [code for verdict, code in got if verdict != "PASS"]
    return [] if (passed, refused, left["used"]) == (2, ["E-LOT-006"], 2) else ["the TPM: %s" % got]
