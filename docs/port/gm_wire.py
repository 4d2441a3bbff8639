"""The wire format of gm, written from docs/WIRE.md alone: frames, keys, replay window and payloads, both ways.
It must not know the Rust sources: where the page does not say enough, the page is to be mended. It draws no random bytes
and never compresses; it takes apart what others compressed."""

import ipaddress
import zlib
from bisect import bisect_left
from collections import OrderedDict, namedtuple
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

LIMITS = {"frame": 1 << 24, "payload": 1 << 24, "nodes": 100_000, "items": 1 << 20}
FIRST_FRAME = 4096
LAST, CEILING, TOP = (1 << 32) - 1, (1 << 62) - 1, (1 << 64) - 1

class WireError(Exception):
    """What is wrong, by the name that the page gives it."""
    name = property(lambda self: self.args[0])

def refuse(name, when=True):
    if when:
        raise WireError(name)

# varints
def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))

def read_varint(data, at=0, what=""):
    """The number at `at`, and where it ends. `what` begins the names of its errors."""
    number = 0
    for count in range(10):  # the tenth byte is the last, or is refused
        refuse("Truncated", at + count >= len(data))
        byte = data[at + count]
        refuse(what + "TooLarge", count == 9 and byte > 1)
        refuse(what + "OverLong", byte == 0 and count > 0)
        number |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return number, at + count + 1

# keys and associated data
SEALED, COMPRESSED, DATAGRAM = 1, 2, b"\0"

def key_id(key):
    return ChaCha20Poly1305(key).encrypt(bytes(12), b"", b"gm key id")[0]

def check_keyring(keys):
    """The keys, the first of which seals; none at all is a node without keys, not a keyring."""
    refuse("Duplicate", len(set(keys)) < len(keys))
    refuse("Full", len(keys) > 16)
    return keys

def connection(from_acceptor, initiator, acceptor, number):
    """The place of a frame on a connection, as the associated data has it."""
    return bytes([2 if from_acceptor else 1]) + initiator + acceptor + number.to_bytes(8, "big")

def datagram_to(node):
    """The place of a datagram to one node: 3, the family, the address, the port."""
    return bytes([3, node.family]) + node.address.to_bytes(4 if node.family == 4 else 16, "big") + node.port.to_bytes(2, "big")

def longest(channel, limits):
    """Bytes of the longest frame there: the first one of a side of a connection is small."""
    is_first = channel[0] in (1, 2) and channel[-8:] == bytes(8)
    return min(limits["frame"], FIRST_FRAME) if is_first else limits["frame"]

def associated(header, cluster, channel):
    return header + bytes([len(cluster.encode())]) + cluster.encode() + channel

# frames
def encode_frame(payload, keys, cluster, channel=DATAGRAM, epoch=None, counter=None, limits=LIMITS):
    """A frame that is not compressed: sealed with the first key, or unsealed if there is none."""
    refuse("PayloadTooLong", len(payload) > limits["payload"])
    header = bytes([0x67, SEALED if keys else 0, key_id(keys[0]) if keys else 0])
    header += varint(len(payload) + (28 if keys else 4))
    refuse("FrameTooLong", len(header) + len(payload) + (28 if keys else 4) > longest(channel, limits))
    bound = associated(header, cluster, channel)
    if not keys:
        return header + payload + zlib.crc32(bound + payload).to_bytes(4, "big")
    refuse("ReservedEpoch", epoch == bytes(8))
    refuse("Exhausted", counter > LAST)
    nonce = epoch + counter.to_bytes(4, "big")
    return header + nonce + ChaCha20Poly1305(keys[0]).encrypt(nonce, payload, bound)

def read_header(data, most=LIMITS["frame"]):
    """Flags, key id, where the body begins and where it ends; refuses at the byte that decides."""
    refuse("Truncated", len(data) < 1)
    refuse("BadMagic", data[0] != 0x67)
    refuse("Truncated", len(data) < 2)
    refuse("UnknownVersion", data[1] >> 4 != 0)
    refuse("UnknownFlags", data[1] & 0b1100)
    refuse("Truncated", len(data) < 3)
    flags, key = data[1], data[2]
    refuse("KeyIdOfUnsealed", not flags & SEALED and key != 0)
    length, start = read_varint(data, 3, "Length")
    refuse("TooLong", start + length > most)
    refuse("TooShort", length < (28 if flags & SEALED else 4))
    return flags, key, start, start + length

