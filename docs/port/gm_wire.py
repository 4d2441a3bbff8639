"""The wire format of gm, written from docs/WIRE.md alone: frames, keys, replay window and payloads, both ways.

It must not know the Rust sources: where the page does not say enough, the page is to be mended. It does no input
or output, draws no random bytes and never compresses; it takes apart what others compressed.
"""

import ipaddress
import zlib
from collections import OrderedDict, namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

LIMITS = {"frame": 1 << 24, "payload": 1 << 24, "nodes": 100_000, "items": 1 << 20}
CEILING = (1 << 62) - 1
LAST = (1 << 32) - 1

class WireError(Exception):
    """What is wrong, by the name that the page gives it."""
    def __init__(self, name):
        super().__init__(name)
        self.name = name

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

def read_varint(data, at=0):
    """The number at `at`, and where it ends."""
    number = 0
    for count in range(10):
        refuse("Truncated", at + count >= len(data))
        byte = data[at + count]
        refuse("TooLarge", count == 9 and byte > 1)
        refuse("OverLong", byte == 0 and count > 0)
        number |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return number, at + count + 1
    raise AssertionError("the tenth byte ends a varint or is refused")

# keys and associated data
SEALED, COMPRESSED = 1, 2
DATAGRAM = b"\0"

def key_id(key):
    return ChaCha20Poly1305(key).encrypt(bytes(12), b"", b"gm key id")[0]

def check_keyring(keys):
    """The keys, the first of which seals; none at all is a node without keys, not a keyring."""
    refuse("Full", len(keys) > 16)
    refuse("Duplicate", len(set(keys)) < len(keys))
    return keys

def connection(from_acceptor, initiator, acceptor, number):
    """The place of a frame on a connection, as the associated data has it."""
    return bytes([2 if from_acceptor else 1]) + initiator + acceptor + number.to_bytes(8, "big")

def associated(header, cluster, channel):
    name = cluster.encode()
    return header + bytes([len(name)]) + name + channel

# frames
def encode_frame(payload, keys, cluster, channel=DATAGRAM, epoch=None, counter=None, limits=LIMITS):
    """A frame that is not compressed: sealed with the first key, or unsealed if there is none."""
    refuse("PayloadTooLong", len(payload) > limits["payload"])
    header = bytes([0x67, SEALED if keys else 0, key_id(keys[0]) if keys else 0])
    header += varint(len(payload) + (28 if keys else 4))
    refuse("FrameTooLong", len(header) + len(payload) + (28 if keys else 4) > limits["frame"])
    bound = associated(header, cluster, channel)
    if not keys:
        return header + payload + zlib.crc32(bound + payload).to_bytes(4, "big")
    refuse("ReservedEpoch", epoch == bytes(8))
    refuse("Exhausted", counter > LAST)
    nonce = epoch + counter.to_bytes(4, "big")
    return header + nonce + ChaCha20Poly1305(keys[0]).encrypt(nonce, payload, bound)

def read_header(data, limits=LIMITS):
    """Flags, key id, where the body begins and where it ends; refuses at the byte that decides."""
    refuse("Truncated", len(data) < 1)
    refuse("BadMagic", data[0] != 0x67)
    refuse("Truncated", len(data) < 2)
    refuse("UnknownVersion", data[1] >> 4 != 0)
    refuse("UnknownFlags", data[1] & 0b1100)
    refuse("Truncated", len(data) < 3)
    flags, key = data[1], data[2]
    refuse("KeyIdOfUnsealed", not flags & SEALED and key != 0)
    try:
        length, start = read_varint(data, 3)
    except WireError as error:
        names = {"OverLong": "LengthOverLong", "TooLarge": "LengthTooLarge"}
        raise WireError(names.get(error.name, error.name)) from None
    refuse("TooLong", start + length > limits["frame"])
    refuse("TooShort", length < (28 if flags & SEALED else 4))
    return flags, key, start, start + length

def decode_frame(data, keys, cluster, channel=DATAGRAM, limits=LIMITS):
    """The payload, with epoch and counter of a sealed frame (else `None`)."""
    flags, key, start, end = read_header(data, limits)
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
        try:
            text = ChaCha20Poly1305(key).decrypt(nonce, body[12:], bound)
        except InvalidTag:
            continue
        return text, (nonce[:8], int.from_bytes(nonce[8:], "big"))
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
        at = literal(block, at, out) if block[at] & 3 == 0 else copy(block, at, out)
        refuse("BadCompression", len(out) > length)
    refuse("BadCompression", len(out) < length)
    return bytes(out)

