"""`hypersweep run`: what its options do, what it prints where, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tqdm import tqdm

from hyper_tests.cli.conftest import Call
from hyper_tests.cli.sweeps import BEST, LOG, SPACE, blocks, lines_with
from hyper_tests.processes import environment, hypersweep
from hypersweep import Study


def meter(folder: Path, num_finished: int, size: int, best_loss: str) -> str:
    """The first line of the closing block, as tqdm gives it."""
    with Study(folder) as study:
        elapsed_s = study.elapsed_s()
    line = tqdm.format_meter(
        num_finished, size, elapsed_s, ascii=False, unit="trial", postfix=f"best loss: {best_loss}"
    )
    return f"{line}\n"


def test_results_go_to_stdout_and_all_else_to_stderr(folder: Path) -> None:
    done = hypersweep("run", "--space", "hyper.test", "--runner", "train.py:product", cwd=folder)
    assert done.returncode == 0
    assert done.stdout == meter(folder, 6, 6, "-0.6") + BEST
    assert done.stdout.startswith("100%|██████████| 6/6 [00:0")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("sweep: 6 trials, 0 done, 1 at once, ")
    assert lines[1] == "score: score, bigger is better"
    assert [line.split()[0] for line in lines[2:-1]] == [f"[{number}/6]" for number in range(1, 7)]
    assert lines[-1] == "all 6 points of the space: 6 finished"
    assert (folder / "hyper.result").read_text() == LOG


def test_one_trial_per_combination_in_their_order_by_default(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:product")
    assert (answer.code, answer.out) == (0, meter(folder, 6, 6, "-0.6") + BEST)
    assert (folder / "hyper.result").read_text() == LOG


@pytest.mark.parametrize("seed", ["1", "2"])
def test_shuffled_is_an_order_of_its_own_for_any_number_of_workers(folder: Path, call: Call, seed: str) -> None:
    options = ("run", "--runner", "train.py:product", "--order", "shuffled", "--seed", seed)
    assert call(*options).code == 0
    log = (folder / "hyper.result").read_text()
    assert sorted(blocks(log)) == sorted(blocks(LOG))
    assert log != LOG
    call(*options, "--out", "other", "--pool", "local", "--workers", "3")
    assert (folder / "other/hyper.result").read_text() == log
    with Study(folder) as study:
        assert {recorded.trial.seed for recorded in study.trials()} == {int(seed)}


def told(call: Call, *options: str) -> dict[str, object]:
    """What a trial was given by `run` with these options."""
    answer = call("run", "--runner", "train.py:told", *options, "--restart", "--pool", "local")
    assert answer.code == 0, answer.err
    given: dict[str, object] = json.loads(call("logs", "0").out)
    return given


def test_settings_come_from_files_and_options(folder: Path, call: Call) -> None:
    (folder / "hyper.yaml").write_text("a: 1\nb: 1\nc: 1\nd: 1\nseed: 7\n")
    (folder / "more.yaml").write_text("b: 2\nc: 2\nd: 2\n")
    (folder / "most.yaml").write_text("c: 1e-3\nd: 3\n")
    files = ("--config", "more.yaml", "--config", "most.yaml")
    given = told(call, *files, "--set", "d=[5,inf)", "--set", "e={f: true}", "--model", "M", "--dataset", "D")
    assert given["settings"] == {
        **{"a": 1, "b": 2, "c": 0.001, "d": "[5,inf)", "e": {"f": True}},
        **{"model": "M", "dataset": "D"},
    }
    assert given["seed"] == 7
    assert told(call, "--seed", "8")["seed"] == 8


def test_threads_are_those_asked_for(folder: Path, call: Call) -> None:
    assert told(call, "--threads", "3")["threads"] == "3"


def test_the_seed_of_the_space_is_the_trial_s(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("seed choice [11, 12]\n")
    assert told(call, "--seed", "5")["seed"] == 11
    assert (folder / "hyper.result").read_text().startswith("seed:11\n")


def test_the_metric_and_its_mode_choose_the_best(folder: Path, call: Call) -> None:
    named = call("run", "--runner", "train.py:metrics", "--metric", "loss")
    assert " each, score: loss, smaller is better\n" in named.err
    assert "best params:  {'k': 1, 'learning_rate': 0.1}\n" in named.out
    assert "best loss: 0.1]\n" in named.out
    turned = call("run", "--runner", "train.py:metrics", "--metric", "loss", "--mode", "max", "--restart")
    assert "best params:  {'k': 1, 'learning_rate': 0.3}\n" in turned.out
    assert "best loss: -0.3]\n" in turned.out


def test_a_result_in_full_is_printed_in_full(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:full")
    assert answer.out == (
        meter(folder, 6, 6, "-0.2") + "best params:  {'k': 2, 'learning_rate': 0.1}\n"
        "best result: \n"
        "{'model': 'LightSANs', 'best_valid_score': 0.2, 'valid_score_bigger': True, 'best_valid_result': "
        "OrderedDict([('recall@10', 0.1), ('ndcg@10', 0.2)]), 'test_result': OrderedDict([('recall@10', 0.05), "
        "('ndcg@10', nan)])}\n"
    )


def test_a_command_gets_its_words_quoted(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text("""word choice ["it's", '$HOME; exit 1']\n""")
    script = 'printf "%s\\n" "$HYPERSWEEP_SEED" {word}; echo "{\\"length\\": $(expr length {word})}"'
    answer = call("run", "--command", script, "--seed", "3", "--pool", "local")
    assert answer.code == 0, answer.err
    assert "best params:  {'word': '$HOME; exit 1'}\n" in answer.out
    assert call("logs", "1").out.startswith("3\n$HOME; exit 1\n")


def test_out_puts_both_elsewhere_and_the_stem_is_kept(folder: Path, call: Call) -> None:
    (folder / "wide.test").write_text(SPACE)
    assert call("run", "--space", "wide.test", "--runner", "train.py:product", "--out", "deep/er").code == 0
    assert sorted(path.name for path in (folder / "deep/er").iterdir()) == ["wide.result", "wide.sweep"]
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == {"deep", "hyper.test", "train.py", "wide.test"}


@pytest.mark.parametrize("pool", ["inline", "local"])
def test_a_failed_trial_is_named_and_ends_in_1(folder: Path, call: Call, pool: str) -> None:
    answer = call("run", "--runner", "train.py:fails_for_2", "--pool", pool)
    assert answer.code == 1
    assert "best params:  {'k': 1, 'learning_rate': 0.3}\n" in answer.out
    assert answer.out.startswith(" 50%|█████     | 3/6 [")
    failures = [f"failed: trial {number}: ValueError: no two" for number in (1, 3, 5)]
    assert answer.err.splitlines()[-5:] == [
        *failures,
        "see a trial's log: hypersweep logs 1 hyper.sweep",
        "try the failed ones again: hypersweep resume hyper.sweep --retry-failed",
    ]
    (line,) = lines_with(answer.err, "[2/6] trial 1: failed after ")
    assert line.endswith(" s, learning_rate:0.1, k:2: ValueError: no two")


def test_nan_everywhere_ends_in_1_and_has_no_best(folder: Path, call: Call) -> None:
    answer = call("run", "--runner", "train.py:nan")
    assert (answer.code, answer.out) == (1, "")
    assert len(lines_with(answer.err, "nan: trial ")) == 6
    assert "\nscore: score, bigger is better\n" in answer.err
    assert answer.err.endswith("no trial of hyper.sweep has finished with a score that is a number\n")
    best = call("best")
    assert (best.code, best.out) == (2, "")
    assert "no trial has finished with a score, got 6 finished" in best.err


def test_many_trials_give_few_lines(folder: Path, call: Call) -> None:
    (folder / "hyper.test").write_text(f"k choice {list(range(300))}\nlearning_rate choice [1]\n")
    answer = call("run", "--runner", "train.py:product")
    assert answer.code == 0
    assert len(answer.err.splitlines()) < 12
    assert answer.err.endswith(
        "300 of 300 trials done, best score 299 (trial 299)\nall 300 points of the space: 300 finished\n"
    )


def test_what_an_encoding_lacks_is_escaped(folder: Path) -> None:
    (folder / "hyper.test").write_text("k choice ['é']\nlearning_rate choice [2]\n", encoding="utf-8")
    (folder / "train.py").write_text("def f(params):\n    return 1\n")
    env = environment(PYTHONIOENCODING="ascii")
    done = hypersweep("run", "--runner", "train.py:f", cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("100%|##########| 1/1 [")
    for options in ("trials", "trials --csv", "status"):
        done = hypersweep(*options.split(), cwd=folder, env=env)
        assert (done.returncode, done.stderr) == (0, "")
