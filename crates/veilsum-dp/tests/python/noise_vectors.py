"""Golden draws of the noise, made without a line of the Rust code.

Needs mpmath and cryptography. Masses come from closed forms (Bessel function, hypergeometric function, theta sum), not
from the recurrences of the implementation. Writes ../data/noise.json.
"""

import hashlib
import hmac
import json
import struct
from fractions import Fraction
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from mpmath import besseli, exp, floor, hyp2f1, loggamma, mp, mpf

mp.prec = 420
TAIL = mpf(2) ** -112


def number(text):
    fraction = Fraction(text)
    return mpf(fraction.numerator) / fraction.denominator


def skellam(k, variance):
    return exp(-variance) * besseli(k, variance)


def polya(k, scale, shape):
    ratio = exp(-1 / scale)
    rising = exp(loggamma(shape + k) - loggamma(shape) - loggamma(k + 1))
    series = hyp2f1(shape, shape + k, k + 1, ratio**2)
    return (1 - ratio) ** (2 * shape) * ratio**k * rising * series


def gaussian(parameter):
    reach = 60 * int(mp.sqrt(parameter)) + 60
    total = 1 + 2 * sum(exp(-mpf(k) ** 2 / (2 * parameter)) for k in range(1, reach))
    return lambda k: exp(-mpf(k) ** 2 / (2 * parameter)) / total


def digit(scale, base):
    ratio = exp(-1 / scale)
    weight = lambda z: ratio**z - ratio ** (2 * base - z)
    total = weight(0) + 2 * sum(weight(z) for z in range(1, base))
    return lambda z: weight(z) / total if z < base else mpf(0)


def table(mass):
    """Thresholds floor(2^127 P(|X| <= k)) for k below the clamp."""
    cumulative, thresholds, k = mpf(0), [], 0
    while True:
        cumulative += mass(k) * (1 if k == 0 else 2)
        if k > 0 and 1 - cumulative <= TAIL:
            return thresholds
        thresholds.append(int(floor(cumulative * 2**127)))
        k += 1


def terms(law):
    """Pairs of multiplier and thresholds, one per table draw of a value."""
    (family, parameters), = law.items()
    values = {name: number(text) for name, text in parameters.items()}
    if family == "skellam":
        parts = -(-int(mp.ceil(values["variance"])) // 1_500_000)
        one = table(lambda k: skellam(k, values["variance"] / parts))
        return [(1, one)] * parts
    if family == "discrete-gaussian":
        return [(1, table(gaussian(values["parameter"])))]
    scale, shape = values["scale"], values["shape"]
    if scale > 200:
        base = -(-int(mp.ceil(scale)) // 200)
        high = table(lambda k: polya(k, scale / base, shape))
        return [(1, table(digit(scale, base))), (base, high)]
    parts = int(mp.ceil(shape))
    return [(1, table(lambda k: polya(k, scale, shape / parts)))] * parts


def keystream(key, offset, count):
    cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return cipher.update(bytes(offset + count))[offset:]


def draw(parts, key, first, count):
    stream = keystream(key, first * len(parts) * 16, count * len(parts) * 16)
    out = []
    for i in range(count):
        value = 0
        for t, (multiplier, thresholds) in enumerate(parts):
            at = (i * len(parts) + t) * 16
            word = int.from_bytes(stream[at : at + 16], "little")
            point, sign = word % 2**127, word >> 127
            low, high = 0, len(thresholds)
            while low < high:
                middle = (low + high) // 2
                if point >= thresholds[middle]:
                    low = middle + 1
                else:
                    high = middle
            value += multiplier * (-low if sign else low)
        out.append(value)
    return out


def digest(values):
    return hashlib.sha256(struct.pack(f"<{len(values)}q", *values)).hexdigest()


def hkdf(key, label, parts):
    info = bytes([len(label)]) + label.encode() + b"".join(parts)
    inner = hmac.new(bytes(32), key, hashlib.sha256).digest()
    return hmac.new(inner, info + b"\x01", hashlib.sha256).digest()


def law_cases():
    laws = [
        {"skellam": {"variance": "1/100"}},
        {"skellam": {"variance": "25/2"}},
        {"skellam": {"variance": "3000"}},
        {"polya": {"scale": "4", "shape": "1/20"}},
        {"polya": {"scale": "5/2", "shape": "1"}},
        {"polya": {"scale": "3", "shape": "5/2"}},
        {"polya": {"scale": "1000", "shape": "1"}},
        {"discrete-gaussian": {"parameter": "1/10"}},
        {"discrete-gaussian": {"parameter": "400"}},
    ]
    for index, law in enumerate(laws):
        parts = terms(law)
        key = bytes([index + 1]) * 32
        values = draw(parts, key, 0, 4096)
        yield {
            "law": law,
            "key": key.hex(),
            "bound": sum(multiplier * len(thresholds) for multiplier, thresholds in parts),
            "first": values[:24],
            "sha256_of_4096": digest(values),
            "from_1_000_000": draw(parts, key, 1_000_000, 8),
        }


def plan_case():
    n, tolerated, corrupt, variance = 10, 3, 1, Fraction(1000)
    inflation = Fraction(n - tolerated, n - tolerated - corrupt)
    count = min(tolerated, 16)
    levels = [-(-i * tolerated // count) for i in range(count + 1)]
    shares = [inflation * variance / n] + [
        inflation * variance * (here - before) / ((n - here) * (n - before))
        for before, here in zip(levels, levels[1:])
    ]
    parts = [terms({"skellam": {"variance": str(share)}}) for share in shares]
    task, round_, attempt, slot = bytes([0x54]) * 32, 7, 1, 3
    context = [task, struct.pack(">QII", round_, attempt, slot)]
    base, first = bytes([0xB0]) * 32, bytes([0xC0]) * 32
    chain, keys = [first], [hkdf(base, "veilsum/1 noise base", context)]
    for index in range(1, count + 1):
        part = context + [struct.pack(">I", index)]
        keys.append(hkdf(chain[-1], "veilsum/1 noise component", part))
        chain.append(hkdf(chain[-1], "veilsum/1 noise chain", part))
    drawn = [draw(part, key, 0, 32) for part, key in zip(parts, keys)]
    return {
        "cohort": {"members": n, "tolerated": tolerated, "corrupt": corrupt},
        "target": {"skellam": {"variance": "1000"}},
        "shares": [str(share) for share in shares],
        "context": {"task": task.hex(), "round": round_, "attempt": attempt, "slot": slot},
        "base": base.hex(),
        "chain": [value.hex() for value in chain],
        "drawn": [sum(column) for column in zip(*drawn)],
        "kept": [[sum(column) for column in zip(*drawn[: 1 + level])] for level in range(count + 1)],
    }


if __name__ == "__main__":
    vectors = {"draws": list(law_cases()), "plan": plan_case()}
    target = Path(__file__).parent.parent / "data" / "noise.json"
    target.write_text(json.dumps(vectors, indent=1) + "\n")
