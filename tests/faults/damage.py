"""Ways in which files get damaged; each says which bytes of the file it touched."""

import random
import re
from collections.abc import Callable

Damaged = tuple[bytes, int, int]  # what is left, and where the damage began and ended before
Damage = Callable[[bytes, random.Random], Damaged]

LINE_END = b"\n"


def _at(piece: bytes, n_gone: int = 0) -> Damage:
    """Puts a piece at any place, where some bytes go."""

    def damage(content: bytes, rng: random.Random) -> Damaged:
        place = rng.randrange(len(content))
        end = min(place + n_gone, len(content))
        return content[:place] + piece + content[end:], place, end

    return damage


def _one_of(pattern: bytes, replacement: bytes) -> Damage:
    """Replaces one of the places where a pattern matches, if there is any."""

    def damage(content: bytes, rng: random.Random) -> Damaged:
        places = [match.span() for match in re.finditer(pattern, content)]
        start, end = rng.choice(places) if places else (0, 0)
        return content[:start] + replacement + content[end:], start, end

    return damage


def _truncated(content: bytes, rng: random.Random) -> Damaged:
    place = rng.randrange(1, len(content))
    return content[:place], place, len(content)


def _flipped(content: bytes, rng: random.Random) -> Damaged:
    place = rng.randrange(len(content))
    flipped = bytes([content[place] ^ 1 << rng.randrange(8)])
    return content[:place] + flipped + content[place + 1 :], place, place + 1


def _repeated(content: bytes, rng: random.Random) -> Damaged:
    start = rng.randrange(len(content))
    end = min(start + 300, len(content))
    return content[:end] + content[start:], start, end


def _doubled_line(content: bytes, rng: random.Random) -> Damaged:
    lines = content.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    start = sum(map(len, lines[:place]))
    return b"".join(lines[: place + 1] + lines[place:]), start, start + len(lines[place])


def _second_header(content: bytes, rng: random.Random) -> Damaged:
    """As where files were put one behind the other."""
    lines = content.splitlines(keepends=True)
    place = rng.randrange(1, max(2, len(lines)))
    start = sum(map(len, lines[:place]))
    return b"".join([*lines[:place], lines[0], *lines[place:]]), start, start


def _two_encodings(content: bytes, rng: random.Random) -> Damaged:
    """UTF-8 up to a place, Windows-1252 from there on."""
    place = content.find(LINE_END, rng.randrange(len(content))) + 1
    rest = content[place:].decode("utf-8", "replace").encode("cp1252", "replace")
    return content[:place] + rest, place, len(content)


DAMAGES: dict[str, Damage] = {
    "cut off": _truncated,
    "flipped bit": _flipped,
    "lost byte": _at(b"", 1),
    "lost block": _at(b"", 500),
    "block of zeros": _at(bytes(500), 500),
    "repeated block": _repeated,
    "inserted NUL": _at(b"\0"),
    "inserted letter": _at(b"e"),
    "inserted digit": _at(b"7"),
    "inserted byte beyond ASCII": _at(b"\xff"),
    "inserted line end": _at(LINE_END),
    "inserted carriage return": _at(b"\r"),
    "lone quote": _at(b'"'),
    "lone backslash": _at(b"\\"),
    "inserted separator": lambda content, rng: _at(rng.choice([b",", b"\t", b";", b"|"]))(
        content, rng
    ),
    "lost quote": _one_of(rb'"', b""),
    "lost separator": _one_of(rb"[,\t;|]", b""),
    "lost line end": _one_of(rb"\r?\n", b""),
    "doubled line end": _one_of(rb"\n", b"\n\n"),
    "doubled line": _doubled_line,
    "header in between": _second_header,
    "two encodings": _two_encodings,
}
