"""The census: what one look at the facts counts. Every number that is fitted or reported comes from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gcsl_data.dataset.manifest import Accounting, Input
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError
from gcsl_data.ingest.inputs import Log
from gcsl_data.recipe import ChecksStage
from gcsl_data.stages.checks import ASKED_BY, FILTERED, REASONS


def counted(rewards: pl.DataFrame) -> pl.DataFrame:
    """Equal rewards counted together: `reward` (ascending) and `records`."""
    return rewards.group_by("reward").agg(pl.col("records").sum()).sort("reward")


@dataclass(frozen=True, slots=True)
class Census:
    """The collected counts, and the questions that are asked of them.

    `frame` has a row for each (log, source, split, reject) with `records` (how many), `first_row` (the lowest row number) and
    `neutral`; `usable` one for each (split, rewards) of usable records with `records`: few where rewards repeat.
    """

    frame: pl.DataFrame
    usable: pl.DataFrame

    @property
    def rows(self) -> int:
        """All rows, usable or not."""
        return int(self.frame["records"].sum())

    def rewards(self, split: str, column: str = "reward") -> pl.DataFrame:
        """The usable rewards of one split: `reward` (Float64, ascending, distinct) and `records` (Int64)."""
        return counted(self.usable.filter(pl.col("split") == split).select("records", reward=column))

    def neutral(self, split: str) -> int:
        """Usable records of one split whose group told nothing of them."""
        return int(self.frame.filter(pl.col("reject").is_null(), pl.col("split") == split)["neutral"].sum())

    def rejected(self, log: str | None = None) -> dict[str, int]:
        """Rejected rows by reason, of one log or of all, in the order of the reasons' names."""
        return _by_reason(self._rejects if log is None else self._rejects.filter(pl.col("log") == log))

    def filtered(self) -> dict[str, int]:
        """Records that are left out although they can be used, by reason."""
        return _by_reason(self.frame.filter(pl.col("reject").is_in([*FILTERED])))

    @property
    def _rejects(self) -> pl.DataFrame:
        return self.frame.filter(pl.col("reject").is_not_null() & ~pl.col("reject").is_in([*FILTERED]))

    def inputs(self, logs: tuple[Log, ...]) -> tuple[Input, ...]:
        """What the manifest says of each log."""
        rows = dict(self.frame.group_by("log").agg(pl.col("records").sum()).iter_rows())
        read = [one for log in logs for one in (log, log.items) if one]
        return tuple(
            Input(
                uri=log.uri,
                bytes=log.bytes,
                sha256=log.sha256,
                rows=rows.get(log.uri, 0),
                rejected=self.rejected(log.uri),
            )
            for log in read
        )

    def accounting(self, *, filtered: dict[str, int]) -> Accounting:
        """Where every row went; `filtered` counts the good records that give no example, by reason."""
        rejected, filtered = self.rejected(), {**self.filtered(), **filtered}
        used = self.rows - sum(rejected.values()) - sum(filtered.values())
        return Accounting(rows=self.rows, used=used, rejected=rejected, filtered=filtered)

    def require_usable(self, stage: ChecksStage, logs: tuple[Log, ...]) -> None:
        """Raises DataError (65) for no rows or none left, rows that two logs call the same, and rejected ones by `stage`.

        One such row is too many under on_error "fail"; under "quarantine" it is their share that counts.
        """
        if self.rows == 0:
            raise DataError("GD1207", f"{', '.join(log.uri for log in logs[:3])}: no rows; give a log that has records")
        self._require_own_sources()
        self._require_few_rejects(stage, logs)
        if self.usable.is_empty():
            raise DataError(
                "GD1302",
                f"none of {self.rows} rows is left ({_told(self._left_out())}); leave out less, or mend the log",
            )

    def require_train(self, split: str) -> None:
        """Raises DataError (65) when the split that is fitted on has no usable record, though others have."""
        if self.rewards(split).is_empty():
            told = _told(self._left_out(split)) or "it got none"
            raise DataError(
                "GD1302", f"no usable reward in the {split} split ({told}); give other shares, or a longer log"
            )

    def _left_out(self, split: str | None = None) -> dict[str, int]:
        """Rejected and filtered rows by reason, of one split or of all."""
        left_out = self.frame.filter(pl.col("reject").is_not_null())
        return _by_reason(left_out if split is None else left_out.filter(pl.col("split") == split))

    def _require_few_rejects(self, stage: ChecksStage, logs: tuple[Log, ...]) -> None:
        rejected = sum(self.rejected().values())
        if rejected == 0:
            return
        if stage.on_error == "fail":
            raise DataError("GD1208", f"{self._first_reject(logs)}; use --on-error quarantine to set such rows aside")
        if rejected / self.rows > stage.max_reject_rate:
            by_reason = ", ".join(f"{count} {reason}" for reason, count in self.rejected().items())
            raise DataError(
                "GD1209",
                f"{rejected} of {self.rows} rows cannot be used ({by_reason}): more than --max-reject-rate "
                f"{stage.max_reject_rate:g}; mend the log or raise the rate",
            )

    def _require_own_sources(self) -> None:
        """Rows are told apart by source and row, which files of records bring along."""
        named = self.frame.select("source", "log").unique().sort("source", "log")
        twice = named.group_by("source", maintain_order=True).agg("log").filter(pl.col("log").list.len() > 1)
        for source, logs in twice.head(1).iter_rows():
            raise DataError(
                "GD1221",
                f"{' and '.join(logs[:2])} both hold rows of {source}, so they cannot be told apart; "
                "ingest the logs of that name together",
            )

    def _first_reject(self, logs: tuple[Log, ...]) -> str:
        rejects = self._rejects
        first = rejects.sort("source", "first_row").row(0, named=True)
        others = int(rejects["records"].sum()) - 1
        more = f" ({others} more rows cannot be used)" if others else ""
        fault = next((log.faults.rows.get(first["first_row"]) for log in logs if log.uri == first["source"]), None)
        detail = f" ({fault.detail})" if fault else ""
        return f"{first['source']}:{first['first_row']}: {REASONS[first['reject']]}{detail}{more}"


def take_census(
    facts: pl.LazyFrame, engine: Engine, rewards: Sequence[str] = ("reward",), *, has_neutral: bool = False
) -> Census:
    """Counts flagged, split facts. `rewards` names graded columns; `has_neutral` says that records carry whether their group
    told nothing of them.
    """
    count = pl.len().cast(pl.Int64)
    neutral = pl.col("neutral").sum().cast(pl.Int64) if has_neutral else pl.lit(0, pl.Int64)
    where = facts.group_by("log", "source", "split", "reject")
    graded = dict.fromkeys(("reward", *rewards))
    usable = facts.filter(pl.col("reject").is_null()).group_by("split", *graded).agg(records=count)
    frame = where.agg(records=count, first_row=pl.col("row").min(), neutral=neutral)
    return Census(engine.measure(frame), engine.measure(usable))


def _told(left_out: dict[str, int]) -> str:
    """Counts by reason in words, with what asked for them."""
    return ", ".join(
        f"{n} {reason}{f': {ASKED_BY[reason]}' if reason in ASKED_BY else ''}" for reason, n in left_out.items()
    )


def _by_reason(rejects: pl.DataFrame) -> dict[str, int]:
    counts = rejects.group_by("reject").agg(pl.col("records").sum()).sort("reject")
    return dict(counts.iter_rows())
