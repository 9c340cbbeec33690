"""The k-th smallest element: full sorting, partial sorting, ranks, partitioning."""

from random import Random

FUNCTION = "kth_smallest"
PROMPT = (
    "Write a Python function `kth_smallest(nums, k)` that returns the k-th smallest element of the list `nums`, "
    "where `k` counts from 1 and equal elements count separately."
)


def cases():
    """Lists with repeated values; small, middle and large k."""
    rng = Random(10)
    chosen = [([4], 1), ([2, 2, 1], 2)]
    for size, k in ((5, 1), (8, 2), (10, 4), (14, 7), (16, 6), (18, 12), (20, 10)):
        chosen.append(([rng.randint(0, 40) for _ in range(size)], k))
    return chosen


def reference(nums, k):
    """Sorts and picks."""
    return sorted(nums)[k - 1]


# Sorts everything in full rounds.
def bubble_then_pick(nums, k):
    for _ in range(len(nums)):
        for i in range(1, len(nums)):
            if nums[i - 1] > nums[i]:
                nums[i - 1], nums[i] = nums[i], nums[i - 1]
    return nums[k - 1]


# The answer has fewer than k smaller elements and at least k that are not larger.
def rank_of_each(nums, k):
    for candidate in nums:
        smaller = equal = 0
        for num in nums:
            if num < candidate:
                smaller += 1
            elif num == candidate:
                equal += 1
        if smaller < k <= smaller + equal:
            return candidate


# Sorts everything by insertion.
def insertion_then_pick(nums, k):
    for i in range(1, len(nums)):
        j = i
        while j > 0 and nums[j - 1] > nums[j]:
            nums[j - 1], nums[j] = nums[j], nums[j - 1]
            j -= 1
    return nums[k - 1]


# Moves the smallest of the rest to the front, k times.
def selection_in_k_rounds(nums, k):
    for i in range(k):
        for j in range(i + 1, len(nums)):
            if nums[j] < nums[i]:
                nums[i], nums[j] = nums[j], nums[i]
    return nums[k - 1]


# Splits around a pivot and goes on in the part that holds the answer.
def partition(nums, k):
    while True:
        pivot = nums[len(nums) // 2]
        smaller, larger = [], []
        for num in nums:
            if num < pivot:
                smaller.append(num)
            elif num > pivot:
                larger.append(num)
        if k <= len(smaller):
            nums = smaller
        elif k > len(nums) - len(larger):
            k -= len(nums) - len(larger)
            nums = larger
        else:
            return pivot
