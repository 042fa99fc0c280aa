"""What the fields of a model mean, read from the texts below them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def texts_of(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field of a model, by the field's name: its description.

    Pydantic can keep it too, but parses the sources of all models for that whenever the bot
    starts, which is a tenth of the start.
    """
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        (source,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(source, ast.ClassDef)  # noqa: S101 (for mypy)
        for field, text in pairwise(source.body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found[name] = " ".join(words.split())
    return found


def keys_of(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every key of a model as JSON, with the description of its field, depth first."""
    keys: dict[str, str] = {}
    for name, field in model.model_fields.items():
        keys[prefix + name] = texts_of(model).get(name, "").removesuffix(".")
        inner = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for kind in inner:
            if inspect.isclass(kind) and issubclass(kind, BaseModel):
                keys |= keys_of(kind, f"{prefix}{name}.")
    return keys
