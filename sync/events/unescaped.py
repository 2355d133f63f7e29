"""Undoes what hides an address from the eye: compression, and escapes within escapes. Pure.

A body that cannot be read is looked at here too. So it takes what is left of a compressed body that was cut off.
"""

import re
import zlib
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

from sync.events.raw import BODY_BYTES_MAX, is_compressed

_ROUNDS = 4
_INFLATED_BYTES_MAX = 2 * BODY_BYTES_MAX
_PARTS_MAX = 100
_PIECE_BYTES = 64
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_BLANKS = "bfnrt"


def content_of(body: bytes) -> bytes:
    """Return what `body` holds if it is compressed, as far as that can be read, else `body` itself."""
    for _ in range(_ROUNDS):
        if not (is_compressed(body) or body.startswith(_ZLIB)):
            return body
        body = _inflated(body) or body
    return body


def _inflated(body: bytes) -> bytes:
    """Return what the parts of a compressed body hold, one after another; what is no such part stands at the end."""
    inflated = bytearray()
    for _ in range(_PARTS_MAX):
        inflate = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
        try:
            # In pieces: what stands before a broken one can be read.
            for start in range(0, len(body), _PIECE_BYTES):
                inflated += inflate.decompress(body[start : start + _PIECE_BYTES])
                if inflate.eof or len(inflated) > _INFLATED_BYTES_MAX:
                    break
        except zlib.error:
            return bytes(inflated + body) if inflated else b""
        if not inflate.eof or len(inflated) > _INFLATED_BYTES_MAX:
            break
        body = inflate.unused_data + body[start + _PIECE_BYTES :]
        if not body:
            break
    return bytes(inflated)


def unescaped(text: str) -> Iterator[str]:
    """Yield `text`, and what it says without escapes of JSON, of links and of XML, and without those within them."""
    yield text
    for _ in range(_ROUNDS):
        if not ("\\" in text or "%" in text or "&#" in text):
            return
        plain = unquote(_without_escapes(text))
        plain = unescape(plain) if "&#" in plain else plain
        if plain == text:
            return
        yield (text := plain)


def _without_escapes(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _plain(match[2]), text)
    # A pair of surrogates is one character.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain(character: str) -> str:
    return " " if character in _BLANKS else character
