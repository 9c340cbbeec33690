"""The training loop: packs in, adapter out.

One optimizer step takes the packs that the plan gives it, adds up the loss over all packs and ranks, divides by what the loss
declares (the supervised tokens or the items of the whole step), clips, and moves the adapter. accelerate starts processes and
carries tensors; it neither loads data, nor scales losses, nor counts accumulation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gcsl_train import adapter, checkpoint, failures, progress, reference, sharding, trackers
from gcsl_train.checkpoint import Position
from gcsl_train.config import Config
from gcsl_train.flops import Costs
from gcsl_train.goals import GoalBook
from gcsl_train.loss import State
from gcsl_train.meter import Meter, StepReport
from gcsl_train.objective import Objective
from gcsl_train.passes import Passes
from gcsl_train.plan import Pack, Step, for_rank, steps
from gcsl_train.policy import Policy
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.signals import Stopped, StopSignals
from gcsl_train.speed import Stopwatch
from gcsl_train.sums import Sums
from gcsl_train.table import TokenTable
from gcsl_train.tokens import Encoder
from gcsl_train.update import Update
from gcsl_train.validation import Validation


@dataclass(kw_only=True)
class Loop:
    """A run that is ready for its first step. `model` is `policy` as accelerate wrapped it."""

    config: Config
    objective: Objective
    run_folder: RunFolder
    accelerator: Any
    say: Say
    table: TokenTable
    policy: Policy
    model: Any
    update: Update
    base: str
    encoder: Encoder
    book: GoalBook
    saved: checkpoint.Saved | None
    fingerprint: dict[str, Any]
    description: dict[str, Any]
    passes: Passes
    stopwatch: Stopwatch
    costs: Costs | None
    validation: Validation | None
    loss_state: State = ()

    def run(self, signals: StopSignals) -> None:
        """Take all remaining steps, save on the way, write the adapter at the end.

        Raises TrainingError (70) before the weights change when a loss or gradient is not finite, and Stopped after a
        checkpoint when a signal asked for it.
        """
        stored = None
        if self.config.run.store_reference:
            path = self.run_folder.reference if self.saved else None
            stored = path and reference.read(path, self.table, self.objective.loss, self.fingerprint, say=self.say)
            stored = stored or self._reference()
        sharding.settle(self.model)
        signals.defer()
        position = self._resume()
        main = self.accelerator.is_main_process
        if main:
            self.run_folder.begin(self.config, self.book, self.description)
            self.run_folder.cut_metrics(position.step)
            checkpoint.drop_after(self.run_folder.checkpoints, position.step)
            if stored is not None:
                stored.write(self.run_folder.reference, self.table, self.fingerprint)
        self.passes = replace(self.passes, stored=stored)
        kind = self.config.run.progress if main else "none"
        with progress.shown(kind, total=self.update.total, done=position.step, say=self.say) as show:
            track = trackers.begin(self.accelerator, self.config, self.run_folder.path.resolve().name)
            meter = Meter(self.run_folder, active=main, say=self.say, show=show, track=track)
            try:
                self._steps(position, meter, signals)
            finally:
                meter.close()
        weights = checkpoint.weights_of(self.policy.model)
        if main:
            adapter.write(
                self.run_folder.adapter,
                self.policy.model,
                weights,
                book=self.book,
                base=self.base,
                encoder=self.encoder,
                loss=self.objective.name,
            )

    def _steps(self, position: Position, meter: Meter, signals: StopSignals) -> None:
        if self._is_due(position.step) and not self.run_folder.evaluated(position.step):
            self._evaluate(position.step, meter)  # a run before this one was stopped in the middle of it
        if position.step >= self.update.total:
            return
        run, data = self.config.run, self.config.data
        plan = steps(
            self.table.lengths,
            seed=run.seed,
            capacity=data.max_length,
            packs_per_step=run.packs_per_step,
            window=data.window,
            after=position.step,
        )
        self.stopwatch.start()
        for step in plan:
            if step.number > self.update.total:
                return
            sums = self._step(step, meter, signals)
            position = Position(step=step.number, epoch=step.epoch, loss_state=self.loss_state)
            if step.number % run.save_every == 0 or step.number == self.update.total or sums.stop:
                self._save(position)
            if self._is_due(step.number):
                self._evaluate(step.number, meter)
            if sums.stop and step.number < self.update.total:
                where = self.run_folder.checkpoints / f"step-{step.number}"
                raise Stopped(int(sums.stop), f"stopped after step {step.number}; {where} continues with --resume auto")

    def _step(self, step: Step, meter: Meter, signals: StopSignals) -> Sums:
        """One optimizer step over all its packs; communicates once per step, besides the gradients and a statistic."""
        mine = for_rank(step.packs, self.accelerator.process_index, self.accelerator.num_processes)
        members = [member for pack in step.packs for member in pack]
        supervised = int(self.table.supervised[members].sum())
        tokens = int(self.table.lengths[members].sum())
        divisor = supervised if self.objective.loss.normaliser == "tokens" else len(members)
        self._carry(step.number, mine)
        sums, suspects = Sums(), list[str]()
        for number, pack in enumerate(mine):
            # Gradients cross ranks with the last pack only; each rank has at least one, if only an empty one.
            last = number == len(mine) - 1
            with sharding.gradients(self.model, self.accelerator, cross=last):
                suspects += self._pack(step.number, number, pack, divisor, sums)
        sums.stop = float(signals.number)
        sums = sums.over_ranks(self.accelerator)
        if not math.isfinite(sums.loss):
            suspects = self._all_suspects(suspects)
        norm = self.update.clip()
        if not (math.isfinite(sums.loss) and math.isfinite(norm)):
            suspects = suspects or self.table.names_of(members)
            raise failures.not_finite(step.number, sums.loss / divisor, norm, suspects, self.run_folder.checkpoints)
        lr = self.update.move(step.number)
        lengths = self.table.documents.lengths[self.table.documents_of(members)]
        flops = self.costs.step(lengths, supervised) if self.costs else None
        report = StepReport(
            step=step.number,
            loss=sums.loss / divisor,
            tokens=tokens,
            supervised_tokens=supervised,
            padding=1.0 - tokens / (len(step.packs) * self.config.data.max_length),
            lr=lr,
            grad_norm=norm,
            entropy=sums.entropy / supervised,
            token_accuracy=sums.correct / supervised,
            speed=self.stopwatch.lap(tokens=tokens, supervised=supervised, flops=flops),
            own={name: value / divisor for name, value in sums.own.items()},
        )
        meter.report(report)
        return sums

    def _carry(self, step: int, mine: Sequence[Pack]) -> None:
        """Bring what the loss carries from step to step up to this one, where it carries anything."""
        statistic = self.objective.loss.statistic
        if statistic is None:
            return
        parts = []
        for number, pack in enumerate(mine):
            self._seed(step, number)
            parts.append(self.passes.sums(statistic, pack))
        sums = torch.stack(parts).sum(dim=0).to(self.accelerator.device)
        self.loss_state = statistic.carry(self.loss_state, self.accelerator.reduce(sums, reduction="sum").tolist())

    def _pack(self, step: int, number: int, pack: Pack, divisor: int, sums: Sums) -> list[str]:
        """Forward and backward of one pack; adds to `sums` and gives the ids of rows whose loss is not finite.

        Raises ResourceError (71), which says how large the pack is, when memory does not hold it.
        """
        self._seed(step, number)
        with failures.memory(step, self.table, pack, self.run_folder.checkpoints):
            return self._learned(pack, divisor, sums)

    def _learned(self, pack: Pack, divisor: int, sums: Sums) -> list[str]:
        scored, scores = self.passes.learning(self.model, pack, self.loss_state)
        outcome = self.objective.total(scored)
        # Data parallelism averages gradients over ranks; times world and over the step's divisor makes that its mean.
        (outcome.total * (self.update.loss_factor * self.accelerator.num_processes / divisor)).backward()
        sums.add(outcome, scores)
        if math.isfinite(sums.loss):
            return []
        bad = scored.batch.document_S[~torch.isfinite(scores.logp_S)].unique().tolist()
        return [scored.batch.names_N[document] for document in bad]

    def _seed(self, step: int, number: int) -> None:
        """Dropout is a function of the pack's place in the plan, so it does not depend on the number of ranks."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        place = [self.config.run.seed, step, number * world + rank]
        seed = int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0])
        torch.default_generator.manual_seed(seed)  # torch.manual_seed writes down a stack each time where CUDA sleeps
        if torch.cuda.is_available():
            torch.cuda.manual_seed(seed)

    def _all_suspects(self, suspects: list[str]) -> list[str]:
        from accelerate.utils import gather_object

        return gather_object(suspects) if self.accelerator.num_processes > 1 else suspects

    def _resume(self) -> Position:
        if self.saved is None:
            return Position(step=0, epoch=0)
        checkpoint.load_moments(self.saved.path, model=self.policy.model, optimizer=self.update.optimizer)
        self.loss_state = self.saved.position.loss_state
        return self.saved.position

    def _save(self, position: Position) -> None:
        model = self.policy.model
        files = checkpoint.weights_of(model) | checkpoint.moments_of(model, self.update.optimizer)
        if self.accelerator.is_main_process:
            path = checkpoint.save(self.run_folder.checkpoints, position, files=files, fingerprint=self.fingerprint)
            self.say(f"saved {path}")
        self.accelerator.wait_for_everyone()

    def _is_due(self, step: int) -> bool:
        """Whether the validation split is scored after this step."""
        total, every = self.update.total, self.config.run.evaluate_every
        return self.validation is not None and step > 0 and (step == total or step % (every or total) == 0)

    def _evaluate(self, step: int, meter: Meter) -> None:
        assert self.validation is not None
        found = self.validation.ask(self.model, self.loss_state, step=step, accelerator=self.accelerator)
        sharding.settle(self.model)
        meter.evaluated(found)
        self.stopwatch.start()

    def _reference(self) -> reference.Stored:
        self.say("computing the reference of all answers ...")
        loss, capacity = self.objective.loss, self.config.data.max_length
        return reference.compute(self.table, self.policy, loss, capacity=capacity, accelerator=self.accelerator)
