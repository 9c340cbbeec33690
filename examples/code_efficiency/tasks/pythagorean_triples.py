"""Right triangles with whole sides: three loops, two loops, two pointers, a set of squares."""

FUNCTION = "count_triples"
PROMPT = (
    "Write a Python function `count_triples(n)` that returns how many triples of integers `1 <= a < b < c <= n` "
    "satisfy `a * a + b * b == c * c`."
)


def cases():
    """Limits below, at and above the first triples."""
    return [(n,) for n in (0, 3, 5, 7, 10, 12, 13)]


def reference(n):
    """All triples."""
    return sum(a * a + b * b == c * c for c in range(1, n + 1) for b in range(1, c) for a in range(1, b))


# The sides in ascending order only.
def three_ascending_loops(n):
    count = 0
    for a in range(1, n + 1):
        for b in range(a + 1, n + 1):
            for c in range(b + 1, n + 1):
                if a * a + b * b == c * c:
                    count += 1
    return count


# For two sides, walks up to the third.
def walk_up_to_the_third_side(n):
    count = 0
    for a in range(1, n + 1):
        for b in range(a + 1, n + 1):
            c = b + 1
            while c <= n and c * c < a * a + b * b:
                c += 1
            if c <= n and c * c == a * a + b * b:
                count += 1
    return count


# From the longest side down; the shortest side stops growing when the sum is large enough.
def loops_with_a_stop(n):
    count = 0
    for c in range(1, n + 1):
        for b in range(1, c):
            for a in range(1, b):
                if a * a + b * b >= c * c:
                    if a * a + b * b == c * c:
                        count += 1
                    break
    return count


# Looks up the sum of two squares.
def set_of_squares(n):
    squares = set()
    for c in range(1, n + 1):
        squares.add(c * c)
    count = 0
    for b in range(1, n):
        for a in range(1, b):
            if a * a + b * b in squares:
                count += 1
    return count


# For every longest side, closes in from both ends.
def two_pointers(n):
    count = 0
    for c in range(5, n + 1):
        a, b = 1, c - 1
        while a < b:
            rest = c * c - a * a - b * b
            if rest == 0:
                count += 1
            if rest > 0:
                a += 1
            else:
                b -= 1
    return count
