#!/usr/bin/env python3
"""A client of bfly.v1 that shares no code with Butterfly: written from protocol/SPEC.md alone.

    python3 test/clients/independent_client.py ws://127.0.0.1:2001/v1 [PATH]

Talks to a running server, checks every frame that comes against the rules, and prints what it saw as JSON.
PATH is a channel; without it the first channel that LIST finds is read. Exit code 1: a rule was broken, see "violations".
Needs the packages msgpack and websockets; where they are missing, a virtual environment is made for them
(in $BFLY_VENV, default: bfly-client-venv in the folder for temporary files). One file, so that it can be copied.
"""

import asyncio
import gzip
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib


def ensure_packages():
    """Imports what is needed; makes a virtual environment and starts again in it where that fails."""
    try:
        import msgpack  # noqa: F401
        import websockets  # noqa: F401
    except ImportError:
        venv = os.environ.get("BFLY_VENV", os.path.join(tempfile.gettempdir(), "bfly-client-venv"))
        python = os.path.join(venv, "bin", "python")
        if os.path.realpath(sys.prefix) == os.path.realpath(venv):
            raise
        if not os.path.exists(python):
            subprocess.check_call([sys.executable, "-m", "venv", venv], stdout=sys.stderr)
        subprocess.check_call([python, "-m", "pip", "install", "-q", "msgpack", "websockets"], stdout=sys.stderr)
        os.execv(python, [python, *sys.argv])


ensure_packages()

import msgpack  # noqa: E402
import websockets  # noqa: E402

WINDOW = 64 * 1024  # the smallest legal window, so that credit is needed soon
FRAME = 32 * 1024
TIMEOUT_S = 20
SIZES = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "uint64": 8, "int64": 8, "float32": 4}
CONT, LAST, FILL, ERROR = 1, 2, 4, 16
# Offsets of the tokens of TILE, rule [D20].
TILE_TOKENS = {0: 0x9E, 1: 0x21, 2: 0xCE, 7: 0xCC, 9: 0xCE, 14: 0xCF, 23: 0xCC, 25: 0xD2, 30: 0xD2, 35: 0xD2,
               40: 0xCC, 42: 0xCE, 47: 0xCE, 52: 0xC4, 53: 0x05, 59: 0xC6}


class Violation(Exception):
    """A rule of SPEC.md that the server broke."""


def check(holds, rule, what):
    if not holds:
        raise Violation(f"[{rule}] {what}")


def volume(size):
    return size[0] * size[1] * size[2]


def box_size(box):
    return [box[i + 3] - box[i] for i in range(3)]


class Stream:
    """A pull or cutout: what came, what may come."""

    def __init__(self, window):
        self.reply = None
        self.frames = []
        self.received = 0
        self.limit = window
        self.end = None
        self.error = None


