"""Logs in, records out: find the files, scan them, map their columns. Nothing is read until an engine collects."""
