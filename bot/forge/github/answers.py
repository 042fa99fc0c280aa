"""What GitHub answers, as types: the fields that are used, checked, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.forge.base import Author
from bot.forge.github.errors import Unreachable


class Answer(BaseModel):
    """Frozen; fields that are not named here are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _text(value: Any) -> Any:
    return "" if value is None else value


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


Text = Annotated[str, BeforeValidator(_text)]
Moment = Annotated[int, BeforeValidator(_seconds)]


class User(Answer):
    """Somebody. The numeric id stays when the name changes, and is never given again."""

    id: int
    login: str
    type: str = "User"

    def author(self) -> Author:
        """The type that the rest of the program uses."""
        return Author(self.login, str(self.id), self.type != "User")


MEMBERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""`author_association` of people who belong to a repository: good for order and bounds, and never
for a permission."""

GHOST = User(id=10137, login="ghost")
"""Stands for accounts that were deleted."""
Somebody = Annotated[User, BeforeValidator(lambda value: GHOST if value is None else value)]


class App(Answer):
    """A GitHub App."""

    id: int


class Label(Answer):
    """A label on a pull request."""

    name: str


class Home(Answer):
    """The repository that a branch is in."""

    full_name: str


class End(Answer):
    """Head or base of a pull request. `repo` is None when that repository was deleted."""

    ref: str
    sha: str
    repo: Home | None = None


class Pull(Answer):
    """A pull request as lists show it."""

    number: int
    state: str
    title: str
    body: Text = ""
    draft: bool = False
    user: Somebody
    labels: tuple[Label, ...] = ()
    head: End
    base: End
    created_at: Moment
    updated_at: Moment = 0
    closed_at: Moment | None = None
    merged_at: Moment | None = None
    author_association: Text = ""
    comments: int | None = None  # how many there are; only where one is asked for alone

    @property
    def names(self) -> frozenset[str]:
        """The names of its labels."""
        return frozenset(label.name for label in self.labels)


class IssueComment(Answer):
    """A comment on a pull request as a whole."""

    id: int
    user: Somebody
    body: Text = ""
    created_at: Moment
    updated_at: Moment
    issue_url: str = ""
    author_association: Text = ""
    performed_via_github_app: App | None = None

    @property
    def edited(self) -> bool:
        """Whether it was changed after it was written."""
        return self.updated_at != self.created_at

    @property
    def issue(self) -> int:
        """The number of its pull request; 0 when GitHub does not say."""
        return _number(self.issue_url)


class LineComment(Answer):
    """A comment on a line of a pull request. `line` is None where that line is gone."""

    id: int
    user: Somebody
    body: Text = ""
    path: str
    line: int | None = None
    original_line: int | None = None
    created_at: Moment
    updated_at: Moment
    pull_request_url: str = ""

    @property
    def issue(self) -> int:
        """The number of its pull request; 0 when GitHub does not say."""
        return _number(self.pull_request_url)


class Issue(Answer):
    """A pull request as an issue: what an edit of its labels or its state answers."""

    state: str
    labels: tuple[Label, ...] = ()
    comments: int | None = None  # how many there are, those on lines left out


class Output(Answer):
    """What a check run shows."""

    title: Text = ""
    summary: Text = ""


class CheckRun(Answer):
    """A check run."""

    id: int
    name: str
    head_sha: str
    status: str
    conclusion: str | None = None
    external_id: Text = ""
    output: Output = Field(default_factory=Output)
    app: App | None = None


class Access(Answer):
    """What a person may do."""

    permission: str
    user: User


class RepositoryAnswer(Answer):
    """The repository."""

    full_name: str
    private: bool
    permissions: dict[str, bool] = Field(default_factory=dict)


def _number(url: str) -> int:
    number = url.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0


Kind = TypeVar("Kind", bound=Answer)


def parse(kind: type[Kind], data: Any) -> Kind:
    """An answer as a type. Raises Unreachable for what is none: GitHub, or who is in between."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unreachable(
            f"GitHub's answer is not what its documentation says ({kind.__name__}, {place}: "
            f"{first['msg']}). Try again; if it stays so, report it."
        ) from None


def parse_all(kind: type[Kind], data: Iterable[Any]) -> list[Kind]:
    """The same for a list."""
    return [parse(kind, entry) for entry in data]