def decode_frame(data, keys, cluster, channel=DATAGRAM, limits=LIMITS):
    """The payload, with epoch and counter of a sealed frame (else `None`)."""
    flags, key, start, end = read_header(data, longest(channel, limits))
    refuse("Truncated", len(data) < end)
    refuse("TrailingBytes", len(data) > end)
    bound, body = associated(data[:start], cluster, channel), data[start:end]
    if flags & SEALED:
        text, nonce = open_body(body, [held for held in keys if key_id(held) == key], bound)
    else:
        refuse("NotSealed", keys)
        text, nonce = body[:-4], None
        refuse("BadChecksum", zlib.crc32(bound + text).to_bytes(4, "big") != body[-4:])
    if flags & COMPRESSED:
        return decompress(text, limits), nonce
    refuse("PayloadTooLong", len(text) > limits["payload"])
    return text, nonce

def open_body(body, keys, bound):
    refuse("UnknownKey", not keys)
    nonce = body[:12]
    refuse("ReservedEpoch", nonce[:8] == bytes(8))
    for key in keys:
        with suppress(InvalidTag):
            return ChaCha20Poly1305(key).decrypt(nonce, body[12:], bound), (nonce[:8], int.from_bytes(nonce[8:], "big"))
    raise WireError("NotAuthentic")

# snappy's raw format
def decompress(block, limits=LIMITS):
    try:
        length, at = read_varint(block)
    except WireError:
        raise WireError("BadCompression") from None
    refuse("PayloadTooLong", length > limits["payload"])
    refuse("NotSmaller", length <= len(block))
    refuse("BadCompression", length > 22 * len(block))
    out = bytearray()
    while at < len(block):
        kind, size, high = block[at] & 3, block[at] >> 2, block[at] >> 5
        wide = (max(size - 59, 0), 1, 2, 4)[kind]
        number, at = int.from_bytes(block[at + 1 : at + 1 + wide], "little"), at + 1 + wide
        if kind == 0:
            end = at + (number if wide else size) + 1
            refuse("BadCompression", end > len(block))
            out += block[at:end]
            at = end
        else:
            refuse("BadCompression", at > len(block))
            offset, size = (high << 8 | number, (size & 7) + 4) if kind == 1 else (number, size + 1)
            refuse("BadCompression", not 0 < offset <= len(out))
            for _ in range(size):  # byte by byte: a copy may reach into what it makes
                out.append(out[-offset])
        refuse("BadCompression", len(out) > length)
    refuse("BadCompression", len(out) < length)
    return bytes(out)

# replay window
class Window:
    """What came, for so many epochs; the epoch whose last fresh frame is the longest ago is the first."""
    def __init__(self, epochs=4096):
        self.limit, self.epochs = epochs, OrderedDict()
    def judge(self, epoch, counter):
        highest, came = self.epochs.get(epoch, (-1, set()))
        if counter <= highest - 1024:
            return "TooOld"
        if counter in came:
            return "Replayed"
        highest = max(highest, counter)
        came = {old for old in came if old > highest - 1024} | {counter}
        self.epochs[epoch] = highest, came
        self.epochs.move_to_end(epoch)
        if len(self.epochs) > self.limit:
            self.epochs.popitem(last=False)
        return "Fresh"

# payloads: one walk for both ways
NetId = namedtuple("NetId", "family address port")  # sorts as the table does; the family is 4 or 6
Item = namedtuple("Item", "op start end port priority time")

