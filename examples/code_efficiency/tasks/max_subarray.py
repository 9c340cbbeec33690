"""The largest sum of a run: cubic, quadratic, divide and conquer, linear."""

from random import Random

FUNCTION = "max_subarray"
PROMPT = (
    "Write a Python function `max_subarray(nums)` that returns the largest sum of a non-empty run of neighbouring "
    "elements of the list `nums`."
)


def cases():
    """Short lists of mixed sign, and lists with only negative numbers."""
    rng = Random(2)
    chosen = [([-3],), ([-5, -2, -7],), ([2, -1, 3],)]
    return chosen + [([rng.randint(-9, 9) for _ in range(size)],) for size in (4, 5, 5, 6, 6, 7, 7)]


def reference(nums):
    """The largest of all sums."""
    return max(sum(nums[i:j]) for i in range(len(nums)) for j in range(i + 1, len(nums) + 1))


# Adds up every run from scratch.
def every_run_from_scratch(nums):
    best = nums[0]
    for i in range(len(nums)):
        for j in range(i, len(nums)):
            total = 0
            for k in range(i, j + 1):
                total += nums[k]
            if total > best:
                best = total
    return best


# Keeps the sum while a run grows.
def growing_runs(nums):
    best = nums[0]
    for i in range(len(nums)):
        total = 0
        for j in range(i, len(nums)):
            total += nums[j]
            if total > best:
                best = total
    return best


# Each run is the difference of two prefix sums.
def differences_of_prefix_sums(nums):
    prefix = [0]
    for num in nums:
        prefix.append(prefix[-1] + num)
    best = nums[0]
    for i in range(len(nums)):
        for j in range(i + 1, len(prefix)):
            best = max(best, prefix[j] - prefix[i])
    return best


# Left half, right half, or a run across the middle.
def divide_and_conquer(nums):
    def solve(low, high):
        if low == high:
            return nums[low]
        middle = (low + high) // 2
        left = total = nums[middle]
        for i in range(middle - 1, low - 1, -1):
            total += nums[i]
            left = max(left, total)
        right = total = nums[middle + 1]
        for i in range(middle + 2, high + 1):
            total += nums[i]
            right = max(right, total)
        return max(left + right, solve(low, middle), solve(middle + 1, high))

    return solve(0, len(nums) - 1)


# Starting from 0 allows the empty run, which wins when all numbers are negative.
def wrong_allows_the_empty_run(nums):
    best = current = 0
    for num in nums:
        current = max(0, current + num)
        best = max(best, current)
    return best


# The best run that ends here is the element alone or the element after the best run before it.
def best_run_ending_here(nums):
    best = current = nums[0]
    for i in range(1, len(nums)):
        current = max(nums[i], current + nums[i])
        best = max(best, current)
    return best
