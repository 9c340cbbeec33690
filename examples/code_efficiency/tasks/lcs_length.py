"""The longest common subsequence of two short texts: subsets, branching, memory, tables."""

FUNCTION = "lcs_length"
PROMPT = (
    "Write a Python function `lcs_length(a, b)` that returns the length of the longest common subsequence of the "
    "strings `a` and `b`: characters that occur in both, in the same order, not necessarily side by side."
)


def cases():
    """Texts of up to five letters, so that the searches without a memory stay comparable."""
    words = "ab ba;abc ac;abc cab;abcd bd;tea eat;xyz abc;noon no;pear ape;abca acba;plum lamp;stone notes;mn opqr"
    return [("", "ab"), ("a", "a"), *(tuple(pair.split()) for pair in words.split(";"))]


def reference(a, b):
    """The longest subsequence of `a` that is one of `b`."""

    def subsequences(text):
        found = {""}
        for letter in text:
            found |= {part + letter for part in found}
        return found

    return max(len(part) for part in subsequences(a) & subsequences(b))


# Tries all subsequences of the first text, written as numbers in base two, against the second.
def all_subsequences(a, b):
    best = 0
    for chosen in range(1 << len(a)):
        length = j = 0
        for i in range(len(a)):
            if chosen >> i & 1:
                while j < len(b) and b[j] != a[i]:
                    j += 1
                if j == len(b):
                    length = 0
                    break
                length += 1
                j += 1
        best = max(best, length)
    return best


# Drops a letter of either text where the letters differ.
def branch_where_letters_differ(a, b):
    def solve(i, j):
        if i == len(a) or j == len(b):
            return 0
        if a[i] == b[j]:
            return 1 + solve(i + 1, j + 1)
        return max(solve(i + 1, j), solve(i, j + 1))

    return solve(0, 0)


# The branching search with a memory.
def branch_with_memory(a, b):
    memory = {}

    def solve(i, j):
        if i == len(a) or j == len(b):
            return 0
        if (i, j) not in memory:
            if a[i] == b[j]:
                memory[i, j] = 1 + solve(i + 1, j + 1)
            else:
                memory[i, j] = max(solve(i + 1, j), solve(i, j + 1))
        return memory[i, j]

    return solve(0, 0)


# A full table over both texts.
def full_table(a, b):
    table = {}
    for i in range(len(a)):
        for j in range(len(b)):
            if a[i] == b[j]:
                table[i, j] = table.get((i - 1, j - 1), 0) + 1
            else:
                table[i, j] = max(table.get((i - 1, j), 0), table.get((i, j - 1), 0))
    return table.get((len(a) - 1, len(b) - 1), 0)


# Bits mark the positions of b where the length grows.
def one_bit_per_letter(a, b):
    where = {}
    for j, letter in enumerate(b):
        where[letter] = where.get(letter, 0) | 1 << j
    row = 0
    for letter in a:
        reached = row | where.get(letter, 0)
        row = reached & ~(reached - (row << 1 | 1))
    length = 0
    while row:
        row &= row - 1
        length += 1
    return length
