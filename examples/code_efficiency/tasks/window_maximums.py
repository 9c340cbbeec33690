"""The maximum of every window: scanning again, scanning rarely, blocks, a queue."""

from random import Random

FUNCTION = "window_maximums"
PROMPT = (
    "Write a Python function `window_maximums(nums, k)` that returns the maximum of every run of `k` neighbouring "
    "elements of `nums`, from left to right. `1 <= k <= len(nums)`."
)


def cases():
    """Windows of one element, of the whole list, and between."""
    rng = Random(17)
    sizes = ((1, 1), (5, 1), (8, 4), (12, 6), (16, 8), (18, 10), (20, 9), (20, 12), (9, 9))
    return [([rng.randint(0, 30) for _ in range(size)], k) for size, k in sizes] + [
        ([19, 17, 16, 14, 13, 9, 7, 5, 4, 2, 1], 6)
    ]


def reference(nums, k):
    """The maximum of each slice."""
    return [max(nums[i : i + k]) for i in range(len(nums) - k + 1)]


# Looks at the whole list for every window.
def whole_list_for_each_window(nums, k):
    maxima = []
    for start in range(len(nums) - k + 1):
        largest = nums[start]
        for i in range(len(nums)):
            if start <= i < start + k and nums[i] > largest:
                largest = nums[i]
        maxima.append(largest)
    return maxima


# Scans every window.
def scan_each_window(nums, k):
    maxima = []
    for start in range(len(nums) - k + 1):
        largest = nums[start]
        for i in range(start + 1, start + k):
            if nums[i] > largest:
                largest = nums[i]
        maxima.append(largest)
    return maxima


# Works in rounds: the maxima of windows of length 2, 3, ... from those one shorter.
def grow_the_windows(nums, k):
    maxima = nums
    for length in range(2, k + 1):
        longer = []
        for start in range(len(nums) - length + 1):
            longer.append(max(maxima[start], nums[start + length - 1]))
        maxima = longer
    return maxima


# Scans again only when the maximum has left the window.
def scan_when_the_maximum_leaves(nums, k):
    maxima, where = [], -1
    for end in range(len(nums)):
        start = end - k + 1
        if where >= max(start, 0):
            if nums[end] >= nums[where]:
                where = end
        else:
            where = max(start, 0)
            for i in range(where + 1, end + 1):
                if nums[i] >= nums[where]:
                    where = i
        if start >= 0:
            maxima.append(nums[where])
    return maxima


# Leaves out the last window.
def wrong_misses_the_last_window(nums, k):
    maxima = []
    for start in range(len(nums) - k):
        largest = nums[start]
        for i in range(start + 1, start + k):
            largest = max(largest, nums[i])
        maxima.append(largest)
    return maxima


# A queue of indices with falling values; its head is the maximum.
def falling_queue(nums, k):
    maxima, queue = [], []
    head = 0
    for end in range(len(nums)):
        while len(queue) > head and nums[queue[-1]] <= nums[end]:
            queue.pop()
        queue.append(end)
        if queue[head] <= end - k:
            head += 1
        if end >= k - 1:
            maxima.append(nums[queue[head]])
    return maxima
