"""The pair that adds up to a target: from all pairs down to one pass with a dictionary."""

from random import Random

FUNCTION = "two_sum"
PROMPT = (
    "Write a Python function `two_sum(nums, target)` that returns the indices `[i, j]` with `i < j` of the only two "
    "elements of the list `nums` whose sum is `target`."
)


def cases():
    """Lists in which exactly one pair fits, half of them with a lone element equal to half the target."""
    chosen = [([3, 1, 5], 6), ([4, 9, 2, 6], 8)]
    rng = Random(1)
    while len(chosen) < 14:
        nums = rng.sample(range(1, 60), rng.randint(4, 9))
        target = nums[-1] + nums[-2 - len(chosen) % 3]
        if sum(a + b == target for i, a in enumerate(nums) for b in nums[:i]) == 1:
            chosen.append((nums, target))
    return chosen


def reference(nums, target):
    """Straight from the statement."""
    return next([i, j] for j in range(len(nums)) for i in range(j) if nums[i] + nums[j] == target)


# Looks at every ordered pair, and goes on after the answer is known.
def all_ordered_pairs(nums, target):
    answer = []
    for i in range(len(nums)):
        for j in range(len(nums)):
            if i < j and nums[i] + nums[j] == target:
                answer = [i, j]
    return answer


# Every pair once, stopping at the answer.
def each_pair_once(nums, target):
    for i in range(len(nums)):
        for j in range(i + 1, len(nums)):
            if nums[i] + nums[j] == target:
                return [i, j]


# The element itself is its own partner when the target is twice its value.
def wrong_uses_an_element_twice(nums, target):
    where = {}
    for i in range(len(nums)):
        where[nums[i]] = i
    for i in range(len(nums)):
        if target - nums[i] in where:
            return [i, where[target - nums[i]]]


# Sorts the indices by insertion, then closes in from both ends.
def sort_then_two_pointers(nums, target):
    order = []
    for i in range(len(nums)):
        order.append(i)
        k = i
        while k > 0 and nums[order[k - 1]] > nums[order[k]]:
            order[k - 1], order[k] = order[k], order[k - 1]
            k -= 1
    low, high = 0, len(nums) - 1
    while nums[order[low]] + nums[order[high]] != target:
        if nums[order[low]] + nums[order[high]] < target:
            low += 1
        else:
            high -= 1
    return [min(order[low], order[high]), max(order[low], order[high])]


# Fills a dictionary first, then looks for the partners.
def two_passes_with_dictionary(nums, target):
    where = {}
    for i in range(len(nums)):
        where[nums[i]] = i
    for i in range(len(nums)):
        partner = target - nums[i]
        if partner in where and where[partner] != i:
            return [i, where[partner]]


# Looks for the partner among the elements already seen.
def one_pass_with_dictionary(nums, target):
    where = {}
    for j, num in enumerate(nums):
        if target - num in where:
            return [where[target - num], j]
        where[num] = j
