"""What a hostile job leaves in its output folder, through the real sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.sandbox.base import Ended
from tests.runner.sandbox.conftest import Run

HOSTILE = {
    "a symbolic link": ("os.symlink('/etc/passwd', '/out/link')", "a symbolic link: link"),
    "a link to a folder": ("os.symlink('/proc', '/out/folder')", "a symbolic link: folder"),
    "a broken link": ("os.symlink('/nowhere', '/out/x')", "a symbolic link: x"),
    "a hard link": (
        "open('/out/a', 'w').write('x'); os.link('/out/a', '/out/b')",
        "a file with 2 links",
    ),
    "a named pipe": ("os.mkfifo('/out/pipe')", "a named pipe: pipe"),
    "a socket": (
        "import socket; socket.socket(socket.AF_UNIX).bind('/out/s')",
        "a socket: s",
    ),
    "too many files": ("[open(f'/out/{n}', 'w') for n in range(21)]", "more than 20 files"),
    "a sparse file": (
        "open('/out/sparse', 'w').truncate(6 << 20)",
        "more than 4194304 bytes",
    ),
    "many sparse files": (
        "[open(f'/out/{n}', 'w').truncate(3 << 20) for n in range(3)]",
        "more than 4194304 bytes",
    ),
    "a newline in a name": (r"open('/out/a\nb', 'w')", "a name that is not plain: 'a\\nb'"),
    "an escape sequence in a name": (r"open('/out/\x1b[31m', 'w')", "a name that is not plain"),
    "a name in no encoding": (r"open(b'/out/\xff\xfe', 'w')", "a name that is not plain"),
    "a hidden file": ("open('/out/.pth', 'w')", "a name that is not plain: '.pth'"),
    "a name that looks like an option": ("open('/out/-rf', 'w')", "a name that is not plain"),
    "folders without end": (
        "os.makedirs('/out/' + '/'.join('d' * 12))",
        "folders more than 8 deep",
    ),
    "a link deep down": (
        "os.mkdir('/out/d'); os.symlink('/', '/out/d/root')",
        "a symbolic link: d/root",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_it_is_refused(run: Run, what: str) -> None:
    code, note = HOSTILE[what]
    ran = run("import os\nopen('/out/0good', 'w').write('kept?')\n" + code)
    assert ran.outcome.ended is Ended.OUTPUT_LIMIT, ran.text
    assert note in ran.outcome.note
    assert ran.files == set()


def test_files_without_read_permission_never_surprise(run: Run) -> None:
    # Root reads them, another user is refused; either way nothing breaks.
    ran = run(
        "import os\nopen('/out/x', 'w').write('data')\nos.chmod('/out/x', 0)\n"
        "os.mkdir('/out/d'); os.chmod('/out/d', 0)"
    )
    if ran.outcome.ended is Ended.OUTPUT_LIMIT:
        assert "cannot be read" in ran.outcome.note
        assert ran.files == set()
    else:
        assert ran.files == {"x", "d"}


def test_a_full_output_folder_at_the_limit_is_fine(run: Run) -> None:
    ran = run(
        "for n in range(20): open(f'/out/{n}', 'wb').write(b'x' * 100_000)\n",
    )
    assert ran.outcome.ended is Ended.EXITED
    assert len(ran.files) == 20
    assert all(len((ran.folder / str(n)).read_bytes()) == 100_000 for n in range(20))


def test_the_folder_itself_may_be_mistreated(run: Run) -> None:
    ran = run("import os; os.chmod('/out', 0o777); open('/out/x', 'w').write('y')")
    assert ran.files == {"x"}
    assert Path(ran.folder, "x").read_text() == "y"
