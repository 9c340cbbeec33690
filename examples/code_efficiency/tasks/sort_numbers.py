"""Sorting a short list: six well-known ways."""

from random import Random

FUNCTION = "sort_numbers"
PROMPT = (
    "Write a Python function `sort_numbers(nums)` that returns the integers of the list `nums`, each between 0 and "
    "9, in ascending order. Do not use `sorted` or `list.sort`."
)


def cases():
    """Random, sorted and reversed lists with up to 30 digits."""
    rng = Random(9)
    chosen = [([],), ([3],), ([0, 1, 2, 4, 5, 7, 8],), ([9, 8, 6, 5, 3, 1],)]
    return chosen + [([rng.randint(0, 9) for _ in range(size)],) for size in (6, 10, 14, 18, 24, 30)]


def reference(nums):
    """The built-in sort."""
    return sorted(nums)


# As many full rounds as there are elements.
def bubble_all_rounds(nums):
    for _ in range(len(nums)):
        for k in range(1, len(nums)):
            if nums[k - 1] > nums[k]:
                nums[k - 1], nums[k] = nums[k], nums[k - 1]
    return nums


# Stops after a round without a swap and leaves out the end that is in order.
def bubble_with_a_stop(nums):
    end = len(nums)
    while end > 1:
        last_swap = 0
        for k in range(1, end):
            if nums[k - 1] > nums[k]:
                nums[k - 1], nums[k] = nums[k], nums[k - 1]
                last_swap = k
        end = last_swap
    return nums


# The smallest of the rest goes to the front.
def selection(nums):
    for i in range(len(nums)):
        smallest = i
        for k in range(i + 1, len(nums)):
            if nums[k] < nums[smallest]:
                smallest = k
        nums[i], nums[smallest] = nums[smallest], nums[i]
    return nums


# Every element is moved down to its place.
def insertion(nums):
    for i in range(1, len(nums)):
        num = nums[i]
        k = i
        while k > 0 and nums[k - 1] > num:
            nums[k] = nums[k - 1]
            k -= 1
        nums[k] = num
    return nums


# Merges runs of length 1, 2, 4, ...
def merge_runs(nums):
    width = 1
    while width < len(nums):
        merged = []
        for start in range(0, len(nums), 2 * width):
            middle = min(start + width, len(nums))
            end = min(start + 2 * width, len(nums))
            i, j = start, middle
            for _ in range(start, end):
                if j == end or (i < middle and nums[i] <= nums[j]):
                    merged.append(nums[i])
                    i += 1
                else:
                    merged.append(nums[j])
                    j += 1
        nums = merged
        width *= 2
    return nums


# Counts every digit and writes the digits out again.
def counting(nums):
    counts = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    for num in nums:
        counts[num] += 1
    ordered = []
    for num in range(10):
        for _ in range(counts[num]):
            ordered.append(num)
    return ordered
