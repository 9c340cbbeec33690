"""Two words from the same letters: crossing out, counting, sorting, a dictionary."""

FUNCTION = "is_anagram"
PROMPT = (
    "Write a Python function `is_anagram(a, b)` that returns True if the strings `a` and `b` consist of the same "
    "lower-case letters, each equally often, in any order."
)


def cases():
    """Anagrams, words with the same letters in other numbers, and words of unequal length."""
    words = "a a;ab ba;ab cd;tea eat;aab abb;noon no;listen silent;stone notes;apple pale;below elbow;keep peek;rat car"
    return [("", ""), ("", "a"), *(tuple(pair.split()) for pair in words.split(";"))]


def reference(a, b):
    """Sorted letters are equal."""
    return sorted(a) == sorted(b)


# Counts every letter of the first word in both words.
def count_each_letter_in_both(a, b):
    same = len(a) == len(b)
    for letter in a:
        difference = 0
        for other in a:
            if other == letter:
                difference += 1
        for other in b:
            if other == letter:
                difference -= 1
        if difference != 0:
            same = False
    return same


# Sorts the letters of both words by insertion.
def sort_both(a, b):
    def sorted_letters(word):
        letters = []
        for letter in word:
            letters.append(letter)
            k = len(letters) - 1
            while k > 0 and letters[k - 1] > letters[k]:
                letters[k - 1], letters[k] = letters[k], letters[k - 1]
                k -= 1
        return letters

    if len(a) != len(b):
        return False
    first, second = sorted_letters(a), sorted_letters(b)
    for i in range(len(first)):
        if first[i] != second[i]:
            return False
    return True


# Crosses out a letter of the second word for every letter of the first.
def cross_out(a, b):
    used = set()
    for letter in a:
        j = 0
        while j < len(b) and (j in used or b[j] != letter):
            j += 1
        if j == len(b):
            return False
        used.add(j)
    return len(used) == len(b)


# The same set of letters may occur in other numbers.
def wrong_compares_sets_of_letters(a, b):
    in_a, in_b = set(), set()
    for letter in a:
        in_a.add(letter)
    for letter in b:
        if letter not in in_a:
            return False
        in_b.add(letter)
    return len(in_a) == len(in_b)


# Counts both words in two dictionaries and compares these.
def two_dictionaries(a, b):
    in_a, in_b = {}, {}
    for letter in a:
        in_a[letter] = in_a.get(letter, 0) + 1
    for letter in b:
        in_b[letter] = in_b.get(letter, 0) + 1
    for letter in in_a:
        if in_a[letter] != in_b.get(letter, 0):
            return False
    for letter in in_b:
        if letter not in in_a:
            return False
    return True


# One dictionary, up for the first word and down for the second; unequal lengths are no anagrams.
def one_dictionary(a, b):
    if len(a) != len(b):
        return False
    left = {}
    for letter in a:
        left[letter] = left.get(letter, 0) + 1
    for letter in b:
        if left.get(letter, 0) == 0:
            return False
        left[letter] -= 1
    return True
