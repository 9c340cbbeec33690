"""Primality by trial division: how far the divisors go and which are tried."""

FUNCTION = "is_prime"
PROMPT = "Write a Python function `is_prime(n)` that returns True if the positive integer `n` is a prime number."


def cases():
    """Mostly primes, for which a trial division cannot stop early, and squares of primes."""
    return [(n,) for n in (1, 2, 3, 4, 9, 25, 11, 13, 17, 19, 23, 29, 31, 35, 37, 41, 43, 47, 49)]


def reference(n):
    """No divisor between 1 and n."""
    return n > 1 and all(n % d for d in range(2, n))


# Counts all divisors from 1 to n.
def count_all_divisors(n):
    divisors = 0
    for d in range(1, n + 1):
        if n % d == 0:
            divisors += 1
    return divisors == 2


# Even numbers at once, then every smaller odd number until one divides.
def every_smaller_odd_number(n):
    if n < 2 or n % 2 == 0:
        return n == 2
    for d in range(3, n, 2):
        if n % d == 0:
            return False
    return True


# No proper divisor is larger than a third of an odd number.
def odd_numbers_up_to_a_third(n):
    if n < 2 or n % 2 == 0:
        return n == 2
    d = 3
    while d <= n // 3:
        if n % d == 0:
            return False
        d += 2
    return True


# Nothing above half of n can divide it.
def up_to_half(n):
    if n < 2:
        return False
    for d in range(2, n // 2 + 1):
        if n % d == 0:
            return False
    return True


# Stops before the square root, so squares of primes pass.
def wrong_misses_squares(n):
    if n < 2:
        return False
    d = 2
    while d * d < n:
        if n % d == 0:
            return False
        d += 1
    return True


# A composite number has a divisor not above its root.
def up_to_the_root(n):
    if n < 2:
        return False
    d = 2
    while d * d <= n:
        if n % d == 0:
            return False
        d += 1
    return True


# Beyond 2 and 3, only numbers next to a multiple of 6.
def neighbours_of_multiples_of_six(n):
    if n < 4:
        return n > 1
    if n % 2 == 0 or n % 3 == 0:
        return False
    d = 5
    while d * d <= n:
        if n % d == 0 or n % (d + 2) == 0:
            return False
        d += 6
    return True
