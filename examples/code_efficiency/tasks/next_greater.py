"""For every element the next larger one: scans, jumps and a stack."""

from random import Random

FUNCTION = "next_greater"
PROMPT = (
    "Write a Python function `next_greater(nums)` that returns a list with, for every element of `nums`, the first "
    "larger element to its right, or -1 if there is none. All elements are non-negative."
)


def cases():
    """Rising, falling, equal and mixed lists."""
    rng = Random(12)
    chosen = [([],), ([1, 2, 3, 4],), ([19, 17, 15, 14, 13, 12, 11, 8, 7, 5, 4, 2],), ([3, 3, 3, 5],)]
    return chosen + [([rng.randint(0, 20) for _ in range(size)],) for size in (5, 6, 8, 9, 10)]


def reference(nums):
    """The first that is larger."""
    return [next((later for later in nums[i:] if later > num), -1) for i, num in enumerate(nums)]


# Goes through the whole list from the right for every element.
def whole_list_for_each(nums):
    answer = []
    for i in range(len(nums)):
        found = -1
        for j in range(len(nums) - 1, -1, -1):
            if j > i and nums[j] > nums[i]:
                found = nums[j]
        answer.append(found)
    return answer


# Goes through all later elements, without a stop.
def later_elements_no_stop(nums):
    answer = []
    for i in range(len(nums)):
        found = -1
        for j in range(len(nums) - 1, i, -1):
            if nums[j] > nums[i]:
                found = nums[j]
        answer.append(found)
    return answer


# Stops at the first larger element.
def stop_at_first_larger(nums):
    answer = []
    for i in range(len(nums)):
        j = i + 1
        while j < len(nums) and nums[j] <= nums[i]:
            j += 1
        answer.append(nums[j] if j < len(nums) else -1)
    return answer


# From the right, follows the answers already known.
def follow_known_answers(nums):
    jump, backwards = {}, []
    for i in range(len(nums) - 1, -1, -1):
        j = i + 1
        while j < len(nums) and nums[j] <= nums[i]:
            j = jump[j]
        jump[i] = j
        backwards.append(nums[j] if j < len(nums) else -1)
    answer = []
    while backwards:
        answer.append(backwards.pop())
    return answer


# Elements wait on a stack until a larger one comes.
def stack_of_waiting(nums):
    answer, waiting = [], []
    for i, num in enumerate(nums):
        answer.append(-1)
        while waiting and nums[waiting[-1]] < num:
            answer[waiting.pop()] = num
        waiting.append(i)
    return answer
