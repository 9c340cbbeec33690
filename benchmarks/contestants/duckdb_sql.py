"""The expansion as one statement of DuckDB, to Parquet by its own COPY, or to an Arrow IPC file by way of pyarrow.

    python duckdb_sql.py LOG OUT SCRATCH DIGITS parquet|arrow

DuckDB alone writes no Arrow IPC file; its extension for that is not shipped with it.
"""

import sys
from pathlib import Path

import duckdb
import pyarrow as pa

BINS = 5
BATCH_ROWS = 1024  # as in our shards
SQL = """
WITH ranked AS (
    SELECT reward, row_number() OVER (ORDER BY reward) - 1 AS place, count(*) OVER () AS n, avg(reward) OVER () AS mean
    FROM {log}
),
edges AS (
    SELECT row_number() OVER (ORDER BY place) AS k, reward AS edge, mean FROM ranked
    WHERE place = 0 OR (place >= n - {below_top} * (n // {bins}) AND (n - place) % (n // {bins}) = 0)
),
goals AS (
    SELECT k, edge > mean AS is_kept, floor(round(edge * 1e{digits}, 6)) / 1e{digits} AS threshold,
        'Generate a response with a score of at least ' || printf('%.{digits}f', threshold) || '.' AS goal
    FROM edges
),
ladder AS (
    SELECT list(threshold ORDER BY k) AS thresholds,
        list({{'k': k, 'threshold': threshold, 'goal': goal}} ORDER BY k) FILTER (is_kept) AS kept
    FROM goals
),
log AS (SELECT row_number() OVER () - 1 AS place, prompt, response, reward FROM {log}),
reached AS (
    SELECT log.*, thresholds, unnest(list_filter(kept, lambda goal: reward >= goal.threshold)) AS goal
    FROM log, ladder
)
SELECT
    place || '-' || goal.k AS id,
    [{{'role': 'user', 'content': goal.goal || chr(10) || chr(10) || prompt}}] AS prompt,
    [{{'role': 'assistant', 'content': response}}] AS completion,
    goal.goal AS goal,
    goal.k::INTEGER AS goal_index,
    goal.threshold AS threshold,
    len(list_filter(thresholds, lambda threshold: reward >= threshold))::INTEGER AS level,
    reward
FROM reached
"""


def main(log: str, out: str, scratch: str, digits: str, form: str) -> None:
    reader = "read_parquet" if Path(log).suffix == ".parquet" else "read_json"
    sql = SQL.format(log=f"{reader}('{log}')", bins=BINS, below_top=BINS - 1, digits=digits)
    with duckdb.connect(config={"temp_directory": scratch}) as connection:
        if form == "parquet":
            connection.execute(f"COPY ({sql}) TO '{out}' (FORMAT parquet)")
            return
        batches = connection.sql(sql).to_arrow_reader(BATCH_ROWS)
        with pa.OSFile(out, "wb") as sink, pa.ipc.new_file(sink, batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
