"""Greatest common divisor: by search, by subtraction, by remainders."""

FUNCTION = "gcd"
PROMPT = (
    "Write a Python function `gcd(a, b)` that returns the greatest common divisor of two non-negative integers, "
    "not both zero. `gcd(0, b)` is `b`."
)


def cases():
    """Pairs with large, small and trivial common divisors, and zeros."""
    return [
        (0, 5),
        (7, 0),
        (12, 18),
        (9, 28),
        (21, 14),
        (17, 5),
        (30, 12),
        (8, 13),
        (16, 24),
        (25, 10),
        (27, 6),
        (20, 3),
    ]


def reference(a, b):
    """The largest number that divides both."""
    return max(d for d in range(1, max(a, b) + 1) if a % d == 0 and b % d == 0)


# Tries every number up to the larger one and keeps the last that divides both.
def try_all_upwards(a, b):
    best = 1
    for d in range(1, max(a, b) + 1):
        if a % d == 0 and b % d == 0:
            best = d
    return best


# Tries downwards from the smaller one and stops at the first that divides both.
def try_downwards(a, b):
    if a == 0 or b == 0:
        return a + b
    d = min(a, b)
    while a % d != 0 or b % d != 0:
        d -= 1
    return d


# Subtracts the smaller from the larger until one is gone.
def subtraction(a, b):
    if a == 0 or b == 0:
        return a + b
    while a != b:
        if a > b:
            a -= b
        else:
            b -= a
    return a


# Takes out common factors one prime at a time.
def common_factors(a, b):
    if a == 0 or b == 0:
        return a + b
    result = 1
    d = 2
    while d <= a and d <= b:
        if a % d == 0 and b % d == 0:
            result *= d
            a //= d
            b //= d
        else:
            d += 1
    return result


# Divides by b without asking whether b is zero.
def wrong_with_zero(a, b):
    while a % b != 0:
        a, b = b, a % b
    return b


# Euclid's algorithm with remainders.
def remainders(a, b):
    while b:
        a, b = b, a % b
    return a
