"""The sections of `gcsl-data stats`, a file each: what it says, and the query that finds it.

A section is a frozen dataclass of plain numbers; its function takes facts (see facts.py) or a fit and gives the section.
"""
