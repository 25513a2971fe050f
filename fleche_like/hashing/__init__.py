"""Values to digests: a typed, structural, canonical encoding, hashed by XXH3-128.

``tags`` defines the encoding and argues why it is injective; ``plain`` and ``bulk`` write builtin
values, ``encoder`` walks everything else by the handlers that ``registry`` resolves. They are in
``builtin``, ``typeforms``, ``functions``, ``classes`` and ``instances``, and in one module per
library, which ``libraries`` lists. docs/digest.md tells it so that it can be written in another
language.
"""

from __future__ import annotations

from fleche_like.hashing.code import function_code_digest, function_node, global_names
from fleche_like.hashing.digest import digest, encode_node, encode_str, tuple_prefix, value_digest
from fleche_like.hashing.encoder import encode
from fleche_like.hashing.names import module_name, type_names
from fleche_like.hashing.registry import is_node, register_digest
from fleche_like.hashing.text import DIGEST_LENGTH, Digest

__all__ = [
    "DIGEST_LENGTH",
    "Digest",
    "digest",
    "encode",
    "encode_node",
    "encode_str",
    "function_code_digest",
    "function_node",
    "global_names",
    "is_node",
    "module_name",
    "register_digest",
    "tuple_prefix",
    "type_names",
    "value_digest",
]
