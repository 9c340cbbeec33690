"""What holds for all tests. It is read before any of them is imported, and torch with it."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Threads that wait for each other crawl when cores are shared, and tiny models gain nothing from a second one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
