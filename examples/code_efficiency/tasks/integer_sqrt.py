"""The integer part of a square root: counting down, counting up, halving, Newton."""

FUNCTION = "integer_sqrt"
PROMPT = (
    "Write a Python function `integer_sqrt(n)` that returns the largest integer whose square is at most `n`, for a "
    "non-negative integer `n`. Use integer arithmetic only."
)


def cases():
    """Small numbers, squares and their neighbours."""
    return [(n,) for n in (0, 1, 2, 3, 4, 8, 9, 15, 30, 36, 48, 50, 64, 90, 99, 120, 150, 200, 300)]


def reference(n):
    """The first root that is large enough."""
    return next(r for r in range(n + 1) if (r + 1) ** 2 > n)


# Tries every number up to n.
def try_all(n):
    root = 0
    for r in range(n + 1):
        if r * r <= n:
            root = r
    return root


# Counts down from n.
def count_down(n):
    r = n
    while r * r > n:
        r -= 1
    return r


# From 4 on, the root is not above half of n.
def count_down_from_half(n):
    r = n // 2 if n > 3 else min(n, 1)
    while r * r > n:
        r -= 1
    return r


# Counts down twice: in steps of ten from above, then one by one.
def steps_of_ten_then_one(n):
    r = n
    while r >= 10 and (r - 10) * (r - 10) > n:
        r -= 10
    while r * r > n:
        r -= 1
    return r


# Stops at the root itself when n is a square and then steps back.
def wrong_for_squares(n):
    r = 0
    while r * r < n:
        r += 1
    return r - 1


# Sums of odd numbers are squares.
def subtract_odd_numbers(n):
    root, odd = 0, 1
    while n >= odd:
        n -= odd
        odd += 2
        root += 1
    return root


# Newton's iteration from above.
def newton(n):
    r = n
    while r * r > n:
        r = (r + n // r) // 2
    return r