class Client:
    """One connection. Every received frame passes `receive`, which checks what can be checked without knowing the question."""

    def __init__(self, socket):
        self.socket = socket
        self.next_id = 1
        self.streams = {}
        self.received = 0  # bytes of TILE messages of the connection
        self.limit = 0
        self.overshoot = FRAME + 64
        self.counts = {}

    def new_id(self):
        self.next_id += 1
        return self.next_id

    async def send(self, *fields):
        await self.socket.send(msgpack.packb(list(fields), use_bin_type=True))

    async def receive(self, timeout=TIMEOUT_S):
        message = await asyncio.wait_for(self.socket.recv(), timeout)
        check(isinstance(message, bytes), "F2", "messages are binary")
        frame = self.decode(message)
        self.counts[frame[0]] = self.counts.get(frame[0], 0) + 1
        if frame[0] == 0x21:
            self.take_tile(frame, message)
        elif frame[0] == 0x22:
            self.take_end(frame)
        elif frame[0] == 0x02:
            await self.send(0x82, frame[1], frame[2] if len(frame) > 2 else None)
        return frame

    def decode(self, message):
        try:
            frame = msgpack.unpackb(message, raw=False, strict_map_key=True, ext_hook=refuse_ext)
        except Violation:
            raise
        except Exception as error:
            raise Violation(f"[F4] a frame is one MessagePack value: {error}") from error
        check(isinstance(frame, list) and len(frame) >= 2, "F3", "a frame is an array [type, id, ...]")
        check(type(frame[0]) is int and 0 <= frame[0] < 256, "F6", "type is an integer below 256")
        check(type(frame[1]) is int and 0 <= frame[1] < 2**32, "F7", "id is a u32")
        if frame[0] >= 0x80:
            check(len(message) <= 65536, "F10", "a reply is at most 64 KiB")
        return frame

    def take_tile(self, frame, message):
        for offset, token in TILE_TOKENS.items():
            check(message[offset] == token, "D20", f"TILE has 0x{token:02x} at byte {offset}")
        check(len(frame) == 14 and len(message) == 64 + len(frame[13]), "D20", "the payload begins at byte 64")
        stream = self.streams.get(frame[1])
        check(stream is not None and stream.reply is not None and stream.end is None, "F9", "TILE comes between reply and END")
        check(stream.received < stream.limit, "D12", f"TILE was started at {stream.received} of {stream.limit} on its stream")
        check(self.received < self.limit, "D12", f"TILE was started at {self.received} of {self.limit} on the connection")
        check(len(frame[13]) <= FRAME, "H7", f"a TILE payload is at most {FRAME} bytes")
        if frame[11] != 0:
            check(zlib.crc32(frame[13]) == frame[11], "D20", "crc32 agrees or is 0")
        stream.received += len(message)
        self.received += len(message)
        stream.frames.append(frame)

    def take_end(self, frame):
        stream = self.streams.get(frame[1])
        check(stream is not None and stream.reply is not None, "F9", "END follows the reply of its request")
        check(stream.end is None, "F9", "END comes once")
        check(frame[2] in ("done", "cancelled", "replaced"), "D7", f"status {frame[2]!r}")
        stream.end = frame
        check(frame[3]["bytes"] == stream.received, "D7", f"END counts {frame[3]['bytes']} bytes, {stream.received} came")

    async def ask(self, request, *fields):
        """Sends a request and waits for its reply or ERROR; other frames that come are checked and kept."""
        return await self.answer(await self.begin(request, *fields), request)

    async def begin(self, request, *fields):
        request_id = self.new_id()
        await self.send(request, request_id, *fields)
        return request_id

    async def answer(self, request_id, request):
        while True:
            frame = await self.receive()
            if frame[1] == request_id and frame[0] in (request + 0x80, 0xFE):
                return frame

    async def ok(self, request, rule, *fields):
        frame = await self.ask(request, *fields)
        check(frame[0] != 0xFE, rule, f"request 0x{request:02x} {fields[:3]} gives ERROR {frame[2:4]}")
        return frame[2:]

    async def refused(self, code, rule, request, *fields):
        frame = await self.ask(request, *fields)
        check(frame[0] == 0xFE, rule, f"request 0x{request:02x} {fields[:3]} is refused")
        check_error(frame, code, rule)
        return frame[3]

    async def open_stream(self, request, *fields):
        """Sends a PULL or CUTOUT and waits for its reply."""
        request_id = self.new_id()
        stream = Stream(WINDOW)
        self.streams[request_id] = stream
        await self.send(request, request_id, *fields)
        while True:
            frame = await self.receive()
            if frame[1] != request_id:
                continue
            if frame[0] == 0xFE:
                stream.error = frame
                return request_id, stream
            check(frame[0] == request + 0x80, "F9", "the reply comes before the first TILE")
            stream.reply = frame[2]
            return request_id, stream

    async def grant(self, request_id):
        """Grants what was received, on the connection and on a stream."""
        stream = self.streams[request_id]
        stream.limit = stream.received + WINDOW
        self.limit = self.received + WINDOW
        await self.send(0x23, 0, [[0, self.limit], [request_id, stream.limit]])

    async def starve(self, request_id):
        """Reads until no TILE comes for want of credit; gives the bytes of the stream by then."""
        stream = self.streams[request_id]
        while stream.end is None:
            if stream.received >= stream.limit or self.received >= self.limit:
                try:
                    frame = await self.receive(0.4)
                    check(frame[0] != 0x21, "D12", "no TILE comes without credit")
                    continue
                except asyncio.TimeoutError:
                    return stream.received
            await self.receive()
        return stream.received

    async def finish(self, request_id):
        """Reads a stream to its END, with credit given at half of the window."""
        stream = self.streams[request_id]
        while stream.end is None:
            if min(stream.limit - stream.received, self.limit - self.received) <= WINDOW // 2:
                await self.grant(request_id)
            frame = await self.receive()
            check(not (frame[0] == 0xFE and frame[1] == request_id), "F9", f"the stream ended with ERROR {frame[2:4]}")
        return stream