class Walk:
    """A walk over a payload, by which it is read (with `data`) or written. Each step is given the value to write, which
    is of no matter to one that reads, and gives the value that it wrote or read; both refuse the same."""
    def __init__(self, limits, data=None):
        self.limits, self.reading, self.data, self.at, self.out = limits, data is not None, data, 0, bytearray()
        self.table, self.used, self.items = [], set(), 0
    def left(self):
        return len(self.data) - self.at if self.reading else TOP
    def take(self, value, size):
        if not self.reading:
            assert len(value) == size
            self.out += value
            return value
        refuse("Truncated", size > self.left())
        self.at += size
        return self.data[self.at - size : self.at]
    def rest(self, value):
        return self.take(value, self.left() if self.reading else len(value))
    def number(self, value, size):
        return int.from_bytes(self.take((value or 0).to_bytes(size, "big"), size), "big")
    def varint(self, value):
        if not self.reading:
            self.out += varint(value)
            return value
        number, self.at = read_varint(self.data, self.at)
        return number
    def above(self, last, value, low=0, bits=0):
        """A number above `last`: how much above, minus 1, and so many low bits of something else."""
        head = self.varint((value - last - 1) << bits | low)
        return last + 1 + (head >> bits), head & (1 << bits) - 1
    def below(self, number, value):
        return number - 1 - within(self.varint(number - 1 - value), number - 1)
    def check_count(self, count, most, least=0):
        refuse("NotCanonical", count < least)
        refuse("TooMany", count > most)
        refuse("Truncated", count > self.left())
        return count
    def name(self, value, most=255):
        written = (value or "").encode()
        size = self.varint(len(written))
        refuse("BadName", size == 0)
        try:
            name = self.take(written, self.check_count(size, most)).decode()
        except UnicodeDecodeError:
            raise WireError("NotUtf8") from None
        refuse("BadName", any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in name))
        return name
    def position(self, node):
        return 0 if self.reading else bisect_left(self.table, node)
    def entry(self, position):
        refuse("NoSuchEntry", position >= len(self.table))
        self.used.add(position)
        return self.table[position]
    def node(self, value):
        return self.entry(self.varint(self.position(value)))
    def nodes(self, value, least=0, most=None, banned=None):
        holder = {"nodes": [{"node": node} for node in value or ()]}
        for row, _ in self.rising(holder, "nodes", "node", least, most):
            refuse("NotCanonical", row["node"] == banned)
        return [row["node"] for row in holder["nodes"]]
    def flags(self, body, *names):
        """Which of the names are in the body, the first as bit 0; when reading, they will be."""
        flags = self.varint(sum((name in body) << bit for bit, name in enumerate(names)))
        refuse("UnknownFlags", flags >> len(names))
        body |= {name: body.get(name, True) for bit, name in enumerate(names) if flags >> bit & 1}
    def fill(self, body, names, optional=False):
        """Fields, each spelt as its name says. Optional ones are in the body only if its flags told so."""
        for name in names.split():
            if not optional or name in body:
                body[name] = FIELDS[name](self, None if self.reading else body[name])
        return body
    def rows(self, body, key, order, least=0, most=None, flag=None):
        """The rows of a list in their order, to be filled if they are read. `flag` has a bit below their number."""
        rows = sorted(body.get(key, ()), key=lambda row: row[order])
        count, low = self.above(-1, len(rows), body.get(flag, 0), flag is not None)
        if flag:
            body[flag] = bool(low)
        self.check_count(count, self.limits["nodes"] if most is None else most, least)
        body[key] = rows or [{} for _ in range(count)]
        return body[key]
    def rising(self, body, key, order, least=0, most=None, flag=None, bits=0, low=lambda row: 0):
        """The same of a list that is sorted by nodes, with what stood in the low bits beside each position."""
        last = -1
        for row in self.rows(body, key, order, least, most, flag):
            last, read = self.above(last, self.position(row.get(order)), low(row), bits)
            row[order] = self.entry(last)
            yield row, read
    def indexes(self, body, key):
        """The same of buckets, at the level of the body."""
        last = -1
        for row in self.rows(body, key, "index", 1):
            last = row["index"] = within(self.above(last, row.get("index", 0))[0], 16 ** body["level"] - 1)
            yield row

def within(number, most, name="OutOfRange"):
    refuse(name, number > most)
    return number

