"""Lines that make Polars refuse a file are found and covered up as if Python had decoded every line."""

import gzip
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.ingest.fault import Fault
from gcsl_data.ingest.formats import jsonl
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.ingest.refused import Unreadable, cover

GOOD = b'{"prompt": "Why?", "response": "Because.", "reward": 0.5}'
ODD = [
    b'{"prompt":', b'[1]', b'"{text}"', b'17', b'null', b'x', b'', b'   ', b'{}', b'  {"reward": 1}  ', b'{"reward": NaN}',
    b'{"reward": 1e400}', b'{"prompt": "\\ud800"}', b'{"prompt": "a\tb"}', b'{"reward": 1} x',
    b'{"prompt": "a\xffb"}', b'\xff', b'{"prompt": "\xed\xa0\x80"}', '{"prompt": "é\ufffd"}'.encode(), b'{"reward": 01}',
    b'{"reward": 1, "reward": 2}', b'{"meta": {"a": 1, "a": 2}}', b'{"prompt": "\\u0000"}', b'\x00{"reward": 1}',
    b'{"reward": 1}\x01{', b'{"reward": ' + b"9" * 60 + b"}", b"{'reward': 1}", b'{"reward": 1,}', b'{"reward": 1}\r',
    b'{"prompt": "\\x"}', b'{"extra": ' + b"[" * 130 + b"]" * 130 + b"}", b'{"prompt": {"text": "Why?"}}',
]  # fmt: skip


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([GOOD, *ODD]), min_size=1, max_size=8), st.sampled_from([b"\n", b"\r\n"]), st.booleans()
)
def test_faults_are_those_that_a_look_at_every_line_finds(lines: list[bytes], end: bytes, packed: bool) -> None:
    content = end.join([GOOD, *lines, b'{"prompt": "cut off']) + end
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name, "log.jsonl")
        plain.write_bytes(content)
        every = jsonl.find_faults(plain, jsonl.scan(plain))
        log = Path(name, "log.jsonl.gz" if packed else "log.jsonl")
        log.write_bytes(gzip.compress(content) if packed else content)

        (found,) = find_logs([str(log)])

        assert (found.faults.rows, found.faults.blank) == (every.rows, every.blank)
        assert list(found.faults.rows) == sorted(every.rows)
        assert plain.read_bytes() == content
        assert found.scanned.collect().height == 1 + len(lines) + 1


def test_covered_lines_leave_every_other_byte_in_place(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"a": 1}\nbroken line\r\n{"a": 2}\n{{')
    fault = Fault("bad_json", "", 0)

    cover(log, [Unreadable(fault, 9, 11), Unreadable(fault, 31, 2)])

    assert log.read_bytes() == b'{"a": 1}\n{}         \r\n{"a": 2}\n{}'