def refuse_ext(code, data):
    raise Violation(f"[F4] ext type {code} in a frame")


def check_error(frame, code, rule):
    check(type(frame[2]) is int and isinstance(frame[3], str), "X1", "ERROR is code, message, retryMs, details")
    check(frame[2] == code, rule, f"ERROR {frame[2]} {frame[3]!r} where {code} was expected")
    check(frame[3] != "" and "/home/" not in frame[3] and "node_modules" not in frame[3], "X1", "a message names the fault, no server path")


def join_tiles(stream):
    """Whole tiles of a pull: (header frame, encoded payload), after checking order, flags and offsets."""
    tiles = []
    parts = None
    for frame in stream.frames:
        flags, item = frame[2], frame[3]
        if flags & (FILL | ERROR):
            check(flags & LAST and not flags & CONT, "D23", "FILL and ERROR tiles are single frames")
            check(frame[9] == 0, "D22", "FILL and ERROR have encoding raw")
        if not flags & CONT:
            check(parts is None, "D21", "a tile begins after the last frame of the one before")
            check(item == len(tiles), "D20", f"item {item} comes as number {len(tiles)}")
            parts = [frame, b""]
        else:
            check(parts is not None and item == len(tiles), "D21", "a CONT frame follows frames of its tile")
            check(frame[10] == len(parts[1]), "D20", "raw length of CONT is the byte offset")
        parts[1] += frame[13]
        if flags & LAST:
            tiles.append(parts)
            parts = None
    check(parts is None, "D21", "the last frame of a tile has LAST")
    return tiles


