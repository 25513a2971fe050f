from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import fleche_like.calls as package
from fleche_like.calls import Binder, Ignored, Required

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]


def test_text_annotations_are_resolved():
    def function(a: int, b: Ignored[int], c: package.Ignored[int] = 0, d: Required[int] = 1): ...

    binder = Binder(function)
    assert binder.ignored == {"b", "c"}
    assert binder.required == {"d"}


def test_one_that_cannot_be_resolved_still_counts_and_spoils_no_other():
    def function(
        a: Missing, b: Ignored[Missing], c: Required[Ignored[Missing]] = 0, d: Ignored[int] = 1
    ): ...

    binder = Binder(function)
    assert binder.ignored == {"b", "c", "d"}
    assert binder.required == {"c"}


def test_marks_are_found_in_unions_and_other_annotations():
    def function(
        a: Ignored[int] | None,
        b: Ignored[int] | None,
        c: Annotated[Ignored[int], "doc"],
        d: Ignored,
    ): ...

    assert Binder(function).ignored == {"a", "b", "c", "d"}


def test_types_inside_containers_are_no_marks():
    def function(a: list[Ignored[int]], b: dict[str, Required[int]] = {}): ...  # noqa: B006

    assert not Binder(function).ignored | Binder(function).required


def test_local_names_and_nonsense_are_survived():
    Alias = Ignored[int]

    def function(a: Alias, b: 1 / 0, c): ...  # type: ignore[valid-type]

    function.__annotations__["c"] = "a syntax error ["
    assert Binder(function).ignored == set()

    def closing(a: Alias):
        return Alias

    assert Binder(closing).ignored == {"a"}


def test_a_marked_parameter_keeps_its_plain_type_for_checkers():
    def function(a: Ignored[int], b: Required[int | None] = None) -> int:
        return a + (b or 0)

    assert function(1, 2) == 3
