"""Trials of the built-in runner that are trained as one model, from their beginnings to their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypersweep.recommend.batches import Splits
from hypersweep.recommend.fitting import Fit, build_fit, find_device, find_prepared, read_config
from hypersweep.recommend.lanes import map_in_turn
from hypersweep.recommend.prepared import PreparedData
from hypersweep.recommend.stack import OwnRandom, Stack
from hypersweep.runner.contract import LiveTrial
from hypersweep.trial import Params


@dataclass(frozen=True, eq=False)
class Member:
    """A trial that is trained with others; `random` are the random numbers of all that happens in it."""

    number: int
    fit: Fit
    random: OwnRandom


def run_trials(batch: Sequence[tuple[Params, LiveTrial]]) -> Iterator[tuple[int, Any]]:
    """See `runner.contract.BatchRunner`. The trials differ in nothing but options that are free."""
    device = find_device(batch[0][1])
    data = PreparedData.load(find_prepared(batch[0][1]))
    splits: Splits | None = None
    members: list[Member] = []
    for params, trial in batch:
        random = OwnRandom(trial.seed)
        try:
            with random.active():
                config = read_config(params, trial)
                splits = splits or Splits(data, max_len=config["MAX_ITEM_LIST_LENGTH"], device=device)
                fit = build_fit(config, trial, data, splits, map_in_turn)
                result = fit.begin()
        except Exception as error:
            yield trial.number, error
            continue
        if result is None:
            members.append(Member(trial.number, fit, random))
        else:
            yield trial.number, result
    if members:
        yield from _train(members)


def _train(members: list[Member]) -> Iterator[tuple[int, Any]]:
    stack = Stack([member.fit.training for member in members], [member.random for member in members])
    while members:
        losses = stack.train_epoch()
        for member, (loss, seconds) in zip(list(members), losses, strict=True):
            end: Any
            try:
                with member.random.active():
                    end = member.fit.go_on(loss, seconds)
            except Exception as error:
                end = error
            if end is not None:
                members.remove(member)
                stack.remove(member.fit.training)
                yield member.number, end
