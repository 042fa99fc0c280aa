"""Whether a step may begin with the working trees as a person has left them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import runner
from bot.errors import DirtyCheckout
from bot.git import Repository
from bot.proposing.place import Place
from bot.settings import FILE_NAME

RUNNER = Path(runner.__file__).resolve().parent

# What git itself calls unfinished, by the file that it keeps about it.
_UNFINISHED = {
    "MERGE_HEAD": ("merge", "git merge --continue", "git merge --abort"),
    "CHERRY_PICK_HEAD": ("cherry-pick", "git cherry-pick --continue", "git cherry-pick --abort"),
    "REVERT_HEAD": ("revert", "git revert --continue", "git revert --abort"),
}
_REBASES = ("rebase-merge/head-name", "rebase-apply/head-name")


def check_checkout(place: Place) -> str | None:
    """Refuse to begin when the base branch could not move forward at the end.

    That is so while it is being rebased, and, where it is checked out, during a merge or the
    like, and with changes in files that a verdict must write; changes of other files do no
    harm. Refuse as well where the runner that would judge is part of this repository and not
    the base branch's.

    Returns:
        One line for a person whose checkout will stay as it is, if it is another than the
        base branch's.

    Raises:
        DirtyCheckout: names what is in the way and what to do. Nothing was changed.
    """
    repository, settings = place.repository, place.settings
    base = settings.repository.base
    _check_rebase(repository, base)
    folder = repository.checked_out(base)
    if folder is not None:
        checkout = Repository(folder)
        _check_unfinished(checkout, base)
        wanted = [*settings.candidate.paths, *settings.written_by_bot, FILE_NAME, "program.md"]
        _check_files(checkout, base, wanted)
    check_runner(repository, base, RUNNER)
    return _note(repository, base)


def check_runner(repository: Repository, base: str, package: Path) -> None:
    """Refuse where the runner in `package` belongs to the base branch and differs from it there.

    One that is installed, or that the base branch does not hold, is trusted as it is.

    Raises:
        DirtyCheckout: names what differs. Nothing was changed.
    """
    top = Path(repository.git.text("rev-parse", "--show-toplevel")).resolve()
    if not package.is_relative_to(top):
        return
    place, branch = str(package.relative_to(top)), f"refs/heads/{base}"
    if not repository.git.text("ls-tree", "--name-only", branch, "--", place):
        return
    checkout = Repository(top)
    found = checkout.changed_since(branch, place) | set(checkout.dirty_paths([place]))
    changed = {path for path in found if "__pycache__" not in Path(path).parts}  # Python's own
    if changed:
        names = ", ".join(sorted(changed)[:5])
        raise DirtyCheckout(
            f"{names} in {top} {'is' if len(changed) == 1 else 'are'} not as on {base}, and what "
            "judges a candidate comes from the base branch alone. Nothing was changed. Commit "
            f"your changes to {base}, or work in a checkout of {base}. To try them out: "
            "`python -m runner measure --candidate train.py --seed 0`."
        )


def _check_rebase(repository: Repository, base: str) -> None:
    common = repository.common_folder()
    for folder in (common, *common.glob("worktrees/*")):
        for name in _REBASES:
            if _first_line(folder / name) == f"refs/heads/{base}":
                raise DirtyCheckout(
                    f"{base} is being rebased, and a step must be able to move it forward. "
                    "Nothing was changed. Finish it (`git rebase --continue`) or give it up "
                    "(`git rebase --abort`), then run the step again."
                )


def _check_unfinished(checkout: Repository, base: str) -> None:
    private = Path(checkout.git.text("rev-parse", "--absolute-git-dir"))
    for name, (what, finish, abandon) in _UNFINISHED.items():
        if (private / name).exists():
            raise DirtyCheckout(
                f"A {what} is not finished in {checkout.path}, and a step must be able to move "
                f"{base} forward. Nothing was changed. Finish it (`{finish}`) or give it up "
                f"(`{abandon}`), then run the step again."
            )
    unmerged = checkout.unmerged_paths()
    if unmerged:
        raise DirtyCheckout(
            f"{', '.join(unmerged)} in {checkout.path} {_has(unmerged)} conflicts that are not "
            f"resolved, and a step must be able to move {base} forward. Nothing was changed. "
            "Resolve them, `git add` and commit, then run the step again."
        )


def _check_files(checkout: Repository, base: str, paths: Sequence[str]) -> None:
    dirty = checkout.dirty_paths(paths, ignored=True)
    if dirty:
        raise DirtyCheckout(
            f"{', '.join(dirty)} in {checkout.path} {_has(dirty)} changes that are not committed, "
            f"and a step must be able to move {base} forward. Nothing was changed. Commit them "
            "(`git commit`), put them aside (`git stash -u`), or make your own idea an "
            "experiment: `git switch -c my-idea`, commit, `python -m bot open`."
        )


def _note(repository: Repository, base: str) -> str | None:
    here = repository.head_branch()
    if here == base:
        return None
    at = "HEAD is detached" if here is None else f"{here} is checked out"
    return f"{at}: this step works on {base}, and your checkout stays as it is."


def _has(paths: Sequence[str]) -> str:
    return "has" if len(paths) == 1 else "have"


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")[0]
    except OSError:
        return ""
