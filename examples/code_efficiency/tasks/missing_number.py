"""The one number left out of 0..n: scans, sorting, a table, a sum."""

from random import Random

FUNCTION = "missing_number"
PROMPT = (
    "Write a Python function `missing_number(nums)`: the list `nums` holds n different numbers out of 0, 1, ..., n "
    "in any order. Return the one that is missing."
)


def cases():
    """Shuffled ranges that lack the first, the last or an inner number."""
    rng = Random(6)
    chosen = [([0],), ([1],), ([],)]
    for size in (3, 4, 5, 6):
        for missing in (0, size // 2, size):
            nums = [k for k in range(size + 1) if k != missing]
            rng.shuffle(nums)
            chosen.append((nums,))
    return chosen


def reference(nums):
    """The only element of the difference of two sets."""
    return (set(range(len(nums) + 1)) - set(nums)).pop()


# Compares every candidate with every element.
def all_candidates_no_stop(nums):
    missing = None
    for candidate in range(len(nums) + 1):
        present = False
        for num in nums:
            if num == candidate:
                present = True
        if not present:
            missing = candidate
    return missing


# Stops looking when a candidate is found, and stops at the missing one.
def stop_as_soon_as_possible(nums):
    for candidate in range(len(nums) + 1):
        k = 0
        while k < len(nums) and nums[k] != candidate:
            k += 1
        if k == len(nums):
            return candidate


# Insertion sort, then the first number that is not at its own index.
def sort_and_compare(nums):
    for i in range(1, len(nums)):
        k = i
        while k > 0 and nums[k - 1] > nums[k]:
            nums[k - 1], nums[k] = nums[k], nums[k - 1]
            k -= 1
    for i in range(len(nums)):
        if nums[i] != i:
            return i
    return len(nums)


# Puts every number at its own index; the place left over is the answer.
def put_in_place(nums):
    for i in range(len(nums)):
        while nums[i] < len(nums) and nums[i] != i:
            home = nums[i]
            nums[i], nums[home] = nums[home], nums[i]
    for i in range(len(nums)):
        if nums[i] != i:
            return i
    return len(nums)


# Assumes that n itself is present.
def wrong_when_the_last_is_missing(nums):
    seen = set()
    for num in nums:
        seen.add(num)
    for candidate in range(len(nums)):
        if candidate not in seen:
            return candidate
    return 0


# Collects the numbers in a set, then asks for each candidate.
def set_of_numbers(nums):
    seen = set()
    for num in nums:
        seen.add(num)
    candidate = 0
    while candidate in seen:
        candidate += 1
    return candidate


# The sum of 0..n is known.
def difference_of_sums(nums):
    missing = len(nums) * (len(nums) + 1) // 2
    for num in nums:
        missing -= num
    return missing
