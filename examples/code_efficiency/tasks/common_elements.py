"""What two ascending lists share: nested scans, halving, a set, two pointers."""

from random import Random

FUNCTION = "common_elements"
PROMPT = (
    "Write a Python function `common_elements(a, b)` that returns, in ascending order, the numbers that are in both "
    "lists. `a` and `b` are ascending and hold no number twice."
)


def cases():
    """Lists of equal and unequal sizes, disjoint, equal and empty ones."""
    rng = Random(13)
    chosen = [([], [1, 2]), ([1, 3, 5], [2, 4, 6]), ([2, 4, 7], [2, 4, 7])]
    for sizes in ((8, 20), (18, 12), (20, 20), (24, 22), (10, 24)):
        chosen.append(tuple(sorted(rng.sample(range(50), size)) for size in sizes))
    return chosen


def reference(a, b):
    """The intersection of two sets."""
    return sorted(set(a) & set(b))


# Compares every element with every element.
def all_against_all(a, b):
    shared = []
    for x in a:
        for y in b:
            if x == y:
                shared.append(x)
    return shared


# Stops when the other list has caught up.
def stop_when_caught_up(a, b):
    shared = []
    for x in a:
        i = 0
        while i < len(b) and b[i] < x:
            i += 1
        if i < len(b) and b[i] == x:
            shared.append(x)
    return shared


# Stops at a match only.
def stop_at_a_match(a, b):
    shared = []
    for x in a:
        for y in b:
            if x == y:
                shared.append(x)
                break
    return shared


# Halves the other list for every element.
def binary_search_for_each(a, b):
    shared = []
    for x in a:
        low, high = 0, len(b)
        while low < high:
            middle = (low + high) // 2
            if b[middle] < x:
                low = middle + 1
            else:
                high = middle
        if low < len(b) and b[low] == x:
            shared.append(x)
    return shared


# Puts one list into a set.
def set_of_one_list(a, b):
    known = set()
    for x in a:
        known.add(x)
    shared = []
    for y in b:
        if y in known:
            shared.append(y)
    return shared


# Moves on in the list that is behind, until one list ends.
def two_pointers(a, b):
    shared = []
    i = 0
    for x in a:
        while i < len(b) and b[i] < x:
            i += 1
        if i == len(b):
            break
        if b[i] == x:
            shared.append(x)
    return shared
