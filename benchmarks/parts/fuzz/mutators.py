"""Ways to damage a video file: in its headers, its payload, its sizes, counts and times.

Each mutator takes the bytes of a whole file and a generator, and returns other bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path

Mutator = Callable[[bytes, random.Random], bytes]

HEADER_BYTES = 2048
LIES = (0, 1, 2, 3, 255, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
"""Numbers that stand at the ends of the ranges of parsers."""

Field = tuple[bytes, int, int, str]
"""A field: the tag before it, bytes from the start of the tag to it, its size, its byte order."""

SIZES: tuple[Field, ...] = (
    *((tag, -4, 4, "big") for tag in (b"ftyp", b"moov", b"trak", b"mdia", b"minf", b"stbl")),
    *((tag, -4, 4, "big") for tag in (b"stsd", b"stts", b"stsz", b"stco", b"mdat", b"avcC")),
    *((tag, 4, 4, "little") for tag in (b"RIFF", b"LIST", b"avih", b"strh", b"strf", b"idx1")),
    *((tag, 4, 4, "little") for tag in (b"00dc", b"01wb")),
    # EBML: Segment, Info, Tracks, Cluster, Cues
    *((tag, 4, 2, "big") for tag in (b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66")),
    *((tag, 4, 2, "big") for tag in (b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75")),
    (b"\x00\x00\x01\xe0", 4, 2, "big"),
)
COUNTS: tuple[Field, ...] = (
    *((tag, 8, 4, "big") for tag in (b"stts", b"stsc", b"stco", b"ctts", b"elst", b"stss")),
    *((b"stsz", at, 4, "big") for at in (8, 12, 16)),
    *((b"stsc", at, 4, "big") for at in (12, 16, 20)),
    (b"avih", 24, 4, "little"),
    (b"avih", 32, 4, "little"),
    (b"strh", 40, 4, "little"),
    (b"vids", 32, 4, "little"),
)
PICTURE: tuple[Field, ...] = (
    *((tag, at, 2, "big") for tag in (b"avc1", b"jpeg") for at in (28, 30)),
    *((b"tkhd", at, 4, "big") for at in (80, 84)),
    *((b"strf", at, 4, "little") for at in (12, 16)),
    *((b"avih", at, 4, "little") for at in (40, 44)),
    *((tag, 2, 1, "big") for tag in (b"\xb0\x81", b"\xba\x81", b"\xb0\x82", b"\xba\x82")),
    (b"\x00\x00\x01\xb3", 4, 3, "big"),
)
TIMES: tuple[Field, ...] = (
    (b"stts", 16, 4, "big"),
    (b"ctts", 16, 4, "big"),
    *((tag, at, 4, "big") for tag in (b"mdhd", b"mvhd") for at in (16, 20)),
    *((b"elst", at, 4, "big") for at in (12, 16, 20)),
    *((b"strh", at, 4, "little") for at in (28, 32, 36)),
    (b"avih", 8, 4, "little"),
    (b"\x2a\xd7\xb1", 4, 3, "big"),
    (b"\xe7\x81", 2, 1, "big"),
    (b"\x44\x89\x88", 3, 8, "big"),
    *((b"\x00\x00\x01\xe0", at, 4, "big") for at in (9, 14)),
    (b"G", 1, 3, "big"),
)
CODECS = (b"avc1", b"avcC", b"mp4a", b"jpeg", b"esds", b"FMP4", b"V_MPEG4/ISO/AVC", b"V_VP9")
CODECS += (b"A_OPUS", b"OpusHead", b"vids", b"auds", b"vide", b"soun")


def _flipped(content: bytes, rng: random.Random, end: int, most: int) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, most)):
        changed[rng.randrange(min(end, len(changed)))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_header(content: bytes, rng: random.Random) -> bytes:
    """Other bits at the start of the file."""
    return _flipped(content, rng, HEADER_BYTES, 12)


def flip_index(content: bytes, rng: random.Random) -> bytes:
    """Other bits around the tables of an MP4 file, or anywhere else at the end."""
    start = max(content.find(b"moov"), len(content) - HEADER_BYTES, 0)
    return content[:start] + _flipped(content[start:], rng, len(content), 12)


def flip_payload(content: bytes, rng: random.Random) -> bytes:
    """Other bits anywhere."""
    return _flipped(content, rng, len(content), 200)


def truncate(content: bytes, rng: random.Random) -> bytes:
    """The start of the file, from one byte to all but one."""
    return content[: rng.choice((rng.randint(1, len(content) - 1), rng.randint(1, 64), -1, -17))]


def cut_out(content: bytes, rng: random.Random) -> bytes:
    """A piece in the middle is not there."""
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randint(1, 4096) :]


def swap(content: bytes, rng: random.Random) -> bytes:
    """Two pieces have changed places."""
    size = rng.choice((4, 16, 188, 512, 2048))
    a, b = sorted(rng.randrange(max(1, len(content) - size)) for _ in range(2))
    b = max(b, a + size)
    return (
        b"".join((content[:a], content[b : b + size], content[a + size : b], content[a : a + size]))
        + content[b + size :]
    )


def zero(content: bytes, rng: random.Random) -> bytes:
    """A run of zeros, as holes of a download that was not finished."""
    start, size = rng.randrange(len(content)), rng.choice((16, 512, 4096, len(content) // 2))
    return content[:start] + bytes(len(content[start : start + size])) + content[start + size :]


def _lying(fields: Iterable[Field]) -> Mutator:
    """A mutator that writes wrong numbers into some of the fields that a file has."""

    def lie(content: bytes, rng: random.Random) -> bytes:
        found = [
            (at + offset, size, order)
            for tag, offset, size, order in fields
            for at in _places(content, tag)
            if 0 <= at + offset <= len(content) - size
        ]
        if not found:
            return flip_header(content, rng)
        changed = bytearray(content)
        for at, size, order in rng.sample(found, min(len(found), rng.randint(1, 3))):
            value = rng.choice((*LIES, rng.randrange(1 << 32)))
            limit = (1 << 8 * size) - 1
            number = value >> 32 - 8 * size if value > limit and size < 4 else value
            changed[at : at + size] = (number & limit).to_bytes(size, order)  # type: ignore[arg-type]
        return bytes(changed)

    return lie


def _places(content: bytes, tag: bytes, most: int = 40) -> list[int]:
    places, at = [], content.find(tag)
    while at >= 0 and len(places) < most:
        places.append(at)
        at = content.find(tag, at + 1)
    return places


def unknown_codec(content: bytes, rng: random.Random) -> bytes:
    """The name of a codec or of a kind of stream is one that nobody knows."""
    found = [(at, tag) for tag in CODECS for at in _places(content, tag)]
    if not found:
        return flip_header(content, rng)
    at, tag = rng.choice(found)
    return content[:at] + b"z" * len(tag) + content[at + len(tag) :]


MUTATORS: dict[str, Mutator] = {
    "flip_header": flip_header,
    "flip_index": flip_index,
    "flip_payload": flip_payload,
    "truncate": truncate,
    "cut_out": cut_out,
    "swap": swap,
    "zero": zero,
    "sizes": _lying(SIZES),
    "counts": _lying(COUNTS),
    "picture": _lying(PICTURE),
    "times": _lying(TIMES),
    "unknown_codec": unknown_codec,
}


def write_mutants(sources: dict[str, Path], folder: Path, count: int, seed: int) -> list[Path]:
    """Write `count` damaged files; the n-th depends on the sources, the seed and n only."""
    kinds, written = list(sources), []
    names = list(MUTATORS)
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        kind = kinds[number % len(kinds)]
        name = names[number // len(kinds) % len(names)]
        path = folder / "train" / name / f"m{number:05d}-{kind}{sources[kind].suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MUTATORS[name](sources[kind].read_bytes(), rng))
        written.append(path)
    return written
