"""Counting primes: trial division with ever fewer divisors, and the sieve."""

FUNCTION = "count_primes"
PROMPT = "Write a Python function `count_primes(n)` that returns how many prime numbers are smaller than `n`."


def cases():
    """Limits that are small, prime, and just above a prime."""
    return [(n,) for n in (0, 2, 3, 5, 8, 12, 14, 17, 20, 23)]


def reference(n):
    """Straight from the definition."""
    return sum(all(k % d for d in range(2, k)) for k in range(2, n))


# Tries every smaller number and does not stop at a divisor.
def all_divisors_no_stop(n):
    count = 0
    for k in range(2, n):
        prime = True
        for d in range(2, k):
            if k % d == 0:
                prime = False
        if prime:
            count += 1
    return count


# Stops at the first divisor.
def stop_at_first_divisor(n):
    count = 0
    for k in range(2, n):
        prime = True
        for d in range(2, k):
            if k % d == 0:
                prime = False
                break
        if prime:
            count += 1
    return count


# Crosses out multiples of every number, prime or not, from its double on.
def sieve_with_every_number(n):
    composite = {}
    count = 0
    for k in range(2, n):
        for multiple in range(2 * k, n, k):
            composite[multiple] = True
        if k not in composite:
            count += 1
    return count


# Counts the limit itself when it is prime.
def wrong_counts_the_limit(n):
    count = 0
    for k in range(2, n + 1):
        d = 2
        while d * d <= k and k % d != 0:
            d += 1
        if d * d > k:
            count += 1
    return count


# Odd candidates, odd divisors up to the root.
def odd_candidates_up_to_the_root(n):
    count = 1 if n > 2 else 0
    for k in range(3, n, 2):
        d = 3
        while d * d <= k and k % d != 0:
            d += 2
        if d * d > k:
            count += 1
    return count


# Candidates up to the root, even ones too.
def up_to_the_root(n):
    count = 0
    for k in range(2, n):
        d = 2
        while d * d <= k and k % d != 0:
            d += 1
        if d * d > k:
            count += 1
    return count


# Starts from the number of odd candidates and takes off the odd composites, each once.
def odd_sieve(n):
    if n < 3:
        return 0
    composite = set()
    p = 3
    while p * p < n:
        if p not in composite:
            for multiple in range(p * p, n, 2 * p):
                composite.add(multiple)
        p += 2
    return n // 2 - len(composite)
