"""What routes get and give: a request, and the table that leads to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.github.state import GitHub, Json, Refused, Token

Handler = Callable[["Request"], Any]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []
REPOSITORY = "/repos/{owner}/{name}"


@dataclass
class Request:
    """One call, authenticated. `parts` are the named pieces of its path."""

    github: GitHub
    token: Token
    root: str  # http://127.0.0.1:PORT
    method: str
    path: str
    parts: dict[str, str]
    query: dict[str, str]
    body: Json

    @property
    def url(self) -> str:
        """Where the API of the repository is."""
        return f"{self.root}/repos/{self.github.full_name}"

    def number(self, name: str = "number") -> int:
        try:
            return int(self.parts[name])
        except ValueError:
            raise Refused(404, "Not Found") from None

    def needs(self, area: str, level: str = "write") -> None:
        """Refuse what the token does not allow."""
        if not self.token.allows(area, level):
            if self.token.permissions is not None:
                raise Refused(403, "Resource not accessible by integration")
            raise Refused(403, "Must have push access to repository.")

    def text(self, name: str, limit: int | None = None) -> str:
        """A text of the body that must be there, and not be too long."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value.strip():
            raise invalid(f"{name} can't be blank", name, "missing_field")
        if "\0" in value:
            raise invalid(f"{name} contains null bytes", name, "invalid")
        if limit is not None and len(value) > limit:
            raise invalid(f"{name} is too long (maximum is {limit} characters)", name, "invalid")
        return value


@dataclass(frozen=True)
class Answer:
    """An answer that is not simply JSON with the usual status."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def invalid(message: str, name: str, code: str) -> Refused:
    """GitHub's answer to what it does not take."""
    return Refused(422, "Validation Failed", [{"message": message, "field": name, "code": code}])


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Lead `METHOD path` to a function; `{name}` takes one part, `{name+}` takes the rest."""
    pattern = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", path)
    pattern = re.sub(r"\{(number|comment|check|run|artifact|id)\}", r"(?P<\1>\\d{1,40})", pattern)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)

    def register(handler: Handler) -> Handler:
        ROUTES.append((method, re.compile(pattern), handler))
        return handler

    return register
