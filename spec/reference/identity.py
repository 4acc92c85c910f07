"""Ed25519 identities: public keys, signatures, strict verification. Source: roster-task.md section 1.

The curve arithmetic here decides what may be a key; the signature equation is left to the `cryptography` package, which
compares the encoding of `sB - hA` with the bytes of R (the equation without the cofactor).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .octets import label
from .primitives import PREFIX
from .refusal import require

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

Point = tuple[int, int]


def decompress(data: bytes) -> Point | None:
    """The point of RFC 8032, section 5.1.3, except that y is first reduced, so that non-canonical encodings have a point too."""
    raw = int.from_bytes(data, "little")
    sign, y = raw >> 255, (raw & (1 << 255) - 1) % P
    numerator, denominator = (y * y - 1) % P, (D * y * y + 1) % P
    square = numerator * pow(denominator, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    if x % 2 != sign:
        x = -x % P
    return x, y


def add(a: Point, b: Point) -> Point:
    cross = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + cross, P - 2, P) % P
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - cross, P - 2, P) % P
    return x, y


def small_order(point: Point) -> bool:
    for _ in range(3):
        point = add(point, point)
    return point == (0, 1)


def check_public_key(data: bytes) -> None:
    """[identity.key]"""
    require(len(data) == 32, "identity.key", "found another number of bytes than 32")
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    require(y < P, "identity.key", "y is not reduced")
    point = decompress(data)
    require(point is not None, "identity.key", "not on the curve")
    assert point is not None
    require(not small_order(point), "identity.key", "of small order")


class Identity:
    """A secret key of a party."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def sign(self, purpose: str, *parts: bytes) -> bytes:
        """[identity.context]"""
        return self._key.sign(label(PREFIX + purpose) + b"".join(parts))


def verifies(public: bytes, signature: bytes, purpose: str, *parts: bytes) -> bool:
    """[identity.strict]"""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    for encoded in (r, public):
        point = decompress(encoded)
        if point is None or small_order(point):
            return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, label(PREFIX + purpose) + b"".join(parts))
    except InvalidSignature:
        return False
    return True
