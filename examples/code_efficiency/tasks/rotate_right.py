"""Rotation of a list: one step at a time, by reversals, or straight to the new places."""

FUNCTION = "rotate_right"
PROMPT = (
    "Write a Python function `rotate_right(nums, k)` that returns the list `nums` rotated to the right by `k` steps: "
    "`rotate_right([1, 2, 3, 4], 1)` is `[4, 1, 2, 3]`. `k` may be larger than the length; `nums` may be empty."
)


def cases():
    """Small and large steps, none, whole turns and more."""
    sizes_and_steps = [(0, 3), (1, 4), (2, 1), (4, 0), (4, 4), (5, 2), (6, 5), (7, 3), (6, 9), (5, 8), (8, 2), (7, 4)]
    return [(list(range(10, 10 + size)), k) for size, k in sizes_and_steps]


def reference(nums, k):
    """Two slices."""
    k %= max(len(nums), 1)
    return nums[len(nums) - k :] + nums[: len(nums) - k]


# Swaps the last element down to the front, k times.
def swap_down_step_by_step(nums, k):
    for _ in range(k):
        for i in range(len(nums) - 1, 0, -1):
            nums[i], nums[i - 1] = nums[i - 1], nums[i]
    return nums


# The same, without whole turns.
def swap_down_without_whole_turns(nums, k):
    if not nums:
        return nums
    for _ in range(k % len(nums)):
        for i in range(len(nums) - 1, 0, -1):
            nums[i], nums[i - 1] = nums[i - 1], nums[i]
    return nums


# Turns left instead when that is shorter.
def swap_in_the_shorter_direction(nums, k):
    if not nums:
        return nums
    k %= len(nums)
    if 2 * k <= len(nums):
        for _ in range(k):
            for i in range(len(nums) - 1, 0, -1):
                nums[i], nums[i - 1] = nums[i - 1], nums[i]
    else:
        for _ in range(len(nums) - k):
            for i in range(1, len(nums)):
                nums[i], nums[i - 1] = nums[i - 1], nums[i]
    return nums


# Reverses the whole list and then both parts.
def three_reversals(nums, k):
    def turn_around(low, high):
        while low < high:
            nums[low], nums[high] = nums[high], nums[low]
            low += 1
            high -= 1

    if nums:
        k %= len(nums)
        turn_around(0, len(nums) - 1)
        turn_around(0, k - 1)
        turn_around(k, len(nums) - 1)
    return nums


# Keeps the last k elements in a second list while the others move up.
def stack_of_the_last(nums, k):
    if not nums:
        return nums
    k %= len(nums)
    last = []
    for i in range(len(nums) - 1, len(nums) - 1 - k, -1):
        last.append(nums[i])
    for i in range(len(nums) - 1, k - 1, -1):
        nums[i] = nums[i - k]
    for i in range(k):
        nums[i] = last.pop()
    return nums


# Reads every element from where it was.
def read_from_the_old_places(nums, k):
    rotated = []
    for i in range(len(nums)):
        rotated.append(nums[(i - k) % len(nums)])
    return rotated
