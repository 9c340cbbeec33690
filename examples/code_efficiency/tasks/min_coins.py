"""Fewest coins for an amount: full search, search with memory, tables, levels."""

FUNCTION = "min_coins"
PROMPT = (
    "Write a Python function `min_coins(coins, amount)` that returns the fewest coins that add up to `amount`, or -1 "
    "if it cannot be done. Every coin in the list `coins` may be used any number of times."
)


def cases():
    """Small amounts; some that greedy change gets wrong, some that cannot be paid."""
    return [([1, 3, 4], 6), ([2], 3), ([1, 2], 5), ([3, 5], 7), ([2, 5], 6), ([1, 4, 5], 8), ([2, 3], 7), ([3, 4], 9)]


def reference(coins, amount):
    """All amounts in ascending order."""
    fewest = {0: 0}
    for total in range(1, amount + 1):
        options = [fewest[total - coin] + 1 for coin in coins if total - coin in fewest]
        if options:
            fewest[total] = min(options)
    return fewest.get(amount, -1)


# Tries every order of every coin.
def full_search(coins, amount):
    if amount == 0:
        return 0
    best = -1
    for coin in coins:
        if coin <= amount:
            rest = full_search(coins, amount - coin)
            if rest >= 0 and (best < 0 or rest + 1 < best):
                best = rest + 1
    return best


# Decides for one kind of coin after the other how many to take.
def how_many_of_each(coins, amount):
    def solve(kind, rest):
        if rest == 0:
            return 0
        if kind == len(coins):
            return -1
        best = -1
        for number in range(rest // coins[kind] + 1):
            others = solve(kind + 1, rest - number * coins[kind])
            if others >= 0 and (best < 0 or number + others < best):
                best = number + others
        return best

    return solve(0, amount)


# The full search, but every amount is solved once.
def search_with_memory(coins, amount):
    memory = {0: 0}

    def solve(rest):
        if rest not in memory:
            best = -1
            for coin in coins:
                fewer = solve(rest - coin) if coin <= rest else -1
                if fewer >= 0 and (best < 0 or fewer + 1 < best):
                    best = fewer + 1
            memory[rest] = best
        return memory[rest]

    return solve(amount)


# The largest coin first is not always best.
def wrong_greedy(coins, amount):
    count = 0
    for i in range(len(coins) - 1, -1, -1):
        while amount >= coins[i]:
            amount -= coins[i]
            count += 1
    return -1 if amount else count


# Amounts reachable with one coin, two coins, and so on, until the amount shows up.
def level_by_level(coins, amount):
    level, seen, count = [0], {0}, 0
    while level:
        following = []
        for total in level:
            if total == amount:
                return count
            for coin in coins:
                if total + coin <= amount and total + coin not in seen:
                    seen.add(total + coin)
                    following.append(total + coin)
        level = following
        count += 1
    return -1


# A table of all amounts, one kind of coin after the other.
def table_coin_by_coin(coins, amount):
    fewest = {0: 0}
    for coin in coins:
        for total in range(coin, amount + 1):
            if total - coin in fewest and fewest[total - coin] + 1 < fewest.get(total, amount + 1):
                fewest[total] = fewest[total - coin] + 1
    return fewest.get(amount, -1)
