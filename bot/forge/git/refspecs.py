"""How pull requests travel between clones: the refspecs of push and fetch."""

from __future__ import annotations

from bot.git import GitError, Repository

# Without a plus sign: a chain only grows, so what is not a fast-forward is refused.
REFSPEC = "refs/forge/pulls/*:refs/forge/pulls/*"
_CARRIED_BY = frozenset({"refs/forge/pulls/*", "refs/forge/*", "refs/*"})


def configure_refspecs(repository: Repository, remote: str = "origin") -> tuple[str, ...]:
    """Let fetches from and pushes to `remote` carry the pull requests; returns what was added.

    A remote without a push refspec gets `HEAD` too, so that a plain `git push` goes on pushing
    the branch that is checked out. Raises GitError when there is no such remote.
    """
    git = repository.git
    if git.run("config", "--get", f"remote.{remote}.url", accepted=(0, 1)).code:
        raise GitError(f"There is no remote {remote!r}. Add it: git remote add {remote} ADDRESS")
    added: list[str] = []
    for key, specs in (("fetch", [REFSPEC]), ("push", ["HEAD", REFSPEC])):
        name = f"remote.{remote}.{key}"
        present = git.run("config", "--get-all", name, accepted=(0, 1)).stdout.decode().split()
        wanted = specs if not present or key == "fetch" else [REFSPEC]
        for spec in wanted:
            if spec not in present:
                git.run("config", "--add", name, spec)
                added.append(f"{name}={spec}")
    return tuple(added)


def travels(repository: Repository, remote: str = "origin") -> bool | None:
    """Whether fetches from and pushes to `remote` carry the pull requests; None: no such remote."""
    git = repository.git
    if git.run("config", "--get", f"remote.{remote}.url", accepted=(0, 1)).code:
        return None
    for key in ("fetch", "push"):
        name = f"remote.{remote}.{key}"
        specs = git.run("config", "--get-all", name, accepted=(0, 1)).stdout.decode().split()
        if not any(spec.removeprefix("+").partition(":")[0] in _CARRIED_BY for spec in specs):
            return False
    return True
