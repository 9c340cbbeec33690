"""Looking at datasets: what the numbers are (stats) and whether the promises hold (contract)."""