def voxels_of(frame, payload, voxel_bytes):
    """Raw voxels of a tile; None for one with flag ERROR."""
    raw_length = frame[10]
    if frame[2] & ERROR:
        return None
    if frame[2] & FILL:
        check(len(payload) == voxel_bytes, "D22", "the payload of FILL is one voxel")
        return payload * (raw_length // voxel_bytes)
    raw = {0: lambda: payload, 1: lambda: gzip.decompress(payload)}.get(frame[9])
    check(raw is not None, "D10", f"encoding {frame[9]} was not asked for")
    raw = raw()
    check(len(raw) == raw_length, "D20", f"raw length {raw_length}, but {len(raw)} bytes")
    return raw


def paste(target, box, tile_box, raw, voxel_bytes):
    """Copies what a tile and a box have in common into the box's voxels."""
    x0, x1 = max(box[0], tile_box[0]), min(box[3], tile_box[3])
    nx, ny, _ = box_size(box)
    tx, ty, _ = box_size(tile_box)
    for z in range(max(box[2], tile_box[2]), min(box[5], tile_box[5])):
        for y in range(max(box[1], tile_box[1]), min(box[4], tile_box[4])):
            source = ((z - tile_box[2]) * ty + y - tile_box[1]) * tx + x0 - tile_box[0]
            to = ((z - box[2]) * ny + y - box[1]) * nx + x0 - box[0]
            length = (x1 - x0) * voxel_bytes
            if length > 0:
                target[to * voxel_bytes:to * voxel_bytes + length] = raw[source * voxel_bytes:source * voxel_bytes + length]


def expected_tiles(level, box):
    """Boxes of the chunks of the grid that meet a box, clipped at the volume's end: rule [D3]."""
    offset, chunk, shape = level["offset"], level["chunk"], level["shape"]
    ranges = []
    for axis in range(3):
        low = max(box[axis], offset[axis]) - offset[axis]
        high = min(box[axis + 3], offset[axis] + shape[axis]) - offset[axis]
        ranges.append(range(low // chunk[axis], math.ceil(high / chunk[axis])) if low < high else range(0))
    boxes = set()
    for i in ranges[0]:
        for j in ranges[1]:
            for k in ranges[2]:
                first = [offset[a] + n * chunk[a] for a, n in enumerate((i, j, k))]
                end = [min(first[a] + chunk[a], offset[a] + shape[a]) for a in range(3)]
                boxes.add((*first, *end))
    return boxes


def read_pull(stream, level, box, dtype, mip):
    """Checks a whole pull and gives the voxels of the box, zeros outside of the volume, and boxes in order of sending."""
    voxel_bytes = SIZES[dtype]
    target = bytearray(volume(box_size(box)) * voxel_bytes)
    wanted = expected_tiles(level, box)
    check(stream.reply["tiles"] == len(wanted), "D3", f"{stream.reply['tiles']} tiles are promised, {len(wanted)} meet the box")
    order, failed = [], 0
    for frame, payload in join_tiles(stream):
        check(frame[5] == mip, "D20", "mip is that of the pull")
        size_x, size_y = struct.unpack(">HH", frame[12][:4])
        raw = voxels_of(frame, payload, voxel_bytes)
        if raw is None:
            failed += 1
            continue
        size_z = frame[10] // (size_x * size_y * voxel_bytes)
        tile = (frame[6], frame[7], frame[8], frame[6] + size_x, frame[7] + size_y, frame[8] + size_z)
        check(tile in wanted, "D3", f"tile {tile} is a chunk that meets the box, and comes once")
        wanted.remove(tile)
        order.append(tile)
        paste(target, box, tile, raw, voxel_bytes)
    end = stream.end[3]
    check(stream.end[2] == "done" and len(wanted) == failed, "D3", f"{len(wanted)} tiles did not come")
    check(end["sent"] == len(order) and end["failed"] == failed, "D7", f"END says {end}, {len(order)} came and {failed} failed")
    return bytes(target), order


def check_near(order, level, focus):
    """Rule [D8]: shells of chunks around the focus never come nearer again."""
    def distance(tile):
        return max(abs((tile[a] - level["offset"][a]) // level["chunk"][a] - (focus[a] - level["offset"][a]) // level["chunk"][a]) for a in range(3))
    shells = [distance(tile) for tile in order]
    check(shells == sorted(shells), "D8", f"order near goes outward, but its shells are {shells[:40]}")


def check_scan(order):
    check(order == sorted(order, key=lambda t: (t[2], t[1], t[0])), "D8", "order scan goes by z, y, x")


def middle_box(level, voxel_bytes, most_bytes):
    """A box around the middle of a level, of at most so many bytes."""
    size = list(level["shape"])
    while volume(size) * voxel_bytes > most_bytes:
        axis = size.index(max(size))
        size[axis] = max(1, size[axis] // 2)
    first = [level["offset"][a] + (level["shape"][a] - size[a]) // 2 for a in range(3)]
    return [*first, *(first[a] + size[a] for a in range(3))]


async def hello(client, saw):
    request_id = client.new_id()
    await client.send(1, request_id, {"v": [1], "client": "independent/1", "feat": ["pull", "cutout", "unique", "warp"],
                                      "win": 1, "frame": 1, "later": {"key": [1]}}, "trailing")
    frame = await client.receive()
    check(frame[0] == 0x81 and frame[1] == request_id, "H4", f"WELCOME answers HELLO, not {frame}")
    welcome = frame[2]
    for key in ("v", "server", "session", "user", "now", "feat", "ping", "win", "frame", "limits", "resume"):
        check(key in welcome, "H4", f"WELCOME has {key}")
    check(welcome["v"] == 1, "H4", "v is 1")
    check(set(welcome["feat"]) <= {"pull", "cutout", "unique"}, "H5", "feat is the intersection")
    check(welcome["win"] == WINDOW and welcome["frame"] == FRAME, "H7", "win and frame are raised to their minimum")
    check(abs(welcome["now"] - time.time() * 1000) < 3_600_000, "F16", "now is ms since 1970")
    check(all(type(value) is int for value in welcome["limits"].values()), "L1", "limits are integers")
    check(welcome["limits"].get("uniqueVoxels", 0) > 0 and "requests" in welcome["limits"], "L1", "limits has its keys")
    client.limit = welcome["win"]
    saw["welcome"] = {key: welcome[key] for key in ("server", "feat", "ping", "win", "frame")}
    return welcome


async def find_channel(client, path=""):
    """The first channel that LIST finds, depth first."""
    after = None
    while True:
        (page,) = (await client.ok(0x11, "I4", path, {"limit": 2, **({"after": after} if after else {})}))[:1]
        for entry in page["entries"]:
            check(set(entry) >= {"name", "kind", "path"}, "I4", "entries have name, kind, path")
            check(entry["path"] == (f"{path}/" if path else "") + entry["name"], "I4", "path is that of the parent and the name")
            if entry["kind"] == "channel":
                return entry["path"]
            found = await find_channel(client, entry["path"])
            if found:
                return found
        after = page.get("next")
        if after is None:
            return None


async def info(client, path, saw):
    (channel,) = (await client.ok(0x10, "I1", path))[:1]
    for key in ("path", "kind", "type", "dtype", "mips", "enc", "source", "editable", "epoch", "first", "head", "tables"):
        check(key in channel, "I1", f"INFO has {key}")
    check(channel["path"] == path and channel["kind"] == "channel" and channel["dtype"] in SIZES, "I1", "INFO names its channel")
    check(isinstance(channel["epoch"], bytes) and len(channel["epoch"]) == 8, "S1", "epoch is 8 bytes")
    for level in channel["mips"]:
        check(all(len(level[key]) == 3 for key in ("shape", "chunk", "voxel", "offset")), "I1", "levels are x, y, z")
        check(volume(level["chunk"]) * SIZES[channel["dtype"]] <= 4 * 2**20, "D6", "raw tiles are at most 4 MiB")
    dataset = "/".join(path.split("/")[:-1])
    (parent,) = (await client.ok(0x10, "I2", dataset))[:1]
    check(parent["kind"] == "dataset" and channel in parent["channels"], "I2", "INFO of the dataset has the same map")
    saw["info"] = {key: channel[key] for key in ("path", "type", "dtype", "enc", "source", "editable", "head")}
    saw["info"]["mips"] = [{key: level[key] for key in ("shape", "chunk", "offset")} for level in channel["mips"]]
    return channel


async def pulls(client, channel, box, saw):
    path, level, dtype = channel["path"], channel["mips"][0], channel["dtype"]
    request_id, stream = await client.open_stream(0x20, path, 0, box)
    check(stream.reply is not None, "D2", f"PULL is answered, not refused: {stream.error}")
    check(stream.reply["dtype"] == dtype and type(stream.reply["at"]) is int, "D2", "the reply has tiles, dtype, at")
    starved = await client.starve(request_id)
    saw["pull"] = {"box": box, "tiles": stream.reply["tiles"], "credit_needed": stream.end is None, "bytes_without_credit": starved}
    # Lower, repeated and unknown grants do no harm.
    await client.send(0x23, 0, [[0, 0], [request_id, 1], [request_id, 1], [999_999, 5]])
    await client.finish(request_id)
    voxels, order = read_pull(stream, level, box, dtype, 0)
    centre = [(box[a] + box[a + 3]) // 2 for a in range(3)]
    check_near(order, level, centre)
    saw["pull"].update(bytes=stream.received, crc32=zlib.crc32(voxels))

    # The whole margin of the volume: boxes may stick out. gzip is preferred; the server may send raw.
    corner = [level["offset"][a] - 3 for a in range(3)] + [level["offset"][a] + min(5, level["shape"][a]) for a in range(3)]
    request_id, stream = await client.open_stream(0x20, path, 0, corner, {"enc": ["gzip", "av1", "raw"], "order": "scan", "urgency": 0, "later": 1.5})
    check(stream.reply is not None, "F12", f"a PULL may stick out of the volume: {stream.error}")
    await client.finish(request_id)
    corner_voxels, order = read_pull(stream, level, corner, dtype, 0)
    check_scan(order)
    saw["corner"] = {"box": corner, "encodings": sorted({frame[9] for frame in stream.frames})}

    request_id, stream = await client.open_stream(0x20, path, 0, corner, {"enc": ["gzip"]})
    await client.finish(request_id)
    gzip_voxels, _ = read_pull(stream, level, corner, dtype, 0)
    check(gzip_voxels == corner_voxels, "D9", "gzip holds the same voxels as raw")
    saw["corner"]["encodings_asked_for_gzip"] = sorted({frame[9] for frame in stream.frames})

    # Outside of the volume there is nothing: no tiles, then END.
    far = [2_000_000_000, 0, 0, 2_000_000_001, 1, 1]
    request_id, stream = await client.open_stream(0x20, path, 0, far)
    await client.finish(request_id)
    check(stream.reply["tiles"] == 0 and stream.frames == [], "D3", "a pull outside of the volume has no tiles")
    return voxels, corner, corner_voxels


async def cutouts(client, channel, box, voxels, corner, corner_voxels, saw):
    for name, wanted_box, wanted in (("cutout", box, voxels), ("cutout_corner", corner, corner_voxels)):
        request_id, stream = await client.open_stream(0x28, channel["path"], 0, wanted_box, {"frame": 40_000})
        check(stream.reply is not None, "D26", f"CUTOUT is answered, not refused: {stream.error}")
        reply = stream.reply
        check(reply["dtype"] == channel["dtype"] and reply["shape"] == box_size(wanted_box), "D26", f"the reply names dtype and shape: {reply}")
        check(reply["bytes"] == len(wanted), "D26", f"{reply['bytes']} bytes are promised, the box has {len(wanted)}")
        # Option frame is 40,000, yet the connection's frame of 32 KiB is checked for pulls only.
        global FRAME
        kept, FRAME = FRAME, 40_000
        await client.finish(request_id)
        FRAME = kept
        check([frame[3] for frame in stream.frames] == [0] * len(stream.frames), "D27", "a CUTOUT is item 0")
        data = b"".join(frame[13] for frame in stream.frames)
        join_tiles(stream)
        check(stream.frames[0][10] in (0, len(data)), "D27", "raw length of the first frame is that of the payload")
        check(stream.frames[0][12][:4] == b"\0\0\0\0", "D27", "the sizes are 0")
        check(data == wanted, "D25", f"{name} has the voxels of the pull, zeros outside")
        check(stream.end[2] == "done" and stream.end[3]["sent"] == 1, "D7", f"END of a cutout: {stream.end}")
        saw[name] = {"bytes": len(data), "frames": len(stream.frames), "mime": reply["mime"]}
    request_id, stream = await client.open_stream(0x28, channel["path"], 0, box, {"format": "npy"})
    if stream.reply is not None:
        await client.finish(request_id)
        data = b"".join(frame[13] for frame in stream.frames)
        check(data[:6] == b"\x93NUMPY" and data.endswith(voxels), "D25", "npy is a header and the voxels")
        check(len(data) == stream.reply["bytes"], "D26", "bytes counts the header of npy")
    saw["npy"] = stream.reply is not None


async def unique(client, channel, box, voxels, saw):
    code = {"uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q"}.get(channel["dtype"])
    if code is None or channel["dtype"].startswith("int"):
        return
    found, after, pages, count = [], None, 0, None
    while True:
        reply = await client.ok(0x13, "I8", channel["path"], 0, box, *([] if after is None else [{"after": after}]))
        check(isinstance(reply[1], bytes) and len(reply[1]) % 8 == 0, "I8", "ids is bin of u64")
        ids = [n for (n,) in struct.iter_unpack("<Q", reply[1])]
        check(len(ids) <= 8_000 and ids == sorted(set(ids)), "I8", "at most 8,000 ids, ascending")
        check(count in (None, reply[0]), "I8", "count is always the number of all")
        count, pages = reply[0], pages + 1
        found += ids
        if len(reply) < 3 or not reply[2].get("more"):
            break
        check(reply[2]["after"] == ids[-1], "I8", "after is the last id of the page")
        after = reply[2]["after"]
    wanted = sorted({n for (n,) in struct.iter_unpack("<" + code, voxels)})
    check(found == wanted and count == len(wanted), "I7", f"UNIQUE finds {len(found)} ids, the voxels have {len(wanted)}")
    saw["unique"] = {"count": count, "pages": pages, "first": found[:5]}


async def cancels(client, channel, box, saw):
    request_id, stream = await client.open_stream(0x20, channel["path"], 0, box)
    await client.starve(request_id)
    was_open = stream.end is None
    await client.send(0x24, request_id)
    while stream.end is None:
        await client.receive()
    check(not was_open or stream.end[2] == "cancelled", "D17", f"a cancelled pull ends with END cancelled, not {stream.end[2]}")
    await client.send(0x24, 123_456)  # unknown: a no-op
    saw["cancel"] = stream.end[2]
    client.limit = client.received + WINDOW
    await client.send(0x23, 0, [[0, client.limit]])

    first, older = await client.open_stream(0x20, channel["path"], 0, box, {"replace": "view"})
    await client.starve(first)
    was_open = older.end is None
    second, newer = await client.open_stream(0x20, channel["path"], 0, box, {"replace": "view"})
    check(not was_open or (older.end is not None and older.end[2] == "replaced"), "D1", "replace ends the older pull of that name")
    await client.ok(0x25, "D17", second, 0, [box[0], box[1], box[2]])
    await client.grant(second)
    await client.finish(second)
    read_pull(newer, channel["mips"][0], box, channel["dtype"], 0)
    saw["replace"] = older.end[2]


async def pings(client, saw):
    for scalar in (None, True, 7, -7, 2**32, 2**53 - 1, 2**64 - 1, 1.5, "Zoë", bytes(64)):
        reply = await client.ok(0x02, "C5", scalar)
        check(reply[0] == scalar and type(reply[0]) is type(scalar), "C5", f"PONG has {reply[0]!r}, PING had {scalar!r}")
    saw["ping"] = True


async def error_cases(client, channel, box, saw):
    path = channel["path"]
    errors = {
        "unknown path": await client.refused(203, "F18", 0x10, "no/such/thing/here"),
        "path with ..": await client.refused(200, "F17", 0x10, "../etc"),
        "float mip": await client.refused(200, "F5", 0x20, path, 0.0, box),
        "box inside out": await client.refused(200, "F11", 0x20, path, 0, [5, 5, 5, 1, 1, 1]),
        "unknown type": await client.refused(208, "F6", 0x5F, 1),
        "no fields": await client.refused(200, "X5", 0x20),
        "second HELLO": await client.refused(200, "H2", 0x01, {"v": [1]}),
        "urgency 8": await client.refused(200, "D1", 0x20, path, 0, box, {"urgency": 8}),
    }
    unknown_mip = await client.ask(0x20, path, 200, box)
    check(unknown_mip[0] == 0xFE and unknown_mip[2] // 100 == 2, "X2", "an unknown mip is refused")
    errors["unknown mip"] = unknown_mip[3]
    # Frames that cannot be answered under an id: ERROR id 0, and nothing ends.
    async def connection_error(rule, *fields):
        await client.send(*fields)
        frame = await client.receive()
        check(frame[0] == 0xFE and frame[1] == 0, rule, f"ERROR id 0 answers {fields}, not {frame}")
        check_error(frame, 200, rule)
        return frame[3]
    errors["id 0"] = await connection_error("F7", 0x10, 0, path)
    errors["credit of nothing"] = await connection_error("X6", 0x23, 0)
    errors["float credit"] = await connection_error("X6", 0x23, 0, [[0, 1e12]])
    await client.socket.send(b"\x93\x10\x09" + b"\xd4\x00\x00")  # an ext type: BAD_REQUEST under id 9
    frame = await client.receive()
    check(frame[0] == 0xFE and frame[1] == 9, "F4", f"an ext type is answered under its id, not {frame}")
    errors["ext"] = frame[3]
    # An id in use: the pull that has it goes on.
    client.limit = client.received + WINDOW
    await client.send(0x23, 0, [[0, client.limit]])
    request_id, stream = await client.open_stream(0x20, path, 0, box)
    await client.starve(request_id)
    if stream.end is None:
        await client.send(0x10, request_id, path)
        frame = await client.receive()
        check(frame[0] == 0xFE and frame[1] == 0 and frame[2] == 200, "F7", f"an id in use is ERROR id 0, not {frame}")
        errors["id in use"] = frame[3]
        await client.send(0x20, request_id, path, -1, box)  # a bad frame under that id
        frame = await client.receive()
        check(frame[0] == 0xFE and frame[1] == 0 and frame[2] == 200, "X5", f"a bad frame with an id in use is ERROR id 0, not {frame}")
        errors["bad frame with an id in use"] = frame[3]
        await client.finish(request_id)
        check(stream.end[2] == "done", "F7", "nothing is ended by a request with an id in use")
    saw["errors"] = errors


async def closes(url, code, rule, first, after_hello=False):
    """A connection that sends something wrong is closed with a code."""
    async with websockets.connect(url, subprotocols=["bfly.v1"], compression=None, max_size=None) as socket:
        if after_hello:
            await socket.send(msgpack.packb([1, 1, {"v": [1], "feat": []}]))
            await asyncio.wait_for(socket.recv(), TIMEOUT_S)
        await socket.send(first)
        try:
            while True:
                await asyncio.wait_for(socket.recv(), TIMEOUT_S)
        except websockets.ConnectionClosed:
            pass
        check(socket.close_code == code, rule, f"closed with {socket.close_code} where {code} was expected")
        check(len((socket.close_reason or "").encode()) <= 123, "C1", "a reason has at most 123 bytes")
        return socket.close_reason


async def handshakes(url, saw):
    try:
        async with websockets.connect(url, subprotocols=["other"], compression=None):
            raise Violation("[F1] a handshake without bfly.v1 is refused")
    except websockets.InvalidStatus as error:
        check(error.response.status_code == 400, "F1", f"HTTP {error.response.status_code} where 400 was expected")
    hello_frame = msgpack.packb([1, 1, {"v": [1], "feat": []}])
    saw["closes"] = {
        "first frame is INFO": await closes(url, 4001, "H2", msgpack.packb([0x10, 1, "a/b/c/d"])),
        "version 2": await closes(url, 4002, "H3", msgpack.packb([1, 1, {"v": [2], "feat": []}])),
        "text": await closes(url, 4003, "F2", "text", after_hello=True),
        "no array": await closes(url, 4003, "F4", b"\x80", after_hello=True),
        "id too large": await closes(url, 4003, "F7", msgpack.packb([0x10, 2**32, "a"]), after_hello=True),
        "hello over 16 KiB": await closes(url, 4004, "H2", msgpack.packb([1, 1, {"v": [1], "client": "x" * 17_000}])),
    }
    return hello_frame


async def run(url, path):
    saw, violations = {"url": url}, []
    try:
        async with websockets.connect(url, subprotocols=["bfly.v1"], compression=None, max_size=8 * 2**20) as socket:
            check(socket.subprotocol == "bfly.v1", "F1", "the server echoes the subprotocol")
            client = Client(socket)
            await hello(client, saw)
            path = path or await find_channel(client)
            check(path is not None, "I4", "LIST leads to a channel")
            channel = await info(client, path, saw)
            box = middle_box(channel["mips"][0], SIZES[channel["dtype"]], 2 * 2**20)
            voxels, corner, corner_voxels = await pulls(client, channel, box, saw)
            await cutouts(client, channel, box, voxels, corner, corner_voxels, saw)
            await unique(client, channel, box, voxels, saw)
            await cancels(client, channel, box, saw)
            await pings(client, saw)
            await error_cases(client, channel, box, saw)
            saw["frames"] = {f"{kind:02x}": count for kind, count in sorted(client.counts.items())}
        await handshakes(url, saw)
    except Violation as violation:
        violations.append(str(violation))
    except (asyncio.TimeoutError, websockets.ConnectionClosed, websockets.InvalidHandshake, OSError) as error:
        violations.append(f"the server is silent or away: {type(error).__name__} {error}")
    saw["violations"] = violations
    print(json.dumps(saw, indent=1, ensure_ascii=False, default=lambda value: value.hex()))
    return 1 if violations else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(asyncio.run(run(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None)))
