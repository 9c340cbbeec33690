"""Rain held between bars: by layers, by scans, by remembered maxima."""

from random import Random

FUNCTION = "trapped_water"
PROMPT = (
    "Write a Python function `trapped_water(heights)`: `heights` are the heights, from 0 to 5, of neighbouring bars "
    "of width 1. Return how many units of rain water stay between them."
)


def cases():
    """Basins, slopes and mixed bars of heights 0 to 5."""
    rng = Random(14)
    chosen = [([],), ([2],), ([3, 0, 3],), ([1, 2, 4],), ([4, 2, 1],), ([3, 1, 2, 0, 4],)]
    return chosen + [([rng.randint(0, 5) for _ in range(size)],) for size in (5, 6, 7, 8, 9)]


def reference(heights):
    """Above every bar, up to the lower of the maxima on both sides."""
    return sum(min(max(heights[: i + 1]), max(heights[i:])) - heights[i] for i in range(len(heights)))


# Cell by cell: walks to both sides until a bar reaches this height.
def cell_by_cell(heights):
    water = 0
    for i in range(len(heights)):
        for level in range(heights[i] + 1, 6):
            left = i - 1
            while left >= 0 and heights[left] < level:
                left -= 1
            right = i + 1
            while right < len(heights) and heights[right] < level:
                right += 1
            if left >= 0 and right < len(heights):
                water += 1
    return water


# Layer by layer: gaps between the bars that reach this height.
def layer_by_layer(heights):
    water = 0
    for level in range(1, 6):
        last = None
        for i in range(len(heights)):
            if heights[i] >= level:
                if last is not None:
                    water += i - last - 1
                last = i
    return water


# Looks for the highest bar on both sides of every bar.
def scan_both_sides_of_each(heights):
    water = 0
    for i in range(len(heights)):
        left = right = heights[i]
        for j in range(i):
            left = max(left, heights[j])
        for j in range(i + 1, len(heights)):
            right = max(right, heights[j])
        water += min(left, right) - heights[i]
    return water


# The maximum on the left is carried along, the one on the right is looked for.
def scan_the_right_side_of_each(heights):
    water = left = 0
    for i in range(len(heights)):
        left = max(left, heights[i])
        right = heights[i]
        for j in range(i + 1, len(heights)):
            right = max(right, heights[j])
        water += min(left, right) - heights[i]
    return water


# Writes down the maxima from the right first.
def list_of_maxima(heights):
    maxima = []
    right = 0
    for i in range(len(heights) - 1, -1, -1):
        right = max(right, heights[i])
        maxima.append(right)
    water = left = 0
    for height in heights:
        left = max(left, height)
        water += min(left, maxima.pop()) - height
    return water


# Moves inwards on the lower side.
def two_pointers(heights):
    low, high = 0, len(heights) - 1
    water = level = 0
    while low < high:
        if heights[low] < heights[high]:
            lower = heights[low]
            low += 1
        else:
            lower = heights[high]
            high -= 1
        level = max(level, lower)
        water += level - lower
    return water
