"""How many divisors a number has: trying all, half, the root, prime factors."""

FUNCTION = "count_divisors"
PROMPT = "Write a Python function `count_divisors(n)` that returns how many positive integers divide `n` (`n >= 1`)."


def cases():
    """Primes, squares, and numbers with many divisors."""
    return [(n,) for n in (1, 2, 4, 7, 12, 16, 24, 30, 36, 48, 49, 60)]


def reference(n):
    """All candidates."""
    return sum(n % d == 0 for d in range(1, n + 1))


# Tries every number up to n.
def try_all(n):
    count = 0
    for d in range(1, n + 1):
        if n % d == 0:
            count += 1
    return count


# Above half of n there is only n itself.
def up_to_half(n):
    count = 1
    for d in range(1, n // 2 + 1):
        if n % d == 0:
            count += 1
    return count


# The largest divisors are n, n / 2 and n / 3, and an odd number has odd divisors only.
def up_to_a_third(n):
    if n <= 2:
        return n
    count = 1 if n % 2 else 2
    for d in range(1, n // 3 + 1, 1 + n % 2):
        if n % d == 0:
            count += 1
    return count


# Divisors come in pairs, but a square has one without a partner.
def wrong_counts_the_root_twice(n):
    count = 0
    d = 1
    while d * d <= n:
        if n % d == 0:
            count += 2
        d += 1
    return count


# Pairs of divisors, up to the root.
def pairs_up_to_the_root(n):
    count = 0
    d = 1
    while d * d <= n:
        if n % d == 0:
            count += 1 if d * d == n else 2
        d += 1
    return count


# Multiplies the exponents, each plus one, and divides by every number up to the largest prime factor.
def exponents_of_the_primes(n):
    count = 1
    d = 2
    while n > 1:
        exponent = 0
        while n % d == 0:
            n //= d
            exponent += 1
        count *= exponent + 1
        d += 1
    return count