def unless(same, before, step):
    """The value before if it is `same`, else what the step gives, which must be another."""
    value = before if same else step()
    refuse("NotCanonical", not same and value == before)
    return value

# payloads: the table
def walk_table(walk, nodes):
    count4, count6 = (sum(node.family == family for node in nodes) for family in (4, 6))
    most, head = walk.limits["nodes"], walk.varint(count4 << 1 | (count6 > 0))
    count4 = within(head >> 1, most, "TooMany")
    count6 = within(walk.varint(count6) if head & 1 else 0, most, "TooMany")
    refuse("NotCanonical", head & 1 and count6 == 0)
    within(walk.check_count(count4 + count6, 2 * most), most, "TooMany")
    address, octets, port = 0, bytes(16), 0
    for node in nodes or [NetId(4, 0, 0)] * count4 + [NetId(6, 0, 0)] * count6:
        same = node.port == port
        if node.family == 4:
            head = walk.varint((node.address - address) << 1 | same)
            address = within(address + (head >> 1), LAST)
        else:
            before, now = octets, node.address.to_bytes(16, "big")
            head = walk.number(next((i for i in range(16) if now[i] != before[i]), 16) << 1 | same, 1)
            shared = within(head >> 1, 16)
            octets = before[:shared] + walk.take(now[shared:], 16 - shared)
            refuse("NotCanonical", shared < 16 and octets[shared] == before[shared])
            address = int.from_bytes(octets, "big")
        port = unless(head & 1, port, lambda: walk.number(node.port, 2))
        entry = NetId(node.family, address, port)
        refuse("BadNetId", not acceptable(entry))
        refuse("Unsorted", bool(walk.table) and entry <= walk.table[-1])
        walk.table.append(entry)

def acceptable(node):
    """Whether a NetId can have this address and port."""
    address = (ipaddress.IPv4Address if node.family == 4 else ipaddress.IPv6Address)(node.address)
    bad = node.address == LAST if node.family == 4 else address.is_link_local or node.address >> 32 == 0xFFFF
    return not (bad or node.port == 0 or address.is_unspecified or address.is_multicast)

# payloads: the header
def walk_header(walk, header):
    walk.flags(header, "origin", "multicast", "direct", "island", "heard", "lost", "list", "receipts", "sections")
    if "direct" in header:
        refuse("UnknownFlags", not header.keys().isdisjoint(("origin", "sequence", "list", "receipts")))
    else:
        header.setdefault("sequence")
    walk.fill(header, "sender")
    walk.fill(header, "origin sequence multicast island heard lost list receipts sections", True)

def walk_receipts(walk, receipts):
    """The milliseconds, and the two bits below them."""
    milliseconds, low = walk.above(-1, *(receipts or (0, 0)), 2)
    return within(milliseconds, LAST), low

def walk_sections(walk, sections):
    holder, last, total = {"sections": sections or ()}, -1, 0
    for section in walk.rows(holder, "sections", "kind", 1, 16):
        walk.fill(section, "kind")
        refuse("Unsorted", section["kind"] <= last)
        size = walk.check_count(walk.varint(len(section.get("bytes", b""))), 1024)
        last, total = section["kind"], within(total + size, 1024, "TooMany")
        section["bytes"] = walk.take(section.get("bytes"), size)
    return holder["sections"]

# payloads: groups
OPENED, RECORD, FORGOTTEN, INCREMENT, EVICTION = 4, 0, 1, 2, 3  # in a version: 0 and 1 as here
OPS = ("add", "rmv", "get")

def walk_group(walk, body):
    walk.fill(body, "group")
    low_bits = lambda part: OPENED * ("opened" in part or part.get("gone", False)) | part.get("kind", 0)
    for part, low in walk.rising(body, "parts", "member", bits=3, low=low_bits):
        walk_part(walk, part, low & 3, low & OPENED)

