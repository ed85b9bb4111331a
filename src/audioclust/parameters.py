"""Parameters declared once, one line each: name, type with bounds, default, meaning.

    @dataclass
    class KMeans:
        k: Count  # clusters
        n_init: Count = 10  # restarts
        _: KW_ONLY
        random_state: int = 0

Fields before ``KW_ONLY`` are the parameters: a section of ``params.yaml`` of the same name sets them, or a call from
Python. Fields after it come from the caller alone. Whatever runs calls ``validate(self)`` before it starts, so that a
wrong value stops at once, wherever it came from.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]  # of a whole, not nothing
Probability = Annotated[float, Field(ge=0, lt=1)]  # a limit that something can exceed
Unit = Annotated[float, Field(ge=0, le=1)]


def types(kind: type) -> dict[str, Any]:
    """Return name -> annotated type of the parameters of a dataclass, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if not field.kw_only}


def required(kind: type) -> list[str]:
    """Return the parameters without a default."""
    missing = dataclasses.MISSING
    fields = [field for field in dataclasses.fields(kind) if not field.kw_only]
    return [field.name for field in fields if field.default is missing and field.default_factory is missing]


def values(instance: Any) -> dict[str, Any]:
    """Return the parameters of an instance, as they are."""
    return {name: getattr(instance, name) for name in types(type(instance))}


def checked(
    expected: Mapping[str, Any], given: Mapping[str, Any], prefix: str, text: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Check values against annotated types.

    Args:
        expected: name -> annotated type.
        given: name -> value, for names in ``expected``.
        prefix: of a name in a message, e.g. "spice.".
        text: a string may stand for a number: YAML reads ``1e-3`` as one.

    Returns:
        The values as their types have them (a list where a tuple is meant becomes one), and the mistakes, each with
        name, rule and the value received.
    """
    good, mistakes = {}, []
    for name, value in given.items():
        plain = value.item() if type(value).__module__ == "numpy" and not getattr(value, "shape", ()) else value
        try:
            good[name] = _adapter(expected[name]).validate_python(plain)
        except ValidationError as error:
            rules = dict.fromkeys(_rule(e) for e in error.errors())  # a union reports each of its members
            mistakes.append(f"{prefix}{name} = {value!r}: {' or '.join(rules)}{_near(error)}")
            continue
        if isinstance(value, bool) and not isinstance(good[name], bool):
            mistakes.append(f"{prefix}{name} = {value!r}: must be a number, not true or false")
        elif isinstance(value, str) and not isinstance(good[name], str) and not text:
            mistakes.append(f"{prefix}{name} = {value!r}: must be a number, not a string")
    return good, mistakes


def validate(instance: Any) -> None:
    """Check the parameters of an instance of a dataclass.

    Raises:
        ValueError: one line per wrong value: class, name, rule, value received.
    """
    _, mistakes = checked(types(type(instance)), values(instance), f"{type(instance).__name__}.")
    if mistakes:
        raise ValueError("\n".join(mistakes))


def nearest(name: Any, known: Iterable[Any]) -> str:
    """Return ``; did you mean 'x'?`` where one of ``known`` reads like ``name``, else nothing."""
    near = difflib.get_close_matches(str(name), [str(each) for each in known], n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def choices(name: Any, known: Iterable[Any]) -> str:
    """Return the end of a message on a name that is none of ``known``."""
    known = [str(each) for each in known]
    return f": choose one of {', '.join(sorted(known))}{nearest(name, known)}"


@lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> TypeAdapter:
    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a type that brings a configuration of its own
        return TypeAdapter(annotation)


def _rule(error: dict[str, Any]) -> str:
    """Turn one of pydantic's findings into a rule a person reads."""
    where = "".join(f"[{part}] " for part in error["loc"] if isinstance(part, int))
    return where + error["msg"].removeprefix("Input should be ").replace("a valid", "must be a valid", 1)


def _near(error: ValidationError) -> str:
    """Return the nearest of the names that a literal allows, for the first value that is none of them."""
    for found in error.errors():
        if found["type"] == "literal_error" and isinstance(found["input"], str):
            expected = found["ctx"]["expected"].replace("'", "").replace(",", "").replace(" or ", " ").split()
            return nearest(found["input"], expected)
    return ""
