"""Runs with a given sum: cubic, quadratic, prefix sums in a dictionary."""

from random import Random

FUNCTION = "count_subarrays"
PROMPT = (
    "Write a Python function `count_subarrays(nums, target)` that returns how many non-empty runs of neighbouring "
    "elements of `nums` have the sum `target`. Elements may be negative."
)


def cases():
    """Short lists of small numbers, so that sums repeat."""
    rng = Random(18)
    chosen = [([], 0), ([0, 0], 0), ([1, -1, 1], 1), ([3, -2, -1, 4], 0)]
    for size in (4, 5, 6, 6, 7, 7):
        chosen.append(([rng.randint(-3, 4) for _ in range(size)], rng.randint(0, 4)))
    return chosen


def reference(nums, target):
    """The sum of every slice."""
    return sum(sum(nums[i:j]) == target for j in range(len(nums) + 1) for i in range(j))


# Adds up every run from scratch.
def every_run_from_scratch(nums, target):
    count = 0
    for i in range(len(nums)):
        for j in range(i, len(nums)):
            total = 0
            for k in range(i, j + 1):
                total += nums[k]
            if total == target:
                count += 1
    return count


# Takes all prefix sums and compares all pairs of them, in both orders.
def all_pairs_of_prefix_sums(nums, target):
    prefix = [0]
    for num in nums:
        prefix.append(prefix[-1] + num)
    count = 0
    for i in range(len(prefix)):
        for j in range(len(prefix)):
            if i < j and prefix[j] - prefix[i] == target:
                count += 1
    return count


# Lets a run grow from every start.
def growing_runs(nums, target):
    count = 0
    for i in range(len(nums)):
        total = 0
        for j in range(i, len(nums)):
            total += nums[j]
            if total == target:
                count += 1
    return count


# Carries the number of runs that end here, by their sum.
def sums_of_runs_ending_here(nums, target):
    count = 0
    ending = {}
    for num in nums:
        longer = {num: 1}
        for total in ending:
            longer[total + num] = longer.get(total + num, 0) + ending[total]
        count += longer.get(target, 0)
        ending = longer
    return count


# A moving window needs sums that grow with the window: negative numbers break it.
def wrong_moving_window(nums, target):
    count = total = start = 0
    for end in range(len(nums)):
        total += nums[end]
        while total > target and start < end:
            total -= nums[start]
            start += 1
        if total == target:
            count += 1
    return count


# Counts the earlier prefix sums that make up the difference.
def dictionary_of_prefix_sums(nums, target):
    seen = {0: 1}
    count = total = 0
    for num in nums:
        total += num
        count += seen.get(total - target, 0)
        seen[total] = seen.get(total, 0) + 1
    return count