def little(block, at, size):
    refuse("BadCompression", at + size > len(block))
    return int.from_bytes(block[at : at + size], "little")

def literal(block, at, out):
    size, at = block[at] >> 2, at + 1
    if size >= 60:
        wide = size - 59
        size, at = little(block, at, wide), at + wide
    end = at + size + 1
    refuse("BadCompression", end > len(block))
    out += block[at:end]
    return end

def copy(block, at, out):
    tag = block[at]
    wide = (1, 2, 4)[(tag & 3) - 1]
    offset, size = little(block, at + 1, wide), (tag >> 2) + 1
    if wide == 1:
        offset, size = offset | tag >> 5 << 8, (tag >> 2 & 7) + 4
    refuse("BadCompression", not 0 < offset <= len(out))
    for _ in range(size):  # byte by byte: a copy may reach into what it makes
        out.append(out[-offset])
    return at + 1 + wide

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

# payloads: reading, and the table
NetId = namedtuple("NetId", "family address port")  # sorts as the table does; the family is 4 or 6
Item = namedtuple("Item", "op start end port priority time")

class Reader:
    """The bytes of a payload from the front, its table, and which entries were referred to."""
    def __init__(self, data, limits):
        self.data, self.at, self.limits = data, 0, limits
        self.table, self.used, self.items = [], set(), 0
    def left(self):
        return len(self.data) - self.at
    def take(self, size):
        refuse("Truncated", size > self.left())
        self.at += size
        return self.data[self.at - size : self.at]
    def number(self, size):
        return int.from_bytes(self.take(size), "big")
    def varint(self, most=None):
        number, self.at = read_varint(self.data, self.at)
        refuse("OutOfRange", most is not None and number > most)
        return number
    def check_count(self, count, limit):
        refuse("TooMany", count > limit)
        refuse("Truncated", count > self.left())
    def name(self, most, empty):
        size = self.varint()
        refuse(empty, size == 0)
        refuse("TooMany", size > most)
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise WireError("NotUtf8") from None
    def node(self, position):
        refuse("NoSuchEntry", position >= len(self.table))
        self.used.add(position)
        return self.table[position]

def acceptable(node):
    """Whether a NetId can have this address and port."""
    if node.family == 4:
        address = ipaddress.IPv4Address(node.address)
        bad = node.address == LAST
    else:
        address = ipaddress.IPv6Address(node.address)
        bad = address.is_link_local or node.address >> 32 == 0xFFFF
    return not (bad or node.port == 0 or address.is_unspecified or address.is_multicast)

def read_table(reader):
    head = reader.varint()
    refuse("TooMany", head >> 1 > reader.limits["nodes"])
    count6 = reader.varint() if head & 1 else 0
    refuse("NotCanonical", head & 1 and count6 == 0)
    refuse("TooMany", count6 > reader.limits["nodes"])
    refuse("Truncated", (head >> 1) + count6 > reader.left())
    refuse("TooMany", (head >> 1) + count6 > reader.limits["nodes"])
    address = port = 0
    for _ in range(head >> 1):
        head4 = reader.varint()
        address += head4 >> 1
        refuse("OutOfRange", address > LAST)
        port = read_port(reader, head4 & 1, port)
        add_entry(reader.table, NetId(4, address, port))
    octets = bytes(16)
    for _ in range(count6):
        head6 = reader.number(1)
        octets = read_octets(reader, head6 >> 1, octets)
        port = read_port(reader, head6 & 1, port)
        add_entry(reader.table, NetId(6, int.from_bytes(octets, "big"), port))

def read_octets(reader, shared, before):
    refuse("OutOfRange", shared > 16)
    octets = before[:shared] + reader.take(16 - shared)
    refuse("NotCanonical", shared < 16 and octets[shared] == before[shared])
    return octets

def read_port(reader, same, before):
    if same:
        return before
    port = reader.number(2)
    refuse("NotCanonical", port == before)
    return port

def add_entry(table, node):
    refuse("BadNetId", not acceptable(node))
    refuse("Unsorted", bool(table) and node <= table[-1])
    table.append(node)

