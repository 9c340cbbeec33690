"""Buy once, sell later: pairs of days, best days remembered, one pass."""

from random import Random

FUNCTION = "max_profit"
PROMPT = (
    "Write a Python function `max_profit(prices)` that returns the largest profit of buying on one day and selling "
    "on a later day, or 0 if no profit is possible. `prices` holds one price per day."
)


def cases():
    """Rising, falling and mixed prices; in some the minimum comes after the maximum."""
    rng = Random(5)
    chosen = [([],), ([5],), ([9, 7, 4, 1],), ([1, 3, 6, 8],), ([3, 9, 1, 5],)]
    return chosen + [([rng.randint(1, 40) for _ in range(size)],) for size in (5, 6, 7, 8, 9, 10)]


def reference(prices):
    """The best of all pairs of days."""
    return max((max(prices[i:]) - prices[i] for i in range(len(prices))), default=0)


# Looks at all pairs of days in both orders.
def all_ordered_pairs(prices):
    best = 0
    for buy in range(len(prices)):
        for sell in range(len(prices)):
            if buy < sell and prices[sell] - prices[buy] > best:
                best = prices[sell] - prices[buy]
    return best


# Only days after the purchase.
def later_days_only(prices):
    best = 0
    for buy in range(len(prices)):
        for sell in range(buy + 1, len(prices)):
            if prices[sell] - prices[buy] > best:
                best = prices[sell] - prices[buy]
    return best


# Buys only at a price lower than all before.
def buy_at_new_lows_only(prices):
    best, lowest = 0, None
    for buy in range(len(prices)):
        if lowest is None or prices[buy] < lowest:
            lowest = prices[buy]
            for sell in range(buy + 1, len(prices)):
                if prices[sell] - lowest > best:
                    best = prices[sell] - lowest
    return best


# The minimum may come after the maximum.
def wrong_ignores_the_order(prices):
    if not prices:
        return 0
    low = high = prices[0]
    for price in prices:
        low = min(low, price)
        high = max(high, price)
    return high - low


# Writes down the best price still to come for every day, then goes forward.
def best_price_to_come(prices):
    to_come = []
    best_price = 0
    for day in range(len(prices) - 1, -1, -1):
        best_price = max(best_price, prices[day])
        to_come.append(best_price)
    best = 0
    for price in prices:
        best = max(best, to_come.pop() - price)
    return best


# One pass with the lowest price so far.
def lowest_so_far(prices):
    best = 0
    lowest = prices[0] if prices else 0
    for price in prices:
        if price < lowest:
            lowest = price
        elif price - lowest > best:
            best = price - lowest
    return best
