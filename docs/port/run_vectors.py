"""Runs every vector in gm-codec/vectors against gm_wire.py, both ways where a vector has a meaning.

It knows how the vectors are spelt in JSON; it must know nothing of the format itself. The last line is
`N passed, M failed`; the exit code is 1 if anything failed or a file held nothing.
"""

import ipaddress
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import gm_wire as wire  # noqa: E402

VECTORS = Path(__file__).resolve().parents[2] / "gm-codec" / "vectors"
unhex = bytes.fromhex


class Count:
    """Checks that passed and failed."""

    def __init__(self):
        self.passed = self.failed = 0

    def same(self, what, got, wanted):
        if got == wanted:
            self.passed += 1
        else:
            self.failed += 1
            print(f"  {what}\n    wanted {short(wanted)}\n    got    {short(got)}")


def short(value):
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(text)} characters)"


def outcome(action):
    """What the action gives, or the name of its error. Any other exception is a finding too."""
    try:
        return action()
    except wire.WireError as error:
        return error.name
    except Exception as error:
        return repr(error)


# ---------------------------------------------------------------- varints


def varints(count, file):
    for vector in file["vectors"]:
        data = unhex(vector["bytes"])
        if "error" in vector:
            count.same(vector["bytes"], outcome(lambda: wire.read_varint(data)), vector["error"])
            continue
        number = int(vector["number"])
        count.same(vector["bytes"], outcome(lambda: wire.read_varint(data)), (number, len(data)))
        count.same(vector["number"], outcome(lambda: wire.varint(number)), data)


# ---------------------------------------------------------------- frames and keys


def channel(text):
    if text == "datagram":
        return wire.DATAGRAM
    from_acceptor = {"initiator": False, "acceptor": True}[text["from"]]
    number = int(text["number"])
    return wire.connection(from_acceptor, unhex(text["initiator"]), unhex(text["acceptor"]), number)


def read_frame(vector):
    keys = wire.check_keyring([unhex(key) for key in vector["keys"]])
    place = vector["cluster"], channel(vector["channel"])
    return wire.decode_frame(unhex(vector["frame"]), keys, *place)


def frames(count, file):
    for vector in file["vectors"]:
        got = outcome(lambda: read_frame(vector))
        if "error" in vector:
            count.same(vector["what"], got, vector["error"])
            continue
        nonce = (unhex(vector["epoch"]), vector["counter"]) if "epoch" in vector else None
        count.same(vector["what"], got, (unhex(vector["payload"]), nonce))
        if vector["exact"] == "both":
            count.same(f"{vector['what']}, made", outcome(lambda: make_frame(vector, nonce)), unhex(vector["frame"]))


def make_frame(vector, nonce):
    keys = [unhex(key) for key in vector["keys"]]
    place = vector["cluster"], channel(vector["channel"])
    return wire.encode_frame(unhex(vector["payload"]), keys, *place, *(nonce or ()))


def keyring(count, file):
    for vector in file["vectors"]:
        if "id" in vector:
            count.same(vector["key"], outcome(lambda: wire.key_id(unhex(vector["key"]))), vector["id"])
            continue
        got = outcome(lambda: read_frame(vector)[0])
        count.same(vector["what"], got, vector["error"] if "error" in vector else unhex(vector["payload"]))


def replay(count, file):
    for vector in file["vectors"]:
        window = wire.Window(vector["epochs"])
        got = [[epoch, counter, window.judge(epoch, counter)] for epoch, counter, _ in vector["steps"]]
        count.same(vector["what"], got, vector["steps"])


# ---------------------------------------------------------------- payloads


def node(text):
    if text is None:
        return None
    address, port = text.rsplit(":", 1)
    address = ipaddress.ip_address(address.strip("[]"))
    return wire.NetId(address.version, int(address), int(port))


def header(text):
    origin = text["origin"] and (node(text["origin"]["node"]), unhex(text["origin"]["epoch"]))
    return {
        "sender": node(text["sender"]),
        "origin": origin,
        "sequence": int(text["sequence"]),
        "multicast": None if text["multicast"] is None else int(text["multicast"]),
        "receipts": text["receipts"],
        "island": node(text["island"]),
        **{name: [node(entry) for entry in text[name]] for name in ("heard", "lost", "list")},
    }


def body(text):
    if "application" in text:
        return {"application": text["application"], "bytes": unhex(text["bytes"])}
    return {"group": text["group"], "parts": [part(entry) for entry in text["parts"]]}


def part(text):
    common = {
        "incarnation": int(text["incarnation"]),
        "opened": text["opened"] and tuple(map(int, text["opened"])),
        "items": [wire.Item(*item[:5], int(item[5])) for item in text["items"]],
    }
    if "increment" in text:
        common |= {"since": int(text["since"]), "clock": int(text["upto"]), "digest": unhex(text["digest"])}
        return {"member": node(text["increment"]), "kind": wire.INCREMENT, **common}
    kind = wire.FORGOTTEN if text["gone"] else wire.RECORD
    common |= {"clock": int(text["clock"]), "floor": int(text["floor"])}
    return {"member": node(text["record"]), "kind": kind, **common}


def payloads(count, file):
    for vector in file["payloads"]:
        data, text = unhex(vector["bytes"]), vector["payload"]
        meaning = header(text["header"]), body(text["body"])
        count.same(vector["bytes"], outcome(lambda: wire.decode_payload(data)), meaning)
        count.same(f"{vector['bytes']}, made", outcome(lambda: wire.encode_payload(*meaning)), data)
    for vector in file["malformed"]:
        got = outcome(lambda: wire.decode_payload(unhex(vector["bytes"])))
        count.same(vector["what"], got, vector["error"])


def main():
    passed = failed = 0
    for run in (varints, frames, keyring, replay, payloads):
        count = Count()
        run(count, json.loads((VECTORS / f"{run.__name__}.json").read_text(encoding="utf-8")))
        ran = count.passed + count.failed
        print(f"{run.__name__ + '.json':<14} {ran:>5} checks, {count.failed} failed")
        passed, failed = passed + count.passed, failed + count.failed + (ran == 0)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
