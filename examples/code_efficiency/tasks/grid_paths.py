"""Paths through a grid: walking all of them, memory, tables, a formula."""

FUNCTION = "grid_paths"
PROMPT = (
    "Write a Python function `grid_paths(rows, cols)` that returns the number of paths from the top left to the "
    "bottom right cell of a grid with `rows` rows and `cols` columns, moving only right or down."
)


def cases():
    """Small grids, lines and single cells."""
    return [(1, 1), (1, 4), (4, 1), (2, 2), (2, 3), (3, 2), (3, 3), (3, 4), (4, 3), (2, 5), (4, 4), (5, 3)]


def reference(rows, cols):
    """Row by row."""
    row = [1] * cols
    for _ in range(rows - 1):
        for c in range(1, cols):
            row[c] += row[c - 1]
    return row[-1]


# Walks every path, cell by cell, and off the edge too.
def walk_every_path(rows, cols):
    def walk(r, c):
        if r == rows or c == cols:
            return 0
        if r == rows - 1 and c == cols - 1:
            return 1
        down = walk(r + 1, c)
        right = walk(r, c + 1)
        return down + right

    return walk(0, 0)


# Splits into the two first moves, and stops at a grid of one line.
def recursion_down_to_lines(rows, cols):
    if rows == 1 or cols == 1:
        return 1
    return recursion_down_to_lines(rows - 1, cols) + recursion_down_to_lines(rows, cols - 1)


# The recursion with a memory that treats a grid and its mirror image alike.
def recursion_with_memory(rows, cols):
    memory = {}

    def paths(r, c):
        if r == 1 or c == 1:
            return 1
        key = (min(r, c), max(r, c))
        if key not in memory:
            memory[key] = paths(r - 1, c) + paths(r, c - 1)
        return memory[key]

    return paths(rows, cols)


# A full table of all cells.
def full_table(rows, cols):
    table = {}
    for r in range(rows):
        for c in range(cols):
            if r == 0 or c == 0:
                table[r, c] = 1
            else:
                table[r, c] = table[r - 1, c] + table[r, c - 1]
    return table[rows - 1, cols - 1]


# Sends every cell's number of paths on to its neighbours, starting from the first cell.
def push_forward(rows, cols):
    table = {(0, 0): 1}
    for r in range(rows):
        for c in range(cols):
            here = table[r, c]
            down = (r + 1, c)
            right = (r, c + 1)
            table[down] = table.get(down, 0) + here
            table[right] = table.get(right, 0) + here
    return table[rows - 1, cols - 1]


# Chooses which of the moves go down: a binomial coefficient.
def choose_the_moves_down(rows, cols):
    paths = 1
    for k in range(1, rows):
        paths = paths * (cols - 1 + k) // k
    return paths