def walk_part(walk, part, kind, opened):
    refuse("BadRecord", kind == FORGOTTEN and opened)
    walk.fill(part, "incarnation clock")
    part["kind"], clock = kind, part["clock"]
    if kind == EVICTION:
        return walk_eviction(walk, part, bool(opened))
    if opened:
        old = part.get("opened", (0, 0))
        part["opened"] = walk.below(part["incarnation"], old[0]), walk.below(clock, old[1])
    if kind == INCREMENT:
        part["since"] = walk.below(clock, part.get("since", 0))
        walk.fill(part, "digest")
    else:
        walk.fill(part, "floor")
        refuse("BadRecord", part["floor"] > clock)
    if kind != FORGOTTEN:
        part["items"] = walk_items(walk, part.get("items", ()), clock, part.get("since", -1))

def walk_eviction(walk, part, gone):
    """The versions that the eviction covers; (incarnation, gone, clock) is the greatest, and of `least` as well."""
    life, least_gone, least_clock = part.get("least", (0, False, 0))
    life = part["incarnation"] - within(walk.varint(part["incarnation"] - life), part["incarnation"])
    least_clock, least_gone = walk.above(-1, least_clock, least_gone, 1)
    part["gone"], part["least"] = gone, (life, bool(least_gone), within(least_clock, CEILING))
    refuse("OutOfRange", part["least"] > (part["incarnation"], gone, part["clock"]))

def walk_items(walk, items, clock, since):
    count = walk.check_count(walk.varint(len(items)), walk.limits["items"])
    walk.items = within(walk.items + count, walk.limits["items"], "TooMany")
    done = [Item("add", 0, 0, 0, 1, clock)]  # what the first is told apart from
    for item in sorted(items, key=lambda item: item[1:3]) or done * count:
        done.append(walk_item(walk, item, done[-1], len(done) == 1, clock))
        refuse("BadRecord", len(done) > 2 and done[-1][1:3] <= done[-2][1:3] or done[-1].time <= since)
    return done[1:]

def walk_item(walk, new, old, first, clock):
    following, width, new_width = None if first else old.end + 1, old.end - old.start, new.end - new.start
    same = new.start == following, new_width == width, *(new[i] == old[i] for i in (3, 4, 5))
    head = walk.number(OPS.index(new.op) | sum(flag << bit for bit, flag in enumerate(same, 2)), 1)
    refuse("UnknownFlags", head & 128)
    refuse("UnknownCode", head & 3 == 3)
    refuse("OutOfRange", head & 4 and (first or old.end == LAST))
    start = unless(head & 4, following, lambda: within(old.start + walk.varint(new.start - old.start), LAST))
    end = within(start + unless(head & 8, width, lambda: walk.varint(new_width)), LAST)
    port = unless(head & 16, old.port, lambda: walk.number(new.port, 2))
    priority = unless(head & 32, old.priority, lambda: within(walk.varint(new.priority), 65535))
    refuse("OutOfRange", priority == 0)
    age = unless(head & 64, clock - old.time, lambda: within(walk.varint(clock - new.time), clock))
    return Item(OPS[head & 3], start, end, port, priority, clock - age)

# payloads: the other bodies
def walk_peers(walk, body):
    for island, _ in walk.rising(body, "islands", "label", flag="ask"):
        island["nodes"] = walk.nodes(island.get("nodes"), banned=island["label"])
    walk.fill(body, "others")

def walk_receipt(walk, body):
    walk.fill(body, "node epoch sequence code")
    if body["code"] == 2:
        walk.flags(body, "final", "again")
        walk.fill(body, "delivered refused missing")
        body["names"] = walk.nodes(body.get("names"), most=min(16, body["missing"]))

def walk_gaps(walk, body):
    for row, _ in walk.rising(body, "nodes", "node", 1):
        walk.fill(row, "epoch")
        last = -2  # so that the first run can begin at 0
        for run in walk.rows(row, "runs", "first", 1, 64):
            run["first"] = within(walk.above(last + 1, run.get("first", 0))[0], TOP)
            run["more"] = walk.varint(run.get("more"))
            last = within(run["first"] + run["more"], TOP)

