"""Tests of what holds the two halves and the world outside together."""
