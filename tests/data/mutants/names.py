"""Names of shards that lead elsewhere, or that some file system does not take."""

HOSTILE_NAMES: dict[str, str] = {
    "parent": "../x", "hidden-parent": "data/../../x", "later-parent": "a/../../x", "absolute": "/etc/passwd",
    "drive": "C:\\x", "share": "\\\\host\\x", "file-url": "file:///etc/passwd", "url": "http://127.0.0.1:9/x.arrow",
    "home": "~/x", "empty": "", "dot": ".", "nul": "data/x\x00y", "newline": "data/x\ny", "long": "data/" + "x" * 5000,
    "device": "data/CON", "percent": "data/%2e%2e%2fx", "slash-look-alike": "data/..\u2215x", "fullwidth": "data\uff0fx",
    "hidden": "data/.x", "upper": "data/X.arrow", "other-folder": "other/x.arrow", "deeper": "data/a/b",
    "folder": "data/", "backslash": "data\\a.arrow", "nul-at-the-end": "data/a.arrow\0", "umlaut": "data/\u00e4.arrow",
    "too-long": "data/" + "a" * 200,
}  # fmt: skip
