"""A password as it may stand in a configuration: a hash that is slow to try (scrypt), from which nobody reads it back."""

import hashlib
import hmac
import re
import secrets

LEAST = 10
_COST, _BLOCK, _LANES = 2**15, 8, 1
_MEMORY = 128 * 1024 * 1024
# No dollar sign: shells and compose files would read it as the beginning of a variable.
_HASH = re.compile(r"scrypt:(\d{1,7}):(\d{1,2}):(\d{1,2}):([0-9a-f]{32}):([0-9a-f]{64})")


def hash_password(password: str) -> str:
    """Return the hash of a password, with a salt of its own."""
    salt = secrets.token_bytes(16)
    return f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{salt.hex()}:{_scrypt(password, salt, _COST, _BLOCK, _LANES).hex()}"


def is_hash(text: str) -> bool:
    """Whether `hash_password` could have made this."""
    return _HASH.fullmatch(text) is not None


def check_password(password: str, hashed: str) -> bool:
    """Whether this is the password; it takes as long for a wrong one as for the right one."""
    found = _HASH.fullmatch(hashed)
    if found is None:
        return False
    cost, block, lanes, salt, digest = found.groups()
    try:
        made = _scrypt(password, bytes.fromhex(salt), int(cost), int(block), int(lanes))
    except ValueError:
        return False
    return hmac.compare_digest(made, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=cost, r=block, p=lanes, maxmem=_MEMORY, dklen=32)
