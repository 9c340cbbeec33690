"""The value that fills more than half of a list: counting in several ways, and the vote."""

from random import Random

FUNCTION = "majority_element"
PROMPT = (
    "Write a Python function `majority_element(nums)` that returns the value that occurs more than "
    "`len(nums) // 2` times in the list `nums` of integers from 0 to 15. There is always one."
)


def cases():
    """Shuffled lists with a bare or a clear majority, and some that start with another value."""
    rng = Random(4)
    chosen = [([6],), ([2, 5, 5],), ([3, 7, 7, 3, 7],)]
    for size in (3, 4, 5, 5, 6, 7):
        rest = (size - 1) // 2
        nums = [9] * (size - rest) + rng.sample(range(9), rest)
        rng.shuffle(nums)
        chosen.append((nums,))
    return chosen


def reference(nums):
    """The most frequent value."""
    return max(nums, key=nums.count)


# Counts every element over the whole list and keeps the best count.
def count_for_every_element(nums):
    best, best_count = None, 0
    for candidate in nums:
        count = 0
        for num in nums:
            if num == candidate:
                count += 1
        if count > best_count:
            best, best_count = candidate, count
    return best


# Stops at the first element whose count is large enough.
def stop_at_the_majority(nums):
    for candidate in nums:
        count = 0
        for num in nums:
            if num == candidate:
                count += 1
        if count > len(nums) // 2:
            return candidate


# Insertion sort puts the majority in the middle.
def middle_after_sorting(nums):
    for i in range(1, len(nums)):
        k = i
        while k > 0 and nums[k - 1] > nums[k]:
            nums[k - 1], nums[k] = nums[k], nums[k - 1]
            k -= 1
    return nums[len(nums) // 2]


# Builds the answer bit by bit from the majority of every bit (four bits are enough).
def majority_of_every_bit(nums):
    answer = 0
    for bit in (1, 2, 4, 8):
        count = 0
        for num in nums:
            if num & bit:
                count += 1
        if count > len(nums) // 2:
            answer += bit
    return answer


# The middle element is the majority only in a sorted list.
def wrong_middle_without_sorting(nums):
    return nums[len(nums) // 2]


# Counts with a dictionary and stops when one count is large enough.
def dictionary_of_counts(nums):
    counts = {}
    for num in nums:
        if num not in counts:
            counts[num] = 0
        counts[num] += 1
        if counts[num] > len(nums) // 2:
            return num


# Every other value takes a vote from the candidate; without votes the next element becomes the candidate.
def vote_against_each_other(nums):
    votes = 0
    for num in nums:
        if votes == 0:
            candidate = num
        votes += 1 if num == candidate else -1
    return candidate
