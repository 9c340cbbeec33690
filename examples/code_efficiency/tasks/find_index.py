"""Search in a sorted list: scans, jumps and halving."""

FUNCTION = "find_index"
PROMPT = (
    "Write a Python function `find_index(nums, target)` that returns the index of `target` in the ascending list of "
    "distinct numbers `nums`, or -1 if it is not there."
)


def cases():
    """Every third position of lists of several sizes, and values between, below and above."""
    chosen = [([], 3), ([5], 5), ([5], 4)]
    for size in (6, 18, 30, 36):
        nums = [k * k for k in range(1, size + 1)]
        chosen += [(nums, nums[k]) for k in range(size - 1, 0, -3)]
        chosen += [(nums, 0), (nums, 5), (nums, 2 * size * size)]
    return chosen


def reference(nums, target):
    """The index method of the list."""
    return nums.index(target) if target in nums else -1


# Goes through the whole list.
def whole_scan(nums, target):
    answer = -1
    for i in range(len(nums)):
        if nums[i] == target:
            answer = i
    return answer


# Stops at the target.
def stop_at_target(nums, target):
    for i in range(len(nums)):
        if nums[i] == target:
            return i
    return -1


# Stops at the first number that is not smaller.
def stop_when_not_smaller(nums, target):
    i = 0
    while i < len(nums) and nums[i] < target:
        i += 1
    if i < len(nums) and nums[i] == target:
        return i
    return -1


# Scans from the end that is closer in value.
def scan_from_the_closer_end(nums, target):
    if not nums or target < nums[0] or target > nums[-1]:
        return -1
    if target - nums[0] < nums[-1] - target:
        for i in range(len(nums)):
            if nums[i] >= target:
                return i if nums[i] == target else -1
    for i in range(len(nums) - 1, -1, -1):
        if nums[i] <= target:
            return i if nums[i] == target else -1


# Stops halving when one element is left, without looking at it.
def wrong_skips_the_last_candidate(nums, target):
    low, high = 0, len(nums) - 1
    while low < high:
        middle = (low + high) // 2
        if nums[middle] == target:
            return middle
        if nums[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1


# Jumps four at a time, then looks into the block.
def jump_then_scan(nums, target):
    start = 0
    while start + 4 < len(nums) and nums[start + 4] <= target:
        start += 4
    for i in range(start, min(start + 4, len(nums))):
        if nums[i] == target:
            return i
    return -1


# Halves the range with a single comparison per step.
def binary_search(nums, target):
    low, high = 0, len(nums)
    while high - low > 1:
        middle = (low + high) // 2
        if nums[middle] <= target:
            low = middle
        else:
            high = middle
    return low if nums and nums[low] == target else -1
