"""The log and the closing block: what is written, what is read, what is refused and how that is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hypersweep.errors import ResultLogError
from hypersweep.resultlog import (
    LoggedTrial,
    best_as_json,
    find_result_problem,
    format_best,
    format_block,
    format_meter,
    parse_log,
    read_log,
)
from hypersweep.runner.returned import read_returned
from hypersweep.space import Value
from hypersweep.trial import Result

RESULT = Result(valid={"recall@10": 0.1, "loss": 3e-06}, test={"recall@10": 1.0})
TEXT = """\
a:1, size:[64,64]
Valid result:
recall@10 : 0.1    loss : 3e-06
Test result:
recall@10 : 1.0

"""


def parse(text: str, where: str = "hyper.result") -> list[LoggedTrial]:
    return parse_log(text.split("\n"), where)


def test_a_block() -> None:
    assert format_block({"size": "[64,64]", "a": 1}, RESULT) == TEXT


def test_names_stand_in_code_point_order() -> None:
    assert format_block({"a": 1, "B": 2, "_": 3, "a1": 4}, Result()).split("\n")[0] == "B:2, _:3, a:1, a1:4"


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        (Result(valid={"a": 1}), ["Valid result:", "a : 1"]),
        (Result(test={"a": math.nan}), ["Test result:", "a : nan"]),
        (Result(valid={"a": -math.inf}, test={"b": 0.0}), ["Valid result:", "a : -inf", "Test result:", "b : 0.0"]),
    ],
)
def test_a_part_without_metrics_is_left_out(result: Result, lines: list[str]) -> None:
    text = "\n".join(["k:1", *lines, "", ""])
    assert format_block({"k": 1}, result) == text
    (trial,) = parse(text)
    assert repr(trial.result) == repr(result)


def test_a_log() -> None:
    first, second = parse(TEXT + TEXT.replace("a:1", "a:2"))
    assert (first.texts, first.line) == ({"a": "1", "size": "[64,64]"}, 1)
    assert (second.texts, second.line) == ({"a": "2", "size": "[64,64]"}, 7)
    assert first.result == second.result == RESULT
    assert format_block(first.texts, first.result) == TEXT
    assert parse("") == []


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("Valid result:\n", ""),
        TEXT.replace("0.1    loss", "0.1   loss"),
        TEXT.replace("0.1    loss", "0.1     loss"),
        TEXT.replace("0.1    loss", "0.1      loss"),
        TEXT.replace("a:1, size:[64,64]", "a: 1, size: [64,64]"),
        TEXT.replace("a:1, size:[64,64]", "a:1, size:'[64,64]'"),
        TEXT.replace("a:1, size:[64,64]", 'size: "[64, 64]", a:1'),
        TEXT.replace("\n", "\r\n"),
        "\n" + TEXT + "\n \t\n",
        TEXT.strip(),
        TEXT.replace("0.1 ", "0.10 "),
    ],
)
def test_what_is_read_but_not_written(text: str) -> None:
    (trial,) = parse(text)
    assert trial.params == {"a": 1, "size": "[64,64]"}
    assert trial.result == RESULT


def test_the_largest_whole_number_of_a_runner_reads_back() -> None:
    block = format_block({"k": 1}, read_returned({"a": 2**1023, "b": -(2**1023), "c": 2**1024}))
    (trial,) = parse(block)
    assert trial.result.valid == {"a": 2**1023, "b": -(2**1023), "c": math.inf}


def test_several_blocks_may_have_the_same_params() -> None:
    assert len(parse(TEXT + TEXT)) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("1.0", 1.0),
        ("5e-05", 5e-05),
        ("True", True),
        ("None", None),
        ("(64, 64)", (64, 64)),
        ("('a', (1,))", ("a", (1,))),
        ("()", ()),
        ("[64,64]", "[64,64]"),
        ("true", "true"),
        ("1e-3", "1e-3"),  # no number prints so
        ("007", "007"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("3j", "3j"),
        ("b'x'", "b'x'"),
        ("{1}", "{1}"),
        ("([1], 2)", "([1], 2)"),
        ("(", "("),
        ("", ""),
        ("a, b", "a, b"),
        ("a: b", "a: b"),
        (r"\d", r"\d"),
        (" 1", 1),
        ("'a b'", "a b"),
        ("'1'", "1"),
        ('"x', '"x'),
        ("[" * 1000, "[" * 1000),
    ],
)
def test_values_read_back(text: str, value: Value) -> None:
    (trial,) = parse(f"k:{text}, z:0\nloss : 1.0\n\n")
    assert trial.texts == {"k": text, "z": "0"}
    assert repr(trial.params) == repr({"k": value, "z": 0})


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("a:1, size:[64,64]", "a=1", 1, r"no params, got 'a=1'; expected name:value, name:value, … Mend the trial or"),
        ("a:1, ", "  a:1, ", 1, r"no params, got '  a:1, size:\[64,64\]'"),
        ("a:1, ", "\ufeffa:1, ", 1, r"no params, got '\\ufeffa:1"),
        ("a:1, ", "size:1, ", 1, r"a name stands there twice, got 'size:1, size:\[64,64\]'; expected each name once\."),
        (
            " : 0.1",
            ": 0.1",
            3,
            r"no metric, got 'recall@10: 0\.1'; expected name : number, 4 blanks between two\. Mend",
        ),
        ("0.1    loss", "0.1  loss", 3, r"no metric, got 'recall@10 : 0\.1  loss : 3e-06'"),
        ("0.1    loss", "0.1       loss", 3, r"no metric, got ' loss : 3e-06'"),
        ("3e-06", "3e-06    ", 3, r"no metric, got ''"),
        ("3e-06", "abc", 3, r"no metric, got 'loss : abc'"),
        ("3e-06", "1_0", 3, r"no metric, got 'loss : 1_0'"),
        ("3e-06", "٣", 3, r"no metric, got 'loss : ٣'"),
        ("3e-06", "9" * 309, 3, r"no metric, got 'loss : 999"),  # no float, as no runner's result is
        ("3e-06", "9" * 5000, 3, r"no metric, got 'loss : 999"),
        (
            "loss",
            "recall@10",
            3,
            r"a metric stands there twice, got 'recall@10 : 0\.1    recall@10 : 3e-06'; expected each",
        ),
        (
            "Valid result:\n",
            "Valid result\n",
            3,
            r"a line out of place, got 'recall@10 : 0\.1 .*; expected the params, 'V",
        ),
        ("Valid result:\n", "Valid result:\n\n", 3, r"a line out of place, got the trial's end; expected the params"),
        ("Valid result:\n", "Valid result:\nValid result:\n", 3, r"a line out of place, got 'Valid result:'"),
        ("Test result:\n", "", 4, r"a line out of place, got 'recall@10 : 1\.0'"),
        ("Test result:\nrecall@10 : 1.0\n", "Test result:\n", 5, r"a line out of place, got the trial's end"),
        (TEXT[len("a:1, size:[64,64]\n") :], "\n", 2, r"a line out of place, got the trial's end"),
        ("1.0\n\n", "1.0\nb:2\n", 6, r"a line out of place, got 'b:2'"),
    ],
)
def test_what_is_wrong_with_a_log(old: str, new: str, line: int, message: str) -> None:
    assert old in TEXT
    with pytest.raises(ResultLogError, match=rf"^some/hyper\.result:{line + 6}: {message}"):
        parse(TEXT + TEXT.replace(old, new, 1), "some/hyper.result")


def test_all_that_is_wrong_is_told_together() -> None:
    broken = TEXT.replace("a:1", "a=1").replace(" : 1.0", " = 1.0")
    with pytest.raises(
        ResultLogError, match=r"(?s)^x:1: no params.*\nx:5: no metric.*\nx:13: no params.*\nx:17: no metric"
    ):
        parse(broken + TEXT + broken, "x")


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "hyper.result"
    path.write_bytes("k:é\u2028\x0c\nloss : 1.0\n\n".encode())
    (trial,) = read_log(path)
    assert trial.texts == {"k": "é\u2028\x0c"}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ResultLogError, match=r"nowhere: there is no such file; expected a text file\. Check the path; a"
    ):
        read_log(tmp_path / "nowhere")
    (tmp_path / "hyper.result").write_bytes(b"k:1\nloss : 1.0\n\nk:\xff\n")
    with pytest.raises(ResultLogError, match=r"hyper\.result:4: no UTF-8 text, got b'\\xff'; expected UTF-8"):
        read_log(tmp_path / "hyper.result")


@pytest.mark.parametrize("name", ["a b", "a:b", "", "a\tb", "a\u2028b", "\ud800"])
def test_metrics_that_the_log_cannot_carry(name: str) -> None:
    for result in (Result(valid={"a": 1.0, name: 1.0}), Result(test={name: 1.0})):
        problem = find_result_problem(result)
        assert problem == (
            f"the log cannot carry the metric, got {name!r}; expected a name without blanks and colons. Rename it"
        )


def test_metrics_that_the_log_can_carry() -> None:
    assert find_result_problem(Result(valid={"recall@10": 1.0, "val/f1-score": 1.0}, test={"größe": 1.0})) is None


JUDGED = Result(model="LightSANs", score=0.5, bigger=True, valid={"ndcg@10": 0.5, "mrr": 0.25}, test={"ndcg@10": 0.125})


def test_the_best() -> None:
    assert format_best({"b": (64, 64), "a": "it's"}, JUDGED) == (
        "best params:  {'a': \"it's\", 'b': (64, 64)}\n"
        "best result: \n"
        "{'model': 'LightSANs', 'best_valid_score': 0.5, 'valid_score_bigger': True, "
        "'best_valid_result': OrderedDict([('ndcg@10', 0.5), ('mrr', 0.25)]), "
        "'test_result': OrderedDict([('ndcg@10', 0.125)])}"
    )


def test_the_best_without_model_and_test_metrics() -> None:
    assert format_best({"a": 1}, Result(score=0.0, bigger=False, valid={"loss": 0.0})) == (
        "best params:  {'a': 1}\nbest result: \n"
        "{'best_valid_score': 0.0, 'valid_score_bigger': False, 'best_valid_result': OrderedDict([('loss', 0.0)])}"
    )
    assert "'best_valid_result': OrderedDict()" in format_best({"a": 1}, Result(score=0.0, bigger=False))


@pytest.mark.parametrize(
    ("total", "judged", "is_ascii", "text"),
    [
        (12, JUDGED, False, "100%|██████████| 12/12 [27:45:38<00:00, 8328.24s/trial, best loss: -0.5]"),
        (24, JUDGED, True, " 50%|#####     | 12/24 [27:45:38<27:45:38, 8328.24s/trial, best loss: -0.5]"),
        (None, JUDGED, False, "100%|██████████| 12/12 [27:45:38<00:00, 8328.24s/trial, best loss: -0.5]"),
        (
            12,
            Result(score=3e-06, bigger=False),
            False,
            "100%|██████████| 12/12 [27:45:38<00:00, 8328.24s/trial, best loss: 3e-06]",
        ),
    ],
)
def test_the_meter(total: int | None, judged: Result, is_ascii: bool, text: str) -> None:
    assert format_meter(12, total, 8328.24 * 12, judged, is_ascii=is_ascii) == text


def test_the_best_as_json() -> None:
    result = Result(score=math.inf, bigger=True, valid={"a": math.inf, "b": math.nan, "c": 1})
    best: dict[str, Any] = best_as_json({"z": ((64, 0.5), None), "a": "x"}, result)
    assert json.loads(json.dumps(best, allow_nan=False)) == {
        "params": {"a": "x", "z": [[64, 0.5], None]},
        "result": {
            "model": None,
            "best_valid_score": None,
            "valid_score_bigger": True,
            "best_valid_result": {"a": None, "b": None, "c": 1},
            "test_result": {},
        },
    }
    assert best_as_json({}, JUDGED)["result"]["test_result"] == {"ndcg@10": 0.125}
