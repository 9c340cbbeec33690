"""The longest increasing subsequence: branching, memory, a table, ends of subsequences."""

from random import Random

FUNCTION = "longest_increasing"
PROMPT = (
    "Write a Python function `longest_increasing(nums)` that returns the length of the longest strictly increasing "
    "subsequence of the list `nums`. The elements of a subsequence need not be neighbours."
)


def cases():
    """Short lists, rising, falling and mixed."""
    rng = Random(19)
    chosen = [([],), ([3],), ([5, 3, 1],), ([2, 2, 2],), ([1, 5, 2, 3],)]
    return chosen + [([rng.randint(0, 12) for _ in range(size)],) for size in (5, 5, 6, 6, 7, 7)]


def reference(nums):
    """The best length that ends at each element."""
    best = []
    for i, num in enumerate(nums):
        best.append(1 + max((best[j] for j in range(i) if nums[j] < num), default=0))
    return max(best, default=0)


# Takes or leaves every element.
def take_or_leave(nums):
    def solve(i, last):
        if i == len(nums):
            return 0
        best = solve(i + 1, last)
        if last is None or nums[i] > last:
            best = max(best, 1 + solve(i + 1, nums[i]))
        return best

    return solve(0, None)


# Goes on from every element to every larger one.
def continue_from_each(nums):
    def solve(i):
        best = 0
        for j in range(i + 1, len(nums)):
            if nums[j] > nums[i]:
                best = max(best, solve(j))
        return 1 + best

    longest = 0
    for i in range(len(nums)):
        longest = max(longest, solve(i))
    return longest


# The best length that ends at each element, from all earlier ones.
def table_of_lengths(nums):
    best, longest = [], 0
    for i in range(len(nums)):
        length = 1
        for j in range(i):
            if nums[j] < nums[i]:
                length = max(length, best[j] + 1)
        best.append(length)
        longest = max(longest, length)
    return longest


# Counts only runs of neighbours.
def wrong_counts_neighbours_only(nums):
    longest = length = 1 if nums else 0
    for i in range(1, len(nums)):
        length = length + 1 if nums[i] > nums[i - 1] else 1
        longest = max(longest, length)
    return longest


# Keeps the smallest end for every length and scans the ends.
def scan_smallest_ends(nums):
    ends = []
    for num in nums:
        k = 0
        while k < len(ends) and ends[k] < num:
            k += 1
        if k == len(ends):
            ends.append(num)
        else:
            ends[k] = num
    return len(ends)


# Goes on from every element, from the right, so that the later lengths are known.
def lengths_from_the_right(nums):
    length, longest = {}, 0
    for i in range(len(nums) - 1, -1, -1):
        best = 0
        for j in range(i + 1, len(nums)):
            if nums[j] > nums[i] and length[j] > best:
                best = length[j]
                if best == longest:
                    break
        length[i] = best + 1
        longest = max(longest, best + 1)
    return longest
