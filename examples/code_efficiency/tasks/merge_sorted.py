"""Two sorted lists into one: sorting again, inserting, walking along both."""

from random import Random

FUNCTION = "merge_sorted"
PROMPT = (
    "Write a Python function `merge_sorted(a, b)` that returns one ascending list with all elements of the two "
    "ascending lists `a` and `b`."
)


def cases():
    """Lists of unequal sizes, empty ones, and lists that follow one another."""
    rng = Random(8)
    chosen = [([], []), ([], [1, 2]), ([3], []), ([1, 2, 3], [4, 5]), ([6, 7], [1, 2])]
    for size in (2, 3, 4, 5, 6):
        values = [rng.randint(0, 20) for _ in range(2 * size - 1)]
        chosen.append((sorted(values[:size]), sorted(values[size:])))
    return chosen


def reference(a, b):
    """Sorts everything."""
    return sorted(a + b)


# Takes all elements and sorts by bubbling through all of them again and again.
def bubble_everything(a, b):
    merged = []
    for x in a:
        merged.append(x)
    for x in b:
        merged.append(x)
    for _ in range(len(merged)):
        for k in range(1, len(merged)):
            if merged[k - 1] > merged[k]:
                merged[k - 1], merged[k] = merged[k], merged[k - 1]
    return merged


# Takes the smallest element left, again and again.
def repeated_minimum(a, b):
    rest = []
    for x in a:
        rest.append(x)
    for x in b:
        rest.append(x)
    for i in range(len(rest)):
        for k in range(i + 1, len(rest)):
            if rest[k] < rest[i]:
                rest[i], rest[k] = rest[k], rest[i]
    return rest


# Pushes every element of b down to its place in a.
def insert_one_by_one(a, b):
    for x in b:
        a.append(x)
        k = len(a) - 1
        while k > 0 and a[k - 1] > a[k]:
            a[k - 1], a[k] = a[k], a[k - 1]
            k -= 1
    return a


# For every element of a, starts at the beginning of b to see which ones go first.
def look_from_the_start_of_b(a, b):
    merged = []
    used = 0
    for x in a:
        for k in range(len(b)):
            if k == used and b[k] < x:
                merged.append(b[k])
                used += 1
        merged.append(x)
    while used < len(b):
        merged.append(b[used])
        used += 1
    return merged


# Forgets what is left of b at the end.
def wrong_drops_the_rest_of_b(a, b):
    merged = []
    j = 0
    for x in a:
        while j < len(b) and b[j] < x:
            merged.append(b[j])
            j += 1
        merged.append(x)
    return merged


# Walks along both lists.
def walk_along_both(a, b):
    merged = []
    j = 0
    for x in a:
        while j < len(b) and b[j] < x:
            merged.append(b[j])
            j += 1
        merged.append(x)
    while j < len(b):
        merged.append(b[j])
        j += 1
    return merged
