"""The tags of the canonical encoding, and why no two values share one.

An encoding is a self-delimiting byte string. Lengths and counts are unsigned 32-bit little-endian
numbers; one of 2**31 or more is written as ``FF FF FF FF`` and then 64 bits.

====  =========================================================================================
tag   what follows
====  =========================================================================================
N     nothing: ``None``
F T   nothing: ``False``, ``True``
i     32 bits, two's complement: an ``int`` that fits
l     signed 32-bit count of digits (negative for a negative number), then 16-bit words of 15 bits
      each, least significant first, the last not zero: any other ``int``
g     64 bits: a ``float`` as IEEE 754, payload and sign kept
y     two times 64 bits: a ``complex``
s     length, bytes: ``bytes``
u     length, UTF-8 (lone surrogates as three bytes each): ``str``
(     count, that many encodings: ``tuple``
[     count, that many encodings: ``list``
{     key and value encodings in the order of the ``dict``, then ``0``
<     count, the encodings of a ``set`` in ascending order of their bytes
>     the same for a ``frozenset``
D     16 bytes: the digest of a node
@     a ``u`` encoding (a kind from docs/digest.md), then one encoding
O     two ``u`` encodings (module and qualified name of a class), then one encoding
====  =========================================================================================

A node is hashed by itself. What is hashed is its *preimage*: ``A``, a ``u`` encoding (its kind),
one encoding (its header), then raw data up to the end for the kinds that have some.

Injectivity. Reading from the left, the tag tells how what follows is to be cut: a fixed number of
bytes, a number of bytes or of encodings that was just read, or encodings up to a ``0``, which is no
tag. So, by induction over the length, an encoding can be cut in one way only, and no encoding is a
proper prefix of another. Each tag stands for one type; its content maps back to one value: integers
have one form (``i`` if it fits, no leading zero digits), floats and strings are verbatim, and sets
have one order. A kind after ``@`` or a class after ``O`` fixes how its one inner encoding is read.
``A`` opens no encoding, so preimages and encodings never meet. ``tests/hashing`` holds a decoder
that cuts by this table; dropping a tag or a length makes it fail.

The tags of builtin types are those of version 2 of :mod:`marshal`, so that C code can write them
(see :mod:`fleche_like.hashing.bulk`); this table, not marshal, is the definition.
"""

from __future__ import annotations

from typing import Final

NONE: Final = b"N"
FALSE: Final = b"F"
TRUE: Final = b"T"
INT: Final = b"i"
LONG: Final = b"l"
FLOAT: Final = b"g"
COMPLEX: Final = b"y"
BYTES: Final = b"s"
STR: Final = b"u"
TUPLE: Final = b"("
LIST: Final = b"["
DICT: Final = b"{"
DICT_END: Final = b"0"
SET: Final = b"<"
FROZENSET: Final = b">"
NODE: Final = b"D"
KIND: Final = b"@"
OBJECT: Final = b"O"
PREIMAGE: Final = b"A"

SCALARS: Final[frozenset[type]] = frozenset((type(None), bool, int, float, complex, str, bytes))
CONTAINERS: Final[frozenset[type]] = frozenset((tuple, list, dict))
PLAIN: Final[frozenset[type]] = SCALARS | CONTAINERS


def length(n: int) -> bytes:
    """Return the encoding of a length or a count.

    >>> length(3).hex(), length(2**31).hex()
    ('03000000', 'ffffffff0000008000000000')
    """
    if n < 0x80000000:
        return n.to_bytes(4, "little")
    return b"\xff\xff\xff\xff" + n.to_bytes(8, "little")
