"""A small log and the dataset that must come of it, as readable JSON."""
