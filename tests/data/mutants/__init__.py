"""Datasets with one thing wrong, by number, and the readers that must not take them."""