def write_table(table):
    count6 = sum(node.family == 6 for node in table)
    out = varint((len(table) - count6) << 1 | (count6 > 0)) + (varint(count6) if count6 else b"")
    address, octets, port = 0, bytes(16), 0
    for node in table:
        same = node.port == port
        if node.family == 4:
            out += varint((node.address - address) << 1 | same)
            address = node.address
        else:
            now = node.address.to_bytes(16, "big")
            shared = next((i for i in range(16) if now[i] != octets[i]), 16)
            out += bytes([shared << 1 | same]) + now[shared:]
            octets = now
        out += b"" if same else node.port.to_bytes(2, "big")
        port = node.port
    return out

# payloads: header
ORIGIN, MULTICAST, RECEIPTS, ISLAND = 1, 2, 4, 8
LISTS = {"heard": 16, "lost": 32, "list": 64}

def read_header_fields(reader):
    flags = reader.varint()
    refuse("UnknownFlags", flags >> 7)
    header = {"sender": reader.node(reader.varint()), "origin": None, "multicast": None, "island": None}
    if flags & ORIGIN:
        header["origin"] = reader.node(reader.varint()), reader.take(8)
    header["sequence"] = reader.varint()
    if flags & MULTICAST:
        header["multicast"] = reader.varint()
    header["receipts"] = bool(flags & RECEIPTS)
    if flags & ISLAND:
        header["island"] = reader.node(reader.varint())
    for name, flag in LISTS.items():
        header[name] = read_list(reader) if flags & flag else []
    return header

def read_list(reader):
    count = reader.varint()
    refuse("NotCanonical", count == 0)
    reader.check_count(count, reader.limits["nodes"])
    nodes, position = [], -1
    for _ in range(count):
        position += reader.varint() + 1
        nodes.append(reader.node(position))
    return nodes

def write_header(header, positions):
    origin, multicast, island = header["origin"], header["multicast"], header["island"]
    flags = ORIGIN * (origin is not None) | MULTICAST * (multicast is not None)
    flags |= RECEIPTS * header["receipts"] | ISLAND * (island is not None)
    flags |= sum(flag for name, flag in LISTS.items() if header[name])
    out = varint(flags) + varint(positions[header["sender"]])
    if origin is not None:
        out += varint(positions[origin[0]]) + origin[1]
    out += varint(header["sequence"])
    out += b"" if multicast is None else varint(multicast)
    out += b"" if island is None else varint(positions[island])
    return out + b"".join(write_list(header[name], positions) for name in LISTS if header[name])

def write_list(nodes, positions):
    out, before = varint(len(nodes)), -1
    for node in sorted(nodes):
        out += varint(positions[node] - before - 1)
        before = positions[node]
    return out

# payloads: group
OPENED, RECORD, FORGOTTEN, INCREMENT = 4, 0, 1, 2
OPS = ("add", "rmv", "get")

def read_group(reader):
    name = reader.name(255, "BadName")
    refuse("BadName", any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in name))
    count = reader.varint()
    reader.check_count(count, reader.limits["nodes"])
    parts, position = [], -1
    for _ in range(count):
        head = reader.varint()
        position += (head >> 3) + 1
        parts.append(read_part(reader, head & 7, position))
    return {"group": name, "parts": parts}

def read_part(reader, head, position):
    kind = head & 3
    part = {"member": reader.node(position), "kind": kind, "opened": None, "items": []}
    refuse("UnknownCode", kind == 3)
    part["incarnation"], part["clock"] = reader.varint(CEILING), reader.varint(CEILING)
    if head & OPENED:
        part["opened"] = below(part["incarnation"], reader), below(part["clock"], reader)
    since = -1
    if kind == INCREMENT:
        since = part["since"] = below(part["clock"], reader)
        part["digest"] = reader.take(8)
    else:
        part["floor"] = reader.varint(CEILING)
    count = 0 if kind == FORGOTTEN else read_item_count(reader)
    refuse("BadRecord", kind == FORGOTTEN and part["opened"])
    refuse("BadRecord", part.get("floor", 0) > part["clock"])
    part["items"] = read_items(reader, count, part["clock"], since)
    return part

def below(number, reader):
    return number - 1 - reader.varint(number - 1)

def read_item_count(reader):
    count = reader.varint()
    reader.check_count(count, reader.limits["items"])
    reader.items += count
    refuse("TooMany", reader.items > reader.limits["items"])
    return count

