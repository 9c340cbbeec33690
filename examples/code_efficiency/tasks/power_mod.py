"""Powers with a modulus: one multiplication per step, or squaring."""

FUNCTION = "power_mod"
PROMPT = (
    "Write a Python function `power_mod(base, exponent, modulus)` that returns `base ** exponent % modulus` for "
    "non-negative integers and a positive modulus, without computing the full power."
)


def cases():
    """Exponents from 0 to 64; modulus 1 gives 0 even for exponent 0."""
    exponents = (1, 2, 3, 5, 9, 12, 16, 23, 32, 40, 50, 64)
    return [(5, 0, 1), (7, 0, 10)] + [(2 + e % 5, e, 11 + e) for e in exponents]


def reference(base, exponent, modulus):
    """As in the statement."""
    return base**exponent % modulus


# Halves the exponent but computes both halves, which saves nothing.
def both_halves(base, exponent, modulus):
    if exponent == 0:
        return 1 % modulus
    if exponent == 1:
        return base % modulus
    left = both_halves(base, exponent // 2, modulus)
    right = both_halves(base, exponent - exponent // 2, modulus)
    return left * right % modulus


# One call per factor.
def recursion_per_factor(base, exponent, modulus):
    if exponent == 0:
        return 1 % modulus
    smaller = recursion_per_factor(base, exponent - 1, modulus)
    return smaller * base % modulus


# One multiplication per factor.
def loop_per_factor(base, exponent, modulus):
    result = 1 % modulus
    for _ in range(exponent):
        result = result * base % modulus
    return result


# Powers repeat: remembers them until the cycle closes.
def find_the_cycle(base, exponent, modulus):
    powers, first = [], {}
    value = 1 % modulus
    while value not in first:
        if len(powers) == exponent:
            return value
        first[value] = len(powers)
        powers.append(value)
        value = value * base % modulus
    start = first[value]
    return powers[start + (exponent - start) % (len(powers) - start)]


# Answers 1 for exponent 0 even when the modulus is 1.
def wrong_for_modulus_one(base, exponent, modulus):
    result = 1
    while exponent:
        if exponent % 2:
            result = result * base % modulus
        base = base * base % modulus
        exponent //= 2
    return result


# Squares once, then one multiplication per two factors.
def loop_per_two_factors(base, exponent, modulus):
    square = base * base % modulus
    result = base % modulus if exponent % 2 else 1 % modulus
    for _ in range(exponent // 2):
        result = result * square % modulus
    return result


# Squares as often as the exponent can be halved.
def repeated_squaring(base, exponent, modulus):
    result = 1 % modulus
    while exponent:
        if exponent % 2:
            result = result * base % modulus
        base = base * base % modulus
        exponent //= 2
    return result
