"""Runs the vectors in gm-codec/vectors (but fingerprint.json, which is of gm-codec's own payloads) against
gm_wire.py, both ways where a vector has a meaning.

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
    if "to" in text:
        return wire.datagram_to(node(text["to"]))
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


def nodes(texts):
    return [node(text) for text in texts]


def there(**fields):
    """The fields without those that are not there: what is none, false, or a list of nothing."""
    return {name: value for name, value in fields.items() if value not in (None, []) and value is not False}


def header(text):
    origin, receipts = text["origin"], text["receipts"]
    return there(
        direct=text["direct"],
        sender=node(text["sender"]),
        origin=origin and {"node": node(origin["node"]), "epoch": unhex(origin["epoch"])},
        sequence=text["sequence"] and int(text["sequence"]),
        multicast=text["multicast"] and int(text["multicast"]),
        island=node(text["island"]),
        heard=nodes(text["heard"]),
        lost=nodes(text["lost"]),
        list=nodes(text["list"]),
        receipts=receipts and (int(receipts["within_millis"]), 2 * receipts["durable"] + receipts["again"]),
        sections=[{"kind": int(kind), "bytes": unhex(data)} for kind, data in text["sections"]],
    )


def body(text):
    """A body's name in JSON is its only field, but for the groups' and the applications'."""
    if "application" in text:
        return {"tag": 2, "application": text["application"], "bytes": unhex(text["bytes"])}
    if "group" in text:
        return {"tag": 1, "group": text["group"], "parts": [part(entry) for entry in text["parts"]]}
    ((name, inner),) = text.items()
    tag, fields = BODIES[name]
    return {"tag": tag, **fields(inner)}


def version(numbers):
    life, gone, clock = numbers
    return int(life), gone, int(clock)


def part(text):
    if "eviction" in text:
        (life, gone, clock), least = version(text["greatest"]), version(text["least"])
        greatest = {"incarnation": life, "clock": clock, "gone": gone}
        return {"member": node(text["eviction"]), "kind": wire.EVICTION, "least": least, **greatest}
    common = there(
        incarnation=int(text["incarnation"]),
        opened=text["opened"] and tuple(map(int, text["opened"])),
    )
    if "increment" in text or not text["gone"]:
        common["items"] = [wire.Item(*item[:5], int(item[5])) for item in text["items"]]
    if "increment" in text:
        common |= {"since": int(text["since"]), "clock": int(text["upto"]), "digest": unhex(text["digest"])}
        return {"member": node(text["increment"]), "kind": wire.INCREMENT, **common}
    kind = wire.FORGOTTEN if text["gone"] else wire.RECORD
    common |= {"clock": int(text["clock"]), "floor": int(text["floor"])}
    return {"member": node(text["record"]), "kind": kind, **common}


def peers(text):
    islands = [{"label": node(label), "nodes": nodes(others)} for label, others in text["islands"]]
    return {"ask": text["wanted"], "islands": islands, "others": nodes(text["others"])}


def receipt(text):
    answer = text["answer"]
    broadcast = {"node": node(text["origin"]), "epoch": unhex(text["epoch"]), "sequence": int(text["sequence"])}
    if isinstance(answer, str):
        return {**broadcast, "code": {"have": 0, "send me": 1, "accepted": 3}[answer]}
    counts = {name: int(answer[name]) for name in ("delivered", "refused", "missing")}
    flags = there(final=answer["final"], again=answer["again"])
    return {**broadcast, "code": 2, **flags, **counts, "names": nodes(answer["names"])}


def gap(text):
    runs = [(int(first), int(last)) for first, last in text["runs"]]
    runs = [{"first": first, "more": last - first} for first, last in runs]
    return {"node": node(text["node"]), "epoch": unhex(text["epoch"]), "runs": runs}


def repeat(text):
    start = {"node": node(text["node"]), "epoch": unhex(text["epoch"])}
    return {**start, "number": int(text["number"]), "payload": unhex(text["payload"])}


def fingerprints(text):
    def group(name, code):
        if "held" in code:
            return {"group": name, "held": True, "fingerprint": unhex(code["held"])}
        return {"group": name, "held": False, "node": node(code["known"])}

    bounds = there(answer=text["answer"], after=text["after"], until=text["until"])
    return {**bounds, "groups": [group(*entry) for entry in text["groups"]]}


def buckets(text):
    def parent(index, children):
        there = {child: unhex(data) for child, data in enumerate(children) if data is not None}
        return {"index": int(index), "children": there}

    return {"group": text["group"], "level": text["level"], "parents": [parent(*entry) for entry in text["parents"]]}


def versions(text):
    def version(member, of):
        if of is None:
            return {"member": node(member), "code": 2}
        life = {"incarnation": int(of["incarnation"]), "clock": int(of["clock"])}
        digest = there(digest=of["digest"] and unhex(of["digest"]))
        return {"member": node(member), "code": int(of["gone"]), **life, **digest}

    whole = {}
    if text["buckets"]:
        level, indexes = text["buckets"]
        whole = {"whole": True, "level": level, "buckets": [{"index": int(index)} for index in indexes]}
    start = {"group": text["group"], **there(digests=text["digests"]), **whole}
    return {**start, "versions": [version(*entry) for entry in text["versions"]]}


def requests(text):
    def request(member, of):
        life = of and {"incarnation": int(of[0]), "clock": int(of[1])}
        return {"member": node(member), **(life or {})}

    return {"group": text["group"], "requests": [request(*entry) for entry in text["requests"]]}


BODIES = {
    "notice": (3, dict),
    "peers": (4, peers),
    "receipt": (5, receipt),
    "gaps": (6, lambda text: {"nodes": [gap(entry) for entry in text]}),
    "repeat": (7, repeat),
    "root": (8, lambda text: {"answer": text["answer"], "root": unhex(text["root"])}),
    "fingerprints": (9, fingerprints),
    "buckets": (10, buckets),
    "versions": (11, versions),
    "requests": (12, requests),
}


def payloads(count, file):
    for vector in file["payloads"]:
        data, text = unhex(vector["bytes"]), vector["payload"]
        what = vector.get("what", vector["bytes"])
        meaning = header(text["header"]), body(text["body"])
        count.same(what, outcome(lambda: wire.decode_payload(data)), meaning)
        count.same(f"{what}, made", outcome(lambda: wire.encode_payload(*meaning)), data)
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
