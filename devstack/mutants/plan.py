"""Lists the mutants: mutmut's operators, applied to every function and property of the given files.

mutmut itself is not run: it starts pytest again for every mutant, and leaves out whatever is decorated, such as the
properties of Tab, which say what is owed. Its operators are the ones people know, and used as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import ChildReplacementTransformer, Mutation, MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

NOTHING_IGNORED = IgnoredCode(no_mutate_lines=set(), ignore_node_lines=set(), ignore_pattern_lines=set())
PROPERTY = "    @property\n"
LOG_LINE = m.Attribute(value=m.Name("log"))
ERRORS = Path(__file__).resolve().parents[2] / "chalicelib/domain/errors.py"
_REFUSALS = [node.name for node in ast.parse(ERRORS.read_text()).body if isinstance(node, ast.ClassDef)]
REFUSAL = m.OneOf(*(m.Name(name) for name in [*_REFUSALS, "AssertionError"]))
"""Classes whose first argument is a `detail` for people."""
HOLDER = "_Holder"
"""The class around the source of a mutated method, so that `super()` in it compiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One function with one change in it.

    `name`: the function, dotted within its module, and the change's number in it. `source`: gives the whole function
    with the change, `original` without. `lines`: those of the statement that is changed; a test that runs none of them cannot notice.
    `words`: the change is to a text for people (see `_texts_for_people`).
    """

    name: str
    path: str
    function: str
    source: Callable[[], str]
    original: Callable[[], str]
    line: int
    lines: frozenset[int]
    before: str
    after: str
    words: bool

    @property
    def unchanged(self) -> Mutant:
        """The unchanged function, replaced in the same way; no test may notice it."""
        return replace(self, name=f"{self.name}, unchanged", source=self.original)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of one file, in the order of its text. `path` is relative to the root of the project."""
    # As a plain method, a property is mutated like any other function; the line stays, so that line numbers do too.
    source = path.read_text().replace(PROPERTY, "    # property\n")
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = MutationVisitor(mutation_operators, NOTHING_IGNORED)
    wrapper.visit(visitor)
    positions = wrapper.resolve(PositionProvider)
    names = dict(_functions(wrapper.module))
    statements = _statement_lines(source)
    people = _texts_for_people(wrapper.module)
    counts: dict[str, int] = {}
    for mutation in visitor.mutations:
        function = mutation.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef):
            continue
        name = names[function]
        counts[name] = counts.get(name, 0) + 1
        where = positions[mutation.original_node]
        assert isinstance(where, CodeRange)
        line = where.start.line
        yield Mutant(
            name=f"{path}:{name}#{counts[name]}",
            path=str(path),
            function=name,
            source=partial(_source, function, mutation, is_method="." in name),
            original=partial(_source, function, None, is_method="." in name),
            line=line,
            lines=statements.get(line, frozenset()) | {line},
            before=_one_line(mutation.original_node),
            after=_one_line(mutation.mutated_node),
            words=_is_for_people(mutation, people),
        )


def _functions(module: cst.Module) -> Iterator[tuple[cst.FunctionDef, str]]:
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            yield statement, statement.name.value
        elif isinstance(statement, cst.ClassDef):
            for method in statement.body.body:
                if isinstance(method, cst.FunctionDef):
                    yield method, f"{statement.name.value}.{method.name.value}"


def _source(function: cst.FunctionDef, mutation: Mutation | None, *, is_method: bool) -> str:
    changed: object = function
    if mutation is not None:
        changed = function.visit(ChildReplacementTransformer(mutation.original_node, mutation.mutated_node))
    assert isinstance(changed, cst.FunctionDef)
    if is_method:
        changed = cst.ClassDef(name=cst.Name(HOLDER), body=cst.IndentedBlock(body=[changed]))
    return "from __future__ import annotations\n" + str(cst.Module(body=[changed]).code)


def _statement_lines(source: str) -> dict[int, frozenset[int]]:
    """For each line, the lines of the innermost statement it belongs to: of a compound one, its head only."""
    found: dict[int, frozenset[int]] = {}
    for node in ast.walk(ast.parse(source)):  # Breadth first: what is further in comes later and wins.
        if not isinstance(node, ast.stmt):
            continue
        assert node.end_lineno is not None
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body else node.end_lineno
        if isinstance(node, ast.FunctionDef):
            last = node.end_lineno  # A parameter's default matters to whoever runs any line of the function.
        head = frozenset(range(node.lineno, max(last, node.lineno) + 1))
        for line in range(node.lineno, node.end_lineno + 1):
            found[line] = head
    return found


def _one_line(node: cst.CSTNode) -> str:
    return " ".join(cst.Module(body=[]).code_for_node(node).split())


def _texts_for_people(module: cst.Module) -> set[cst.CSTNode]:
    """Every node of the texts that are for people, whose wording nothing depends on.

    They are the `detail` of a refusal (who calls us goes by `code` and context), what an assertion says when it fails,
    and lines of the log.
    """
    found: set[cst.CSTNode] = set()
    for node in _walk(module):
        if isinstance(node, cst.Assert) and node.msg is not None:
            found.update(_walk(node.msg))
        elif isinstance(node, cst.Call) and m.matches(node.func, LOG_LINE):
            found.update(_walk(node))
        elif isinstance(node, cst.Call) and node.args and m.matches(node.func, REFUSAL):
            found.update(_walk(node.args[0]))
    return found


def _is_for_people(mutation: Mutation, texts: set[cst.CSTNode]) -> bool:
    """Whether it changes nothing but such a text, or leaves it out where one may."""
    before, after = mutation.original_node, mutation.mutated_node
    if before in texts:
        return True
    if not isinstance(before, cst.Call) or not isinstance(after, cst.Call) or len(before.args) != len(after.args):
        return False
    changed = [old for old, new in zip(before.args, after.args, strict=True) if old is not new]
    return bool(changed) and all(argument in texts for argument in changed)


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)
