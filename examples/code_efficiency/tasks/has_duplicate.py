"""Is a value there twice: pairs, sorting, a set."""

from random import Random

FUNCTION = "has_duplicate"
PROMPT = "Write a Python function `has_duplicate(nums)` that returns True if some value occurs twice in `nums`."


def cases():
    """Lists without duplicates and with one, near or far apart."""
    rng = Random(3)
    chosen = [([],), ([4],), ([7, 1, 7],)]
    for size in (5, 6, 7, 8, 8, 9):
        nums = rng.sample(range(30), size)
        chosen += [(nums,), ([*nums, nums[size // 2]],)]
    return chosen


def reference(nums):
    """A set is shorter than a list with duplicates."""
    return len(set(nums)) < len(nums)


# Compares every element with every element.
def all_ordered_pairs(nums):
    found = False
    for i in range(len(nums)):
        for j in range(len(nums)):
            if i != j and nums[i] == nums[j]:
                found = True
    return found


# Every pair once, stopping at a hit.
def each_pair_once(nums):
    for i in range(len(nums)):
        for j in range(i):
            if nums[i] == nums[j]:
                return True
    return False


# Insertion sort, then neighbours.
def sort_then_neighbours(nums):
    ordered = []
    for num in nums:
        ordered.append(num)
        k = len(ordered) - 1
        while k > 0 and ordered[k - 1] > ordered[k]:
            ordered[k - 1], ordered[k] = ordered[k], ordered[k - 1]
            k -= 1
    for k in range(1, len(ordered)):
        if ordered[k - 1] == ordered[k]:
            return True
    return False


# Sees only duplicates that stand side by side.
def wrong_only_neighbours(nums):
    for k in range(1, len(nums)):
        if nums[k - 1] == nums[k]:
            return True
    return False


# Counts all values, then looks through the counts.
def count_all_values(nums):
    counts = {}
    for num in nums:
        if num in counts:
            counts[num] += 1
        else:
            counts[num] = 1
    for num in counts:
        if counts[num] > 1:
            return True
    return False


# Stops at the first value seen before.
def set_of_seen(nums):
    seen = set()
    for num in nums:
        if num in seen:
            return True
        seen.add(num)
    return False
