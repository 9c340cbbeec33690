"""The value without a partner: counting, sorting, toggling, xor."""

from random import Random

FUNCTION = "single_number"
PROMPT = (
    "Write a Python function `single_number(nums)`: every value in the list `nums` occurs exactly twice, except one "
    "that occurs once. Return that one."
)


def cases():
    """Shuffled lists with one to four pairs."""
    rng = Random(7)
    chosen = [([8],)]
    for pairs in (1, 1, 2, 2, 3, 3, 4):
        values = rng.sample(range(20), pairs + 1)
        nums = values + values[1:]
        rng.shuffle(nums)
        chosen.append((nums,))
    return chosen


def reference(nums):
    """The value that is counted once."""
    return next(num for num in nums if nums.count(num) == 1)


# Counts every element over the whole list.
def count_everything(nums):
    answer = None
    for candidate in nums:
        count = 0
        for num in nums:
            if num == candidate:
                count += 1
        if count == 1:
            answer = candidate
    return answer


# Looks for a partner of each element and stops at the first without one.
def look_for_a_partner(nums):
    for i in range(len(nums)):
        alone = True
        for j in range(len(nums)):
            if i != j and nums[i] == nums[j]:
                alone = False
                break
        if alone:
            return nums[i]


# Insertion sort, then pairs of neighbours.
def sort_then_pairs(nums):
    for i in range(1, len(nums)):
        k = i
        while k > 0 and nums[k - 1] > nums[k]:
            nums[k - 1], nums[k] = nums[k], nums[k - 1]
            k -= 1
    i = 0
    while i + 1 < len(nums) and nums[i] == nums[i + 1]:
        i += 2
    return nums[i]


# Counts with a dictionary, then looks for the count of one.
def dictionary_of_counts(nums):
    counts = {}
    for num in nums:
        if num in counts:
            counts[num] += 1
        else:
            counts[num] = 1
    for num in counts:
        if counts[num] == 1:
            return num


# A value goes into the set and out again.
def in_and_out_of_a_set(nums):
    alone = set()
    for num in nums:
        if num in alone:
            alone.discard(num)
        else:
            alone.add(num)
    return alone.pop()


# Equal values cancel each other.
def exclusive_or(nums):
    answer = 0
    for num in nums:
        answer ^= num
    return answer