def walk_fingerprints(walk, body):
    walk.flags(body, "answer", "after", "until")
    walk.fill(body, "after until", True)
    last, until = body.get("after", ""), body.get("until")
    refuse("Unsorted", until is not None and until <= last)
    for group in walk.rows(body, "groups", "group"):
        walk.fill(group, "group")
        refuse("Unsorted", group["group"] <= last or until is not None and group["group"] > until)
        walk.fill(group, "held")
        walk.fill(group, "fingerprint" if group["held"] else "node")
        last = group["group"]

def walk_buckets(walk, body):
    walk.fill(body, "group level")
    for parent in walk.indexes(body, "parents"):
        children = parent.get("children", {})
        mask = walk.number(sum(1 << child for child in children), 2)
        parent["children"] = {i: walk.take(children.get(i), 8) for i in range(16) if mask >> i & 1}

def walk_versions(walk, body):
    walk.fill(body, "group")
    walk.flags(body, "digests", "whole")
    if "whole" in body:
        walk.fill(body, "level")
        list(walk.indexes(body, "buckets"))
    for version, code in walk.rising(body, "versions", "member", bits=2, low=lambda version: version.get("code", 0)):
        version["code"] = within(code, 1 if "whole" in body else 2, "UnknownCode")
        walk.fill(version, "" if code == 2 else "incarnation clock")
        walk.fill(version, "digest" if code == RECORD and "digests" in body else "")

def walk_requests(walk, body):
    walk.fill(body, "group")
    for request, has in walk.rising(body, "requests", "member", 1, bits=1, low=lambda row: "clock" in row):
        walk.fill(request, "incarnation clock" if has else "")

# payloads: the whole
SPELLINGS = {
    "sender island node": Walk.node,
    "sequence multicast kind delivered refused missing number": Walk.varint,
    "epoch digest": lambda walk, value: walk.take(value, 8),
    "root fingerprint": lambda walk, value: walk.take(value, 16),
    "incarnation clock floor": lambda walk, value: within(walk.varint(value), CEILING),
    "group after until": Walk.name,
    "application": lambda walk, value: walk.name(value, 64),
    "bytes payload": Walk.rest,
    "others": Walk.nodes,
    "heard lost list": lambda walk, value: walk.nodes(value, 1),
    "answer held": lambda walk, value: bool(within(walk.number(value, 1), 1, "UnknownCode")),
    "level": lambda walk, value: within(walk.number(value, 1), 15),
    "code": lambda walk, value: within(walk.varint(value), 3, "UnknownCode"),
    "origin": lambda walk, value: walk.fill(value or {}, "node epoch"),
    "receipts": walk_receipts,
    "sections": walk_sections,
}
FIELDS = {name: step for names, step in SPELLINGS.items() for name in names.split()}
BODIES = {  # by tag; a text names the fields of a body that has nothing else
    1: walk_group, 2: "application bytes", 3: "", 4: walk_peers, 5: walk_receipt, 6: walk_gaps,
    7: "node epoch number payload", 8: "answer root", 9: walk_fingerprints, 10: walk_buckets, 11: walk_versions,
    12: walk_requests,
}

def walk_payload(walk, nodes, header, body):
    walk_table(walk, nodes)
    walk_header(walk, header)
    tag = body["tag"] = walk.varint(body.get("tag"))
    refuse("UnknownTag", tag not in BODIES)
    refuse("NotDirect", tag > 3 and "direct" not in header)
    if isinstance(BODIES[tag], str):
        walk.fill(body, BODIES[tag])
    else:
        BODIES[tag](walk, body)
    refuse("Trailing", walk.reading and walk.left())
    refuse("UnusedEntry", len(walk.used) < len(walk.table))
    return header, body

def decode_payload(data, limits=LIMITS):
    """The header and the body, whose fields are named as on the page; fields that are not there are left out."""
    return walk_payload(Walk(limits, data), [], {}, {})

def encode_payload(header, body, limits=LIMITS):
    walk = Walk(limits)
    walk_payload(walk, sorted(nodes_of([header, body])), header, body)
    return bytes(walk.out)

def nodes_of(value):
    """All NetIds within."""
    if isinstance(value, NetId):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return set().union(*map(nodes_of, inner))
