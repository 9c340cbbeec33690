"""Pairs in the wrong order: comparing pairs, sorting, merging, counting by value."""

from random import Random

FUNCTION = "count_inversions"
PROMPT = (
    "Write a Python function `count_inversions(nums)` that returns the number of pairs of indices `i < j` with "
    "`nums[i] > nums[j]`. All elements are integers from 1 to 15."
)


def cases():
    """Sorted, reversed, equal and mixed lists."""
    rng = Random(15)
    chosen = [([],), ([2, 1],), ([1, 3, 4, 8, 9],), ([9, 7, 5, 2, 1],), ([4, 4, 4],)]
    return chosen + [([rng.randint(1, 15) for _ in range(size)],) for size in (16, 24, 32, 40)]


def reference(nums):
    """All pairs."""
    return sum(nums[i] > nums[j] for j in range(len(nums)) for i in range(j))


# Looks at all pairs in both orders.
def all_ordered_pairs(nums):
    count = 0
    for i in range(len(nums)):
        for j in range(len(nums)):
            if i < j and nums[i] > nums[j]:
                count += 1
    return count


# Every pair once.
def each_pair_once(nums):
    count = 0
    for i in range(len(nums)):
        for j in range(i):
            if nums[j] > nums[i]:
                count += 1
    return count


# Insertion sort undoes one inversion per move.
def moves_of_an_insertion_sort(nums):
    count = 0
    for i in range(1, len(nums)):
        k = i
        while k > 0 and nums[k - 1] > nums[k]:
            nums[k - 1], nums[k] = nums[k], nums[k - 1]
            count += 1
            k -= 1
    return count


# An element taken from the right half passes all that wait in the left half.
def merge_and_count(nums):
    count, width = 0, 1
    while width < len(nums):
        merged = []
        for start in range(0, len(nums), 2 * width):
            middle, end = min(start + width, len(nums)), min(start + 2 * width, len(nums))
            i, j = start, middle
            for _ in range(start, end):
                if j == end or (i < middle and nums[i] <= nums[j]):
                    merged.append(nums[i])
                    i += 1
                else:
                    merged.append(nums[j])
                    count += middle - i
                    j += 1
        nums, width = merged, 2 * width
    return count


# Counts how often each value was seen and adds up the larger ones.
def seen_larger_values(nums):
    seen, values = {}, []
    count = 0
    for num in nums:
        if num not in seen:
            seen[num] = 0
            values.append(num)
        for value in values:
            count += seen[value] if value > num else 0
        seen[num] += 1
    return count


# A tree of partial counts over the values 1 to 15.
def tree_of_counts(nums):
    tree = {}
    count = 0
    for seen, num in enumerate(nums):
        count += seen
        k = num
        while k > 0:
            count -= tree.get(k, 0)
            k -= k & -k
        k = num
        while k <= 15:
            tree[k] = tree.get(k, 0) + 1
            k += k & -k
    return count
