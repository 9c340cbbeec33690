"""Sums over many ranges: adding again, remembering answers, blocks, prefix sums."""

from random import Random

FUNCTION = "range_sums"
PROMPT = (
    "Write a Python function `range_sums(nums, queries)` that returns a list with one sum per pair `(start, end)` in "
    "`queries`: the sum of the elements of `nums` from index `start` up to and including index `end`."
)


def cases():
    """Short and long ranges, some asked twice."""
    rng = Random(11)
    chosen = []
    for size, asked in ((4, 3), (12, 6), (20, 8), (28, 10), (36, 12)):
        queries = [tuple(sorted((rng.randrange(size), rng.randrange(size)))) for _ in range(asked)]
        chosen.append(([rng.randint(-9, 9) for _ in range(size)], [*queries, (0, size - 1), queries[0], queries[1]]))
    return chosen


def reference(nums, queries):
    """The sum of each slice."""
    return [sum(nums[start : end + 1]) for start, end in queries]


# Looks at every element for every query.
def every_element_for_every_query(nums, queries):
    sums = []
    for start, end in queries:
        total = 0
        for i in range(len(nums)):
            if start <= i <= end:
                total += nums[i]
        sums.append(total)
    return sums


# Adds up each range.
def add_up_each_range(nums, queries):
    sums = []
    for start, end in queries:
        total = 0
        for i in range(start, end + 1):
            total += nums[i]
        sums.append(total)
    return sums


# Adds up each range once and remembers it for repeated queries.
def remember_answers(nums, queries):
    known = {}
    sums = []
    for query in queries:
        if query not in known:
            start, end = query
            total = 0
            for i in range(start, end + 1):
                total += nums[i]
            known[query] = total
        sums.append(known[query])
    return sums


# Prepares sums of blocks of four and steps over whole blocks.
def blocks_of_four(nums, queries):
    blocks = []
    for i in range(3, len(nums), 4):
        blocks.append(nums[i - 3] + nums[i - 2] + nums[i - 1] + nums[i])
    sums = []
    for start, end in queries:
        total = 0
        i = start
        while i <= end:
            if i % 4 == 0 and i + 3 <= end:
                total += blocks[i // 4]
                i += 4
            else:
                total += nums[i]
                i += 1
        sums.append(total)
    return sums


# Every sum is the difference of two sums from the beginning.
def prefix_sums(nums, queries):
    prefix = [0]
    for num in nums:
        prefix.append(prefix[-1] + num)
    sums = []
    for start, end in queries:
        sums.append(prefix[end + 1] - prefix[start])
    return sums
