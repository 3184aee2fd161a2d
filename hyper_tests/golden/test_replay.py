"""The published sweeps run again, their logged results replayed: every block of their log and their best come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyper_tests.golden.test_seeds import BERT4REC, LIGHTSANS, Seed
from hyper_tests.processes import hypersweep
from hypersweep.errors import ResultLogError, SelectionError
from hypersweep.events import Event, Noted
from hypersweep.launch import sweep
from hypersweep.resultlog import format_best
from hypersweep.study import Study

both = pytest.mark.parametrize("seed", [LIGHTSANS, BERT4REC], ids=lambda seed: seed.model)
RUNNER = f"{Path(__file__).with_name('replay.py')}:run"


def write_space(directory: Path, seed: Seed) -> Path:
    path = directory / "hyper.test"
    path.write_text(seed.part("Hyper-parameter searching") + "\n")
    (directory / "published.result").write_text(published_log(seed))
    return path


def published_log(seed: Seed) -> str:
    return seed.part("Hyper-parameter logging") + "\n\n"


def published_blocks(seed: Seed) -> list[str]:
    """Those of the log, in the order of a sequential sweep."""
    blocks = [block + "\n\n" for block in published_log(seed).removesuffix("\n\n").split("\n\n")]
    numbers = [seed.space.index(trial.texts) for trial in seed.log]
    return [block for _, block in sorted(zip(numbers, blocks, strict=True))]


def published_best(seed: Seed) -> str:
    """Without the meter, which tells how long it took."""
    return seed.part("Logging Result").split("\n", 1)[1]


def settings_of(directory: Path, seed: Seed) -> dict[str, str]:
    return {"log": str(directory / "published.result"), "model": seed.model, "ran": str(directory / "ran")}


def ran(directory: Path) -> list[int]:
    path = directory / "ran"
    return sorted(int(line) for line in path.read_text().splitlines()) if path.exists() else []


def best_of(study: Study) -> str:
    best = study.best()
    assert best is not None and best.result is not None
    return format_best(best.trial.params, best.result)


@both
@pytest.mark.parametrize(("pool", "workers"), [("inline", 1), ("local", 1), ("local", 4)])
def test_a_published_sweep_comes_out_as_published(tmp_path: Path, seed: Seed, pool: str, workers: int) -> None:
    space = write_space(tmp_path, seed)
    settings = settings_of(tmp_path, seed)
    with sweep(space, runner=RUNNER, settings=settings, pool=pool, workers=workers, threads=1) as study:
        assert best_of(study) == published_best(seed)
    assert (tmp_path / "hyper.result").read_text() == "".join(published_blocks(seed))
    assert ran(tmp_path) == list(range(len(seed.log)))


@both
def test_the_command_line_prints_the_published_best(tmp_path: Path, seed: Seed) -> None:
    write_space(tmp_path, seed)
    assignments = [f"--set={name}={value}" for name, value in settings_of(tmp_path, seed).items()]
    done = hypersweep("run", "--runner", RUNNER, *assignments, "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    meter, rest = done.stdout.split("\n", 1)
    size, loss = len(seed.log), -float(seed.part("Logging Result").split("best loss: -")[1].split("]")[0])
    assert meter.startswith(f"100%|██████████| {size}/{size} [00:")
    assert meter.endswith(f"best loss: {loss}]")
    assert rest == published_best(seed) + "\n"
    assert (tmp_path / "hyper.result").read_text() == "".join(published_blocks(seed))
    assert hypersweep("best", cwd=tmp_path).stdout == rest


@both
def test_a_whole_published_log_is_taken_as_finished(tmp_path: Path, seed: Seed) -> None:
    space = write_space(tmp_path, seed)
    told: list[Event] = []
    published = tmp_path / "published.result"
    settings = settings_of(tmp_path, seed)
    with sweep(
        space, runner=RUNNER, settings=settings, pool="inline", from_result=published, on_event=told.append
    ) as study:
        assert best_of(study) == published_best(seed)
        assert study.counts()["finished"] == len(seed.log)
    assert ran(tmp_path) == []
    assert (tmp_path / "hyper.result").read_text() == "".join(published_blocks(seed))
    assert Noted(f"{len(seed.log)} finished trials were taken from {published}") in told


@both
def test_of_a_part_only_the_missing_trials_run(tmp_path: Path, seed: Seed) -> None:
    space = write_space(tmp_path, seed)
    part = tmp_path / "part.result"
    adopted = [0, len(seed.log) - 1, 2]
    part.write_text("".join(published_blocks(seed)[number] for number in adopted))
    settings = settings_of(tmp_path, seed)
    with sweep(space, runner=RUNNER, settings=settings, pool="inline", from_result=part) as study:
        assert best_of(study) == published_best(seed)
    assert ran(tmp_path) == [number for number in range(len(seed.log)) if number not in adopted]
    assert (tmp_path / "hyper.result").read_text() == "".join(published_blocks(seed))


def test_the_log_in_the_targets_place_is_moved_aside_first(tmp_path: Path) -> None:
    space = write_space(tmp_path, LIGHTSANS)
    published = tmp_path / "hyper.result"
    part = "".join(published_blocks(LIGHTSANS)[5:])
    published.write_text(part)
    told: list[Event] = []
    settings = settings_of(tmp_path, LIGHTSANS)
    sweep(space, runner=RUNNER, settings=settings, pool="inline", from_result=published, on_event=told.append).close()
    assert (tmp_path / "hyper.result.old-1").read_text() == part
    assert published.read_text() == "".join(published_blocks(LIGHTSANS))
    assert Noted(f"{published} was moved to {published}.old-1") in told


def test_lenient_logs_are_matched_by_the_texts_of_their_params(tmp_path: Path) -> None:
    """A blank after the colon, quotes, names in another order, no `Valid result:`, five blanks between metrics."""
    space = write_space(tmp_path, LIGHTSANS)
    log = tmp_path / "other.result"
    log.write_text("learning_rate: 0.0005, k_interests:'3'\nndcg@10 : 0.2     mrr@10 : 0.1\n")
    settings = settings_of(tmp_path, LIGHTSANS)
    with sweep(space, runner=RUNNER, settings=settings, pool="inline", from_result=log) as study:
        first = study.trial(0)
        assert first is not None and first.result is not None
        assert first.result.score == 0.2
        best = study.best()
        assert best is not None and best.trial.number == 0
    assert ran(tmp_path) == list(range(1, 12))


@pytest.mark.parametrize(
    ("log", "text"),
    [
        (
            "k_interests:3, learning_rate:0.01\nndcg@10 : 0.2\n\nk_interests:4, learning_rate:0.001\nndcg@10 : 0.2\n",
            r"log.result:1: 'learning_rate' has no value '0.01' in the space; expected one of 0.0005, 0.001, 0.003. "
            r"Remove the block.*\n.*log.result:4: 'k_interests' has no value '4'",
        ),
        (
            "k_interests:3\nndcg@10 : 0.2\n",
            "log.result:1: 'learning_rate' is missing; expected learning_rate, k_interest",
        ),
        (
            "k_interests:3, learning_rate:0.001, dropout:0.1\nndcg@10 : 0.2\n",
            "log.result:1: 'dropout' is no parameter of the space",
        ),
        (
            "k_interests:3, learning_rate:0.001\nndcg@10 : 0.2\n\nlearning_rate:0.001, k_interests:3\nndcg@10 : 0.3\n",
            "log.result:4: stands in line 1 already, with another result; expected each combination once",
        ),
        ("nonsense\n", "log.result:1: no params"),
    ],
    ids=["values", "missing", "unknown", "twice", "nonsense"],
)
def test_blocks_that_match_nothing_are_told_by_their_line(tmp_path: Path, log: str, text: str) -> None:
    space = write_space(tmp_path, LIGHTSANS)
    (tmp_path / "log.result").write_text(log)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ResultLogError, match=text):
        sweep(
            space,
            runner=RUNNER,
            settings=settings_of(tmp_path, LIGHTSANS),
            pool="inline",
            from_result=tmp_path / "log.result",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "nothing is written"


def test_the_same_block_twice_is_taken_once(tmp_path: Path) -> None:
    space = write_space(tmp_path, LIGHTSANS)
    log = tmp_path / "twice.result"
    log.write_text(published_blocks(LIGHTSANS)[0] * 2)
    sweep(space, runner=RUNNER, settings=settings_of(tmp_path, LIGHTSANS), pool="inline", from_result=log).close()
    assert (tmp_path / "hyper.result").read_text() == "".join(published_blocks(LIGHTSANS))


@pytest.mark.parametrize(
    ("metric", "valid_metric", "score"),
    [(None, None, 0.3), ("mrr@10", None, 0.1), (None, "MRR@10", 0.1), ("ndcg@10", "MRR@10", 0.3)],
)
def test_the_score_of_adopted_trials(
    tmp_path: Path, metric: str | None, valid_metric: str | None, score: float
) -> None:
    (tmp_path / "hyper.test").write_text("x choice [1]\n")
    (tmp_path / "old.result").write_text("x:1\nValid result:\nmrr@10 : 0.1    ndcg@10 : 0.3\n\n")
    settings = {} if valid_metric is None else {"valid_metric": valid_metric}
    with sweep(
        tmp_path / "hyper.test",
        runner=RUNNER,
        settings={**settings, "model": "M"},
        metric=metric,
        pool="inline",
        from_result=tmp_path / "old.result",
    ) as study:
        best = study.best()
        assert best is not None and best.result is not None
        assert (best.result.score, best.result.model) == (score, "M")


def test_adopted_trials_without_a_known_score_are_refused(tmp_path: Path) -> None:
    (tmp_path / "hyper.test").write_text("x choice [1]\n")
    (tmp_path / "old.result").write_text("x:1\nValid result:\nmrr@10 : 0.1    hit@10 : 0.3\n\n")
    with pytest.raises(SelectionError, match=r"several metrics, got mrr@10, hit@10"):
        sweep(tmp_path / "hyper.test", runner=RUNNER, pool="inline", from_result=tmp_path / "old.result")
