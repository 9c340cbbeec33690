"""Tests of gcsl_data."""