def read_items(reader, count, clock, since):
    items, before = [], None
    for _ in range(count):
        before = read_item(reader, clock, before)
        refuse("BadRecord", bool(items) and (before.start, before.end) <= (items[-1].start, items[-1].end))
        refuse("BadRecord", before.time <= since)
        items.append(before)
    return items

def read_item(reader, clock, before):
    head = reader.number(1)
    refuse("UnknownFlags", head & 128)
    refuse("UnknownCode", head & 3 == 3)
    old = before or Item("add", 0, 0, 0, 1, clock)
    next_start = old.end + 1 if before else None
    if head & 4:
        refuse("OutOfRange", next_start is None or next_start > LAST)
        start = next_start
    else:
        start = old.start + reader.varint(LAST - old.start)
        refuse("NotCanonical", start == next_start)
    width = field(head & 8, old.end - old.start, lambda: reader.varint(LAST))
    port = field(head & 16, old.port, lambda: reader.number(2))
    priority = field(head & 32, old.priority, lambda: reader.varint(65535))
    age = field(head & 64, clock - old.time, reader.varint)
    refuse("OutOfRange", priority == 0 or age > clock or start + width > LAST)
    return Item(OPS[head & 3], start, start + width, port, priority, clock - age)

def field(same, before, read):
    """The value before if it is `same`, else one that is read and must be another."""
    if same:
        return before
    value = read()
    refuse("NotCanonical", value == before)
    return value

def write_group(body, positions):
    name = body["group"].encode()
    out, before = varint(len(name)) + name + varint(len(body["parts"])), -1
    for part in sorted(body["parts"], key=lambda part: part["member"]):
        position = positions[part["member"]]
        out += write_part(part, position - before - 1)
        before = position
    return out

def write_part(part, distance):
    opened, clock = part["opened"], part["clock"]
    out = varint(distance << 3 | OPENED * (opened is not None) | part["kind"])
    out += varint(part["incarnation"]) + varint(clock)
    if opened is not None:
        out += varint(part["incarnation"] - opened[0] - 1) + varint(clock - opened[1] - 1)
    if part["kind"] == INCREMENT:
        out += varint(clock - part["since"] - 1) + part["digest"]
    else:
        out += varint(part["floor"])
    return out if part["kind"] == FORGOTTEN else out + write_items(part["items"], clock)

def write_items(items, clock):
    out, before = varint(len(items)), None
    for item in sorted(items, key=lambda item: (item.start, item.end)):
        out += write_item(item, clock, before)
        before = item
    return out

def write_item(item, clock, before):
    old = before or Item("add", 0, 0, 0, 1, clock)
    width = item.end - item.start
    fields = (
        (4, before is not None and item.start == old.end + 1, varint(item.start - old.start)),
        (8, width == old.end - old.start, varint(width)),
        (16, item.port == old.port, item.port.to_bytes(2, "big")),
        (32, item.priority == old.priority, varint(item.priority)),
        (64, item.time == old.time, varint(clock - item.time)),
    )
    head = OPS.index(item.op) | sum(bit for bit, same, _ in fields if same)
    return bytes([head]) + b"".join(written for _, same, written in fields if not same)

# payloads: the whole
GROUP, APPLICATION = 1, 2

def decode_payload(data, limits=LIMITS):
    """The header and the body; a body has either `group` and `parts` or `application` and `bytes`."""
    reader = Reader(data, limits)
    read_table(reader)
    header = read_header_fields(reader)
    tag = reader.varint()
    refuse("UnknownTag", tag not in (GROUP, APPLICATION))
    if tag == GROUP:
        body = read_group(reader)
        refuse("Trailing", reader.left())
    else:
        body = {"application": reader.name(64, "OutOfRange"), "bytes": reader.take(reader.left())}
    refuse("UnusedEntry", len(reader.used) < len(reader.table))
    return header, body

def encode_payload(header, body):
    nodes = {header["sender"], *(node for name in LISTS for node in header[name])}
    nodes |= {header["origin"][0]} if header["origin"] else set()
    nodes |= {header["island"]} if header["island"] else set()
    nodes |= {part["member"] for part in body.get("parts", ())}
    table = sorted(nodes)
    positions = {node: position for position, node in enumerate(table)}
    out = write_table(table) + write_header(header, positions)
    if "group" in body:
        return out + varint(GROUP) + write_group(body, positions)
    name = body["application"].encode()
    return out + varint(APPLICATION) + varint(len(name)) + name + body["bytes"]
