"""Small candidates for the tests, honest and hostile. Without imports that take long."""

from __future__ import annotations

import textwrap

_FORM = """
import json, os, pathlib, random, struct, sys, time
started = time.monotonic()
data, out = pathlib.Path(os.environ["DATA_DIR"]), pathlib.Path(os.environ["OUT_DIR"])
full = float(os.environ["TIME_BUDGET_S"]) > 0.5  # not the smoke run
kind = "<f8"

def train():
    dice = random.Random(int(os.environ["SEED"]))
    weights = [[dice.gauss(0, 1) for _ in range(4)] for _ in range(3)]
    (out / "weights.json").write_text(json.dumps(weights))
    print(f"step 1  loss 2.5  elapsed {time.monotonic() - started:.3f} s")

def features():
    if os.environ["GROUP"] == "images":
        raw = (data / "images.npy").read_bytes()[128:]
        size = 48 * 48 * 3
        images = [raw[start : start + size] for start in range(0, len(raw), size)]
        return [[sum(image) / size, min(image), max(image)] for image in images]
    captions = json.loads((data / "captions.json").read_text())
    return [[len(caption), caption.count("a"), caption.count("e")] for caption in captions]

def predict():
    weights = json.loads((pathlib.Path(os.environ["MODEL_DIR"]) / "weights.json").read_text())
    columns = list(zip(*weights))
    return [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in features()]

def save(rows):
    shape = (len(rows), len(rows[0])) if isinstance(rows[0], list) else (len(rows),)
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    head = head.ljust(117).encode() + b"\\n"
    flat = [x for row in rows for x in row] if isinstance(rows[0], list) else rows
    body = struct.pack(f"<{len(flat)}d", *flat)
    magic = b"\\x93NUMPY\\1\\0" + struct.pack("<H", 118)
    (out / "predictions.npy").write_bytes(magic + head + body)

if os.environ["PHASE"] == "train":
    train()
@TRAIN@
else:
    result = predict()
@PREDICT@
    save(result)
"""


def candidate(train: str = "", predict: str = "") -> str:
    """An honest candidate with more code at the end of training and before predictions are kept."""
    more = {"@TRAIN@": train, "@PREDICT@": predict}
    text = _FORM
    for place, code in more.items():
        text = text.replace(place, textwrap.indent(textwrap.dedent(code).strip(), "    "))
    return text


HONEST = candidate()
OTHER_HONEST = candidate(train="print('another one')")
CRASHES = candidate(train="raise ValueError('no')")
CRASHES_LATE = candidate(train="if full: raise ValueError('only in the full run')")
CRASHES_ON_SEED_7 = candidate(train="if os.environ['SEED'] == '7': sys.exit(3)")
SYNTAX_ERROR = HONEST.replace("def train():", "def train(:")
SLEEPS = candidate(train="time.sleep(600)")
EATS_MEMORY = candidate(train="hoard = [b'x' * (1 << 25) for _ in range(1000)]")
RAISES_MEMORY_ERROR = candidate(train="raise MemoryError")
BOASTS = candidate(
    train="print('mean_rank 1.0 metric: 1.0')", predict="print('mean_rank 1.0 metric: 1.0')"
)
LEAVES_A_CHILD = candidate(
    train="""
    if os.fork() == 0:
        time.sleep(0.3)
        (out / 'weights.json').write_text('[[1, 1], [1, 1], [1, 1]]')
        time.sleep(600)
    """
)
