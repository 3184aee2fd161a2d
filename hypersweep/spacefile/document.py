"""A search space as YAML: all that a `hyper.test` says, ranges in plain values, and rules between the parameters.

A file is read node by node; all that is wrong in it is told together, with its line, that of a rule with its column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypersweep.errors import SpaceError, did_you_mean
from hypersweep.space import (
    ARGUMENTS,
    CONSTRAINT,
    DISTRIBUTIONS,
    FORBIDDEN,
    NAME,
    Choice,
    Distribution,
    Parameter,
    Range,
    Rule,
    RuleError,
    Space,
    Value,
)
from hypersweep.yamltext import Reader, compose, is_mapping, is_sequence, shown, tell_invalid

if TYPE_CHECKING:
    import yaml

PARAMETERS = "parameters"
SECTION_OF = {CONSTRAINT: "constraints", FORBIDDEN: "forbidden"}
SECTIONS = (PARAMETERS, *SECTION_OF.values())
KINDS = ("choice", "int", "logint", "log", *DISTRIBUTIONS)
WITH_STEP = ("int", "uniform")

_EXPECTED_PARAMETER = "expected a list of values, or one kind such as {log: [1e-5, 1e-2]}"
_SURPRISING = ("yes", "no", "on", "off", "none")  # booleans to YAML 1.1, and None a string


def parse_document(text: str, where: str) -> Space:
    """The space that the text describes; raises one `SpaceError` with everything that is wrong, by `where` and line."""
    import yaml

    text = text.removeprefix("\ufeff")
    try:
        loader, root = compose(text)
    except yaml.YAMLError as error:
        raise SpaceError(tell_invalid(error, text, where)) from error
    return _Reading(text, where, loader).read_space(root)


def find_lines(text: str) -> dict[str, int]:
    """The line of each parameter in a text that can be parsed."""
    text = text.removeprefix("\ufeff")
    loader, root = compose(text)
    reading = _Reading(text, "", loader)
    return {name: key.start_mark.line + 1 for name, key, _ in reading.pairs(reading.read_sections(root)[PARAMETERS])}


class _Reading:
    """One text on its way to a space."""

    def __init__(self, text: str, where: str, loader: yaml.SafeLoader) -> None:
        self.text = text
        self.where = where
        self.reader = Reader(loader, lambda line: f"{where}:{line}", SpaceError)
        self.node_of: dict[str, yaml.Node] = {}  # of each rule, by what errors call it

    def tell(self, node: yaml.Node, problem: str) -> None:
        self.reader.tell(node.start_mark.line + 1, problem)

    def pairs(self, node: yaml.Node) -> list[tuple[str, yaml.Node, yaml.Node]]:
        return list(self.reader.pairs(node)) if is_mapping(node) else []

    def read_space(self, root: yaml.Node | None) -> Space:
        sections = self.read_sections(root)
        known: dict[str, Parameter] = {}
        if PARAMETERS in sections:
            self.read_parameters(sections[PARAMETERS], known)
        texts = {what: self.read_rules(what, sections.get(section), known) for what, section in SECTION_OF.items()}
        if not self.reader.problems:
            try:
                space = Space(known.values(), constraints=texts[CONSTRAINT], forbidden=texts[FORBIDDEN])
                space.check_rules()
                return space
            except RuleError as error:
                self.tell_rule(error, self.node_of[error.rule])
            except SpaceError as error:
                raise SpaceError(f"{self.where}: {error}") from error
        raise SpaceError.gather(self.reader.problems)

    def read_sections(self, root: yaml.Node | None) -> dict[str, yaml.Node]:
        """The nodes below the keys of the file."""
        expected = f"expected the key {PARAMETERS}, and perhaps {' and '.join(SECTION_OF.values())}"
        if root is None or not is_mapping(root):
            got = None if root is None else self.reader.read(root)
            self.reader.tell(1, f"no space, got {shown(got)}; {expected}. Write parameters: and below it one a line")
            return {}
        sections = {}
        for name, key, value in self.pairs(root):
            sections[name] = value
            if name not in SECTIONS:
                hint = did_you_mean(name, SECTIONS)
                self.tell(key, f"unknown key, got {name!r}; {expected}.{hint} Put parameters below {PARAMETERS}:")
        if PARAMETERS not in sections:
            self.tell(root, f"no parameters, got the keys {', '.join(sections)}; {expected}. Add {PARAMETERS}:")
        return sections

    def read_parameters(self, node: yaml.Node, known: dict[str, Parameter]) -> None:
        """Add the parameters of the section to `known`, each with those above it at hand."""
        pairs = self.pairs(node)
        if not pairs:
            got = shown(self.reader.read(node))
            self.tell(node, f"no parameters, got {got}; expected one a line: learning_rate: [0.001, 0.003]. Write some")
        for name, key, value in pairs:
            if NAME.fullmatch(name):
                known[name] = self.read_parameter(name, value, known) or Choice(name, (None,))  # for the rules' sake
            else:
                expected = "expected letters, digits and _, no digit first"
                self.tell(key, f"no parameter name, got {name!r}; {expected}. Rename it")

    def read_parameter(self, name: str, node: yaml.Node, above: dict[str, Parameter]) -> Parameter | None:
        if is_sequence(node):
            return self.read_choice(name, node, None)
        fields = {key: value for key, _, value in self.pairs(node)}
        condition, step = fields.pop("only_if", None), fields.pop("step", None)
        only_if = None if condition is None else self.read_rule(f"only_if of {name}", condition, above)
        if len(fields) != 1:
            got = f"the keys {', '.join(fields)}" if fields else shown(self.reader.read(node))
            self.tell(node, f"{name!r}: no parameter, got {got}; {_EXPECTED_PARAMETER}. Write one of these")
            return None
        ((kind, arguments),) = fields.items()
        if kind not in KINDS:
            hint = did_you_mean(kind, (*KINDS, "step", "only_if"))
            self.tell(
                arguments, f"{name!r}: unknown kind, got {kind!r}; expected {', '.join(KINDS)}.{hint} Use one of these"
            )
            return None
        if step is not None and kind not in WITH_STEP:
            expected = f"expected one with {' or '.join(WITH_STEP)} only"
            self.tell(step, f"{name!r}: a step of {kind}, got {shown(self.reader.read(step))}; {expected}. Remove it")
            return None
        if kind == "choice":
            return self.read_choice(name, arguments, only_if)
        return self.read_numbers(name, kind, arguments, step, only_if)

    def read_choice(self, name: str, node: yaml.Node, only_if: str | None) -> Parameter | None:
        num_problems = len(self.reader.problems)
        if not is_sequence(node):
            got = shown(self.reader.read(node))
            self.tell(node, f"{name!r}: no list of values, got {got}; expected [v1, v2, …]. Put the values in brackets")
            return None
        values = tuple(self.reader.read(node))
        for item in node.value:
            self.refuse_surprises(name, item)
        return self.make(node, num_problems, lambda: Choice(name, values, only_if))

    def refuse_surprises(self, name: str, node: yaml.Node) -> None:
        """Tell of values that are not what they seem: a plain `no` would be False, a plain `None` a string."""
        if is_sequence(node):
            for item in node.value:
                self.refuse_surprises(name, item)
        elif getattr(node, "style", "'") is None and str(node.value).lower() in _SURPRISING:
            expected = f"expected true, false, null, or {str(node.value)!r} in quotes"
            self.tell(node, f"{name!r}: YAML takes the value for another, got {node.value}; {expected}. Say which")

    def read_numbers(
        self, name: str, kind: str, node: yaml.Node, step_node: yaml.Node | None, only_if: str | None
    ) -> Parameter | None:
        num_problems = len(self.reader.problems)
        items = node.value if is_sequence(node) else [node]
        numbers = [self.read_number(name, kind, item) for item in items]
        width = None if step_node is None else self.read_number(name, kind, step_node)
        if kind not in ("int", "logint") and width is None:
            return self.make(node, num_problems, lambda: Distribution(name, kind, tuple(numbers), only_if))
        if len(numbers) != 2:
            self.tell(
                node, f"{name!r}: {kind} has {len(numbers)} bounds; expected two: {kind}: [low, high]. Mend the list"
            )
            return None
        is_whole = kind != "uniform"
        if is_whole and not all(isinstance(number, int) for number in (*numbers, width or 1)):
            got = ", ".join(map(repr, numbers))
            self.tell(
                node, f"{name!r}: {kind} takes whole numbers, got {got}; expected some. Write them, or use uniform"
            )
        low, high = numbers if is_whole else map(float, numbers)
        step = 1 if width is None else width
        return self.make(node, num_problems, lambda: Range(name, low, high, step, kind == "logint", only_if))

    def read_number(self, name: str, kind: str, node: yaml.Node) -> float:
        value = self.reader.read(node)
        if type(value) in (int, float):
            return value  # type: ignore[no-any-return]
        expected = f"expected {kind}: [{', '.join(ARGUMENTS.get(kind, ('low', 'high')))}]"
        self.tell(node, f"{name!r}: no number, got {shown(value)}; {expected}. Write a number")
        return 0

    def make(self, node: yaml.Node, num_problems: int, construct: Callable[[], Parameter]) -> Parameter | None:
        """The parameter; None if there are more problems than `num_problems`, or it has one."""
        if len(self.reader.problems) > num_problems:
            return None
        try:
            return construct()
        except SpaceError as error:
            for problem in str(error).split("\n"):
                self.tell(node, problem)
            return None

    def read_rules(self, what: str, node: yaml.Node | None, known: dict[str, Parameter]) -> list[str]:
        if node is None:
            return []
        if not is_sequence(node):
            got = shown(self.reader.read(node))
            self.tell(
                node, f"no list of rules, got {got}; expected one a line: - hidden_size % n_heads == 0. Write a list"
            )
            return []
        return [text for item in node.value if (text := self.read_rule(what, item, known)) is not None]

    def read_rule(self, what: str, node: yaml.Node, known: dict[str, Parameter]) -> str | None:
        """The text of a rule over the known parameters; what is wrong with it is told."""
        text: Value = self.reader.read(node)
        if not isinstance(text, str):
            self.tell(node, f"{what}: no rule, got {shown(text)}; expected one such as optimizer == 'sgd'. Write one")
            return None
        try:
            rule = Rule(what, text)
        except RuleError as error:
            self.tell_rule(error, node)
            return text
        self.node_of[str(rule)] = node
        for problem in rule.find_name_problems(known):
            self.tell_rule(problem, node)
        return text

    def tell_rule(self, error: RuleError, node: yaml.Node) -> None:
        """With its line, and its column as far as the rule stands in the file as it is."""
        start = self.text.find(str(node.value), node.start_mark.index, node.end_mark.index)
        line = self.text.count("\n", 0, max(start, node.start_mark.index)) + 1
        place = f"{self.where}:{line}"
        if start >= 0 and error.column is not None:
            place = f"{place}:{start + error.column - self.text.rfind(chr(10), 0, start)}"
        self.reader.problems.append(f"{place}: {error}")
