"""What every hostile candidate starts from: an honest candidate, and a diary of its attempts.

It is laid out beside the hostile file, as a second file of the candidate. Pure Python, so that
a run takes a moment. The honest part is deterministic and much better than chance: it learns
which words go with which colour of the picture's edge.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
from pathlib import Path

PHASE = os.environ["PHASE"]
GROUP = os.environ.get("GROUP", "")
DATA = Path(os.environ["DATA_DIR"])
OUT = Path(os.environ["OUT_DIR"])
MODEL = Path(os.environ.get("MODEL_DIR", "/no-model"))
FEATURES = 3

# What an attacker with inside knowledge could know: paths, ports and numbers of the host.
known = json.loads(Path(__file__).with_name("known.json").read_text())


def note(record):
    """Write one line of the diary, past whatever the candidate did to its own output."""
    os.write(2, b"\n@redteam " + json.dumps(record).encode() + b"\n")


def attempt(what, action):
    """Try something forbidden. `action` returns something true if it got what it wanted."""
    try:
        result = action()
    except BaseException as error:
        number = getattr(error, "errno", None)
        why = errno.errorcode.get(number, "") if isinstance(number, int) else ""
        note({"attempt": what, "done": False, "why": why or type(error).__name__})
        return None
    note({"attempt": what, "done": bool(result), "why": repr(result)[:200] if result else ""})
    return result


def call(name, *arguments):
    """A raw system call by the name of a dangerous one. Raises OSError as the kernel says."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    answer = libc.syscall(ctypes.c_long(known["calls"][name]), *plain)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer + 1  # true even where the answer is 0


def in_a_child(action):
    """Do it in a child; true if the child says so. A killed child raises."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if action() else 251)
        except BaseException as error:
            os._exit(getattr(error, "errno", None) or 250)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status < 0:
        raise ChildProcessError(errno.EPERM, f"killed by signal {-status}")
    if 0 < status < 250:
        raise OSError(status, os.strerror(status))
    return status == 0


def dump(path, limit=100_000):
    """Print what a file holds, so that whoever looks for secrets in the output finds them."""
    with open(path, "rb") as file:
        data = file.read(limit)
    os.write(1, data + b"\n")
    return len(data)


def pictures(path):
    raw = path.read_bytes()
    start = 10 + int.from_bytes(raw[8:10], "little")
    side = 48
    size = side * side * 3
    features = []
    for at in range(start, len(raw), size):
        picture = raw[at : at + size]
        edge = picture[: side * 3] + picture[-side * 3 :]
        features.append([sum(edge[c::3]) / (255 * 2 * side) for c in range(3)])
    return features


def train():
    scenes = [json.loads(line) for line in (DATA / "annotations.jsonl").read_text().splitlines()]
    features = pictures(DATA / "images.npy")
    mean = [sum(f[c] for f in features) / len(features) for c in range(FEATURES)]
    words = {}
    for scene, feature in zip(scenes, features):
        for word in set(scene["grounding"]["caption"].split()):
            words.setdefault(word, []).append(feature)
    vectors = {
        word: [sum(f[c] - mean[c] for f in seen) / (len(seen) + 5) for c in range(FEATURES)]
        for word, seen in words.items()
    }
    (OUT / "model.json").write_text(json.dumps({"mean": mean, "vectors": vectors}))
    print("step 1  loss 1.5  elapsed 0.1 s", flush=True)


def predict():
    model = json.loads((MODEL / "model.json").read_text())
    if GROUP == "images":
        rows = [[f[c] - model["mean"][c] for c in range(FEATURES)]
                for f in pictures(DATA / "images.npy")]  # fmt: skip
    else:
        rows = []
        for caption in json.loads((DATA / "captions.json").read_text()):
            found = [model["vectors"][w] for w in caption.split() if w in model["vectors"]]
            rows.append([sum(v[c] for v in found) for c in range(FEATURES)])
    lengths = [sum(x * x for x in row) ** 0.5 or 1.0 for row in rows]
    return [[x / length for x in row] for row, length in zip(rows, lengths)]


def header(shape, kind="<f8", version=b"\1\0"):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY" + version + struct.pack("<H", 118) + text.ljust(117).encode() + b"\n"


def save(rows, path=None):
    flat = [x for row in rows for x in row]
    body = struct.pack(f"<{len(flat)}d", *flat)
    (path or OUT / "predictions.npy").write_bytes(header((len(rows), len(rows[0]))) + body)


def honest():
    """What the honest candidate does in this phase, from beginning to end."""
    if PHASE == "train":
        train()
    else:
        save(predict())


# Whoever looks for survivors finds them by this, whatever else they do to hide. The start (field
# 22 of proc_pid_stat(5)) tells this namespace from a later one that got the same number.
started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
note({"namespace": os.stat("/proc/self/ns/pid").st_ino, "started": started})
