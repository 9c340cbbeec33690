"""The widest and highest container between two lines: pairs, skipped pairs, two pointers."""

from random import Random

FUNCTION = "most_water"
PROMPT = (
    "Write a Python function `most_water(heights)`: vertical lines of these heights stand at positions 0, 1, 2, ... "
    "Return the largest `(j - i) * min(heights[i], heights[j])` over all `i < j`. There are at least two lines."
)


def cases():
    """Mixed lines of many heights."""
    rng = Random(16)
    chosen = [([1, 1],), ([0, 5],), ([1, 9, 8, 1],), ([2, 8, 9, 1, 1],)]
    return chosen + [([rng.randint(1, 20) for _ in range(size)],) for size in (5, 6, 7, 8, 9, 10)]


def reference(heights):
    """All pairs."""
    return max((j - i) * min(heights[i], heights[j]) for j in range(len(heights)) for i in range(j))


# All pairs in both orders.
def all_ordered_pairs(heights):
    best = 0
    for i in range(len(heights)):
        for j in range(len(heights)):
            if i < j:
                best = max(best, (j - i) * min(heights[i], heights[j]))
    return best


# Every pair once.
def each_pair_once(heights):
    best = 0
    for i in range(len(heights)):
        for j in range(i + 1, len(heights)):
            best = max(best, (j - i) * min(heights[i], heights[j]))
    return best


# Passes over a left line that is no higher than an earlier one.
def higher_left_lines_only(heights):
    best, highest = 0, -1
    for i in range(len(heights)):
        if heights[i] > highest:
            highest = heights[i]
            for j in range(i + 1, len(heights)):
                best = max(best, (j - i) * min(heights[i], heights[j]))
    return best


# Walks in from the right only until the first line at least as high as the left one, and the same mirrored.
def stop_at_a_line_as_high(heights):
    best = 0
    for i in range(len(heights)):
        j = len(heights) - 1
        while heights[j] < heights[i]:
            j -= 1
        best = max(best, (j - i) * heights[i])
        j = 0
        while heights[j] < heights[i]:
            j += 1
        best = max(best, (i - j) * heights[i])
    return best


# Moving away from the higher line throws good pairs away.
def wrong_moves_the_higher_line(heights):
    i, j = 0, len(heights) - 1
    best = 0
    while i < j:
        best = max(best, (j - i) * min(heights[i], heights[j]))
        if heights[i] > heights[j]:
            i += 1
        else:
            j -= 1
    return best


# Moves the lower line inwards.
def two_pointers(heights):
    i, j = 0, len(heights) - 1
    best = 0
    while i < j:
        best = max(best, (j - i) * min(heights[i], heights[j]))
        if heights[i] < heights[j]:
            i += 1
        else:
            j -= 1
    return best
