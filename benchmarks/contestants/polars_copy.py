"""A floor: Polars reads finished Arrow shards and writes the same rows. Nothing is computed, so for this format it is a copy.

python polars_copy.py DATASET OUT
"""

import sys

import polars as pl


def main(dataset: str, out: str) -> None:
    pl.scan_ipc(f"{dataset}/data/*.arrow").sink_ipc(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
