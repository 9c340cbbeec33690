"""The longest run of consecutive integers in any order: scans, sorting, sets."""

from random import Random

FUNCTION = "longest_consecutive"
PROMPT = (
    "Write a Python function `longest_consecutive(nums)` that returns how many consecutive integers, such as 4, 5, "
    "6, can be found at most in the list `nums`, in any order. Numbers may occur more than once."
)


def cases():
    """Shuffled lists with runs of several lengths and repeated numbers."""
    rng = Random(20)
    chosen = [([],), ([7],), ([1, 2, 2, 3],), ([5, 1, 3],)]
    for size in (4, 5, 6, 7):
        nums = [*range(3, 1 + size), 4, 20 + size]
        rng.shuffle(nums)
        chosen.append((nums,))
    return chosen


def reference(nums):
    """The longest range that is contained."""
    present = set(nums)
    return max((k for k in range(len(nums) + 1) for num in nums if present >= set(range(num, num + k))), default=0)


# Looks for every next number in the whole list.
def scan_for_every_next_number(nums):
    longest = 0
    for start in nums:
        length, found = 0, True
        while found:
            found = False
            for num in nums:
                if num == start + length:
                    found = True
                    break
            if found:
                length += 1
        longest = max(longest, length)
    return longest


# Still scans, but only from numbers without a smaller neighbour.
def scan_from_the_lowest_only(nums):
    def present(number):
        for num in nums:
            if num == number:
                return True
        return False

    longest = 0
    for start in nums:
        if not present(start - 1):
            length = 1
            while present(start + length):
                length += 1
            longest = max(longest, length)
    return longest


# Insertion sort, then counts along, passing over equal numbers.
def sort_then_count(nums):
    for i in range(1, len(nums)):
        k = i
        while k > 0 and nums[k - 1] > nums[k]:
            nums[k - 1], nums[k] = nums[k], nums[k - 1]
            k -= 1
    longest = length = 1 if nums else 0
    for i in range(1, len(nums)):
        if nums[i] == nums[i - 1] + 1:
            length += 1
        elif nums[i] != nums[i - 1]:
            length = 1
        longest = max(longest, length)
    return longest


# Walks up from every number with the help of a set.
def walk_up_from_every_number(nums):
    present = set()
    for num in nums:
        present.add(num)
    longest = 0
    for start in nums:
        end = start
        while end in present:
            end += 1
        longest = max(longest, end - start)
    return longest


# Walks along the sorted numbers, but an equal number ends the run.
def wrong_equal_numbers_end_the_run(nums):
    for i in range(1, len(nums)):
        k = i
        while k > 0 and nums[k - 1] > nums[k]:
            nums[k - 1], nums[k] = nums[k], nums[k - 1]
            k -= 1
    longest = length = 1 if nums else 0
    for i in range(1, len(nums)):
        length = length + 1 if nums[i] == nums[i - 1] + 1 else 1
        longest = max(longest, length)
    return longest


# Walks up only from numbers without a smaller neighbour.
def walk_up_from_the_lowest(nums):
    present = set()
    for num in nums:
        present.add(num)
    longest = 0
    for start in present:
        if start - 1 not in present:
            end = start + 1
            while end in present:
                end += 1
            longest = max(longest, end - start)
    return longest


# Every new number joins the runs on both sides; the ends of a run know its length.
def join_runs(nums):
    length = {}
    longest = 0
    for num in nums:
        if num not in length:
            left = length.get(num - 1, 0)
            right = length.get(num + 1, 0)
            length[num] = length[num - left] = length[num + right] = left + 1 + right
            longest = max(longest, left + 1 + right)
    return longest
