"""Patterns of a JSON Schema: those that mean the same to Polars' regular expressions as to Python's, and how.

JSON Schema leaves the dialect to who reads it; the verdict here is that of Python's `re.search`, which jsonschema uses.
"""

import re

import polars as pl

# What stands for the same in both dialects. (No set of sets, no flags, no look-around, no boundaries, no numbered groups.)
_TOKEN = re.compile(
    r"""(?P<kind>\\[dws])
      | (?P<set>\[\^?(?:[0-9A-Za-z](?:-[0-9A-Za-z])?|[ _,:;=!@\#%'"/<>`.*+?(){}|$]|\\[dw]|\\[][.*+?(){}|^$\\/-])+-?\])
      | (?P<count>(?:[*+?]|\{[0-9]{1,3}(?:,(?:[0-9]{1,3})?)?\})\??)
      | (?P<open>\((?:\?:)?)
      | (?P<close>\))
      | (?P<bar>\|)
      | (?P<one>[0-9A-Za-z_ ,:;=!@\#%&~'"/<>`.-]|\\[][.*+?(){}|^$\\/-])""",
    re.VERBOSE,
)
_SPACES = r"[\s\x1c-\x1f]"  # what Python calls white space in ASCII; Rust leaves out the separators
_END = r"\n?\z"  # Python's $ also stands before a line feed that ends the text


def agreeing(pattern: str) -> tuple[str, bool] | None:
    """The pattern for Polars, and whether it agrees on ASCII text only (as classes such as \\w do).

    None for one that may mean something else there.
    """
    body = pattern.removeprefix("^")
    has_end = re.search(r"(?<!\\)(?:\\\\)*\$\Z", body) is not None
    body = body[:-1] if has_end else body
    parts, depth, at, before = [], 0, 0, "open"
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None or token.lastgroup is None:
            return None
        kind, text = token.lastgroup, token[0]
        depth += {"open": 1, "close": -1}.get(kind, 0)
        outer_bar = kind == "bar" and depth == 0 and (has_end or body != pattern)  # ^ and $ would be of one side only
        if outer_bar or (kind == "count" and before in ("count", "open", "bar")):
            return None
        parts.append(_SPACES if text == r"\s" else text)
        at, before = token.end(), kind
    translated = ("^" if pattern.startswith("^") else "") + "".join(parts) + (_END if has_end else "")
    try:
        re.compile(pattern)
        pl.select(pl.lit("").str.contains(translated))
    except (pl.exceptions.PolarsError, re.error, OverflowError):
        return None
    return translated, re.search(r"\\[dws]", body.replace(r"\\", "")) is not None
