"""The longest stretch without a repeated letter: all stretches, growing ones, a moving window."""

FUNCTION = "longest_unique"
PROMPT = (
    "Write a Python function `longest_unique(text)` that returns the length of the longest run of neighbouring "
    "characters in the string `text` in which no character occurs twice."
)


def cases():
    """Short texts, among them repeated letters on both sides of a window."""
    texts = ["", "a", "aa", "abba", "abcab", "aab", "tmmzt", "abcdef", "pwwke", "dvdf", "abacd", "bbbbb"]
    return [(text,) for text in texts]


def reference(text):
    """The longest slice that is as long as its set of letters."""
    slices = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
    return max((len(part) for part in slices if len(set(part)) == len(part)), default=0)


# Checks every stretch from scratch.
def every_stretch_from_scratch(text):
    best = 0
    for i in range(len(text)):
        for j in range(i, len(text)):
            seen = set()
            for k in range(i, j + 1):
                seen.add(text[k])
            if len(seen) == j - i + 1 and j - i + 1 > best:
                best = j - i + 1
    return best


# Tries the longest length first and stops at the first stretch that fits.
def longest_length_first(text):
    for length in range(len(text), 0, -1):
        for start in range(len(text) - length + 1):
            seen = set()
            for k in range(start, start + length):
                if text[k] in seen:
                    break
                seen.add(text[k])
            if len(seen) == length:
                return length
    return 0


# Lets a stretch grow from every start until a letter repeats.
def grow_from_every_start(text):
    best = 0
    for i in range(len(text)):
        seen = set()
        j = i
        while j < len(text) and text[j] not in seen:
            seen.add(text[j])
            j += 1
        best = max(best, len(seen))
    return best


# Looks back from every end, letter by letter, but not past the start of the window.
def look_back_in_the_window(text):
    best = start = 0
    for end in range(len(text)):
        for k in range(end - 1, start - 1, -1):
            if text[k] == text[end]:
                start = k + 1
                break
        best = max(best, end - start + 1)
    return best


# Jumps back when the earlier occurrence lies before the window.
def wrong_moves_the_start_back(text):
    last = {}
    best = start = 0
    for end, letter in enumerate(text):
        if letter in last:
            start = last[letter] + 1
        last[letter] = end
        best = max(best, end - start + 1)
    return best


# Takes letters out of the window one by one until the new one fits.
def shrinking_window(text):
    inside = set()
    best = start = 0
    for letter in text:
        while letter in inside:
            inside.discard(text[start])
            start += 1
        inside.add(letter)
        best = max(best, len(inside))
    return best


# Jumps to the place after the last occurrence.
def jumping_window(text):
    last = {}
    best = start = 0
    for end, letter in enumerate(text):
        start = max(start, last.get(letter, -1) + 1)
        last[letter] = end
        best = max(best, end - start + 1)
    return best
