"""Does a text read the same backwards: which pairs of letters are compared."""

FUNCTION = "is_palindrome"
PROMPT = (
    "Write a Python function `is_palindrome(text)` that returns True if the string `text` reads the same forwards "
    "and backwards. All characters count, and case matters."
)


def cases():
    """Short palindromes, near misses at the ends and in the middle."""
    texts = ["", "a", "ab", "aa", "noon", "none", "level", "lever", "abca", "rotor", "abccba", "abcdba", "abccbx"]
    return [(text,) for text in [*texts, "racecar", "racedar", "Noon", "abcdcba"]]


def reference(text):
    """The reversed slice."""
    return text == text[::-1]


# Looks for the mirrored position by trying all of them.
def search_for_the_mirror(text):
    same = True
    for i in range(len(text)):
        for j in range(len(text)):
            if i + j == len(text) - 1 and text[i] != text[j]:
                same = False
    return same


# Writes the letters down backwards, then compares all of them.
def compare_with_reversed_list(text):
    backwards = []
    for i in range(len(text) - 1, -1, -1):
        backwards.append(text[i])
    same = True
    for i in range(len(text)):
        if text[i] != backwards[i]:
            same = False
    return same


# Only the first half, with a stop, but still searching for the mirrored position.
def search_in_the_second_half(text):
    for i in range(len(text) // 2):
        j = i + 1
        while i + j != len(text) - 1:
            j += 1
        if text[i] != text[j]:
            return False
    return True


# Puts all letters on a stack and takes them off again, stopping at a difference.
def stack_of_letters(text):
    stack = []
    for letter in text:
        stack.append(letter)
    for letter in text:
        if letter != stack.pop():
            return False
    return True


# Every position against its mirror, both halves, no stop.
def every_position_no_stop(text):
    differences = 0
    for i in range(len(text)):
        if text[i] != text[len(text) - 1 - i]:
            differences += 1
    return differences == 0


# The ends may agree while the inside does not.
def wrong_compares_only_the_ends(text):
    return len(text) < 2 or text[0] == text[-1]


# Half of the positions, stopping at a difference.
def first_half_with_stop(text):
    for i in range(len(text) // 2):
        if text[i] != text[-1 - i]:
            return False
    return True
