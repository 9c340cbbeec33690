"""Fibonacci numbers: branching recursion, weaker branching, memory, loops, doubling."""

FUNCTION = "fibonacci"
PROMPT = (
    "Write a Python function `fibonacci(n)` that returns the n-th Fibonacci number, with `fibonacci(0) == 0` and "
    "`fibonacci(1) == 1`."
)


def cases():
    """Small numbers, so that the branching recursion does not dwarf all else."""
    return [(n,) for n in (0, 1, 2, 3, 4, 5, 6, 7)]


def reference(n):
    """Two numbers moving up."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


# Two calls for every number.
def branching_recursion(n):
    if n < 2:
        return n
    return branching_recursion(n - 1) + branching_recursion(n - 2)


# F(n) = 2 F(n-2) + F(n-3) branches less.
def weaker_branching(n):
    if n < 3:
        return 1 if n else 0
    return 2 * weaker_branching(n - 2) + weaker_branching(n - 3)


# Remembers what it computed.
def recursion_with_memory(n):
    memory = {0: 0, 1: 1}

    def compute(k):
        if k not in memory:
            memory[k] = compute(k - 1) + compute(k - 2)
        return memory[k]

    return compute(n)


# Starts one number too late.
def wrong_shifted_by_one(n):
    a, b = 1, 1
    for _ in range(n):
        a, b = b, a + b
    return a


# Writes down the whole sequence.
def whole_sequence(n):
    numbers = [0, 1]
    while len(numbers) <= n:
        last = numbers[-1]
        before = numbers[-2]
        numbers.append(last + before)
    return numbers[n]


# Moves two steps of the sequence at a time.
def two_steps_at_a_time(n):
    a, b = 0, 1
    for _ in range(n // 2):
        a, b = a + b, a + 2 * b
    return b if n % 2 else a
