"""Changes of any file's bytes."""

import random
from collections.abc import Callable

PAGE = 4096


def changed_bytes(content: bytes, chance: random.Random, most: int) -> bytes:
    """The content with 1 to `most` of its bytes changed."""
    changed = bytearray(content)
    for at in chance.sample(range(len(content)), chance.randint(1, min(most, len(content)))):
        changed[at] ^= chance.randint(1, 255)
    return bytes(changed)


def flipped_bit(content: bytes, chance: random.Random) -> bytes:
    """The content with one bit the other way round."""
    changed = bytearray(content)
    changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _longer(content: bytes, chance: random.Random) -> bytes:
    return content + chance.choice([b"\0", b" x", content, chance.randbytes(chance.randint(1, 99))])


def _zeroed(content: bytes, chance: random.Random) -> bytes:
    pages = [at for at in range(0, len(content), PAGE) if any(content[at : at + PAGE])]
    at = chance.choice(pages)
    return content[:at] + bytes(len(content[at : at + PAGE])) + content[at + PAGE :]


def _pages_swapped(content: bytes, chance: random.Random) -> bytes:
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    one, two = next((a, b) for a, b in iter(lambda: chance.sample(range(len(pages)), 2), None) if pages[a] != pages[b])
    pages[one], pages[two] = pages[two], pages[one]
    return b"".join(pages)


def _line_gone(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def _line_twice(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return b"".join([*lines[: at + 1], *lines[at:]])


def _lines_swapped(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    one = chance.choice([at for at in range(len(lines) - 1) if lines[at] != lines[at + 1]])
    lines[one : one + 2] = reversed(lines[one : one + 2])
    return b"".join(lines)


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "a bit flipped": flipped_bit,
    "bytes changed": lambda content, chance: changed_bytes(content, chance, 16),
    "cut short": _cut,
    "made longer": _longer,
    "a page zeroed": _zeroed,
    "emptied": lambda content, chance: b"",
}
PAGES = {"two pages swapped": _pages_swapped, "other bytes": lambda content, chance: chance.randbytes(len(content))}
LINES = {"a line gone": _line_gone, "a line twice": _line_twice, "two lines swapped": _lines_swapped}
