"""Small projects of the shapes that people bring: each trains for a second and prints a number."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """A project: what is committed, what lies beside it, and the command that makes data."""

    files: dict[str, str]
    untracked: dict[str, str] = field(default_factory=dict)


NANO = Shape(
    files={
        "README.md": (
            "# tinyGPT\n\n```sh\npython data/chars/prepare.py\n"
            "python train.py config/train_chars.py\n```\n"
        ),
        ".gitignore": "*.bin\nout*/\n",
        "train.py": '''"""
Trains a character model.

$ python train.py --batch_size=32 --compile=False
"""
import math
import os

import numpy as np

from model import Bigram, Config

# --- constants (tunable) ---
learning_rate = 3.0  # 0.1 .. 300, log
momentum = 0.5  # 0 .. 0.95
# --- end of constants ---
out_dir = "out"
eval_interval = 20
dataset = "chars"
batch_size = 12
block_size = 64
max_iters = 60
exec(open("configurator.py").read())

rng = np.random.default_rng(int(os.environ.get("SEED", 1337)))
os.makedirs(out_dir, exist_ok=True)
data_dir = os.path.join("data", dataset)
train_data = np.fromfile(os.path.join(data_dir, "train.bin"), dtype=np.uint8)
val_data = np.fromfile(os.path.join(data_dir, "val.bin"), dtype=np.uint8)
model = Bigram(Config(vocab_size=128))
for iter_num in range(max_iters + 1):
    if iter_num % eval_interval == 0:
        losses = {"train": model.loss(train_data), "val": model.loss(val_data)}
        print(f"step {iter_num}: train loss {losses['train']:.4f}, val loss {losses['val']:.4f}")
        np.save(os.path.join(out_dir, "ckpt.npy"), model.weights)
    at = rng.integers(0, len(train_data) - block_size, batch_size)
    model.step(np.stack([train_data[i : i + block_size] for i in at]), learning_rate, momentum)
''',
        "model.py": """from dataclasses import dataclass

import numpy as np


@dataclass
class Config:
    vocab_size: int = 128


class Bigram:
    def __init__(self, config):
        self.weights = np.zeros((config.vocab_size, config.vocab_size))
        self.speed = np.zeros_like(self.weights)

    def _log_probs(self):
        top = self.weights - self.weights.max(axis=1, keepdims=True)
        return top - np.log(np.exp(top).sum(axis=1, keepdims=True))

    def loss(self, text):
        return float(-self._log_probs()[text[:-1], text[1:]].mean())

    def step(self, batch, rate, momentum):
        first, second = batch[:, :-1].ravel(), batch[:, 1:].ravel()
        counts = np.zeros_like(self.weights)
        np.add.at(counts, (first, second), 1)
        wanted = counts - counts.sum(axis=1, keepdims=True) * np.exp(self._log_probs())
        self.speed = momentum * self.speed + wanted / len(first)
        self.weights += rate * self.speed
""",
        "configurator.py": """import sys

for arg in sys.argv[1:]:
    if "=" not in arg:
        exec(open(arg).read())
    else:
        name, value = arg.removeprefix("--").split("=")
        globals()[name] = eval(value)
""",
        "config/train_chars.py": "max_iters = 40\n",
        "data/chars/prepare.py": """import pathlib

here = pathlib.Path(__file__).parent
text = "the quick brown fox jumps over the lazy dog and runs away from the bear. " * 60
(here / "train.bin").write_bytes(text[:3500].encode())
(here / "val.bin").write_bytes(text[3500:].encode())
""",
    },
)

PYTORCH = Shape(
    files={
        "digits/main.py": """import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

# --- constants (tunable) ---
WIDTH = 8  # 4 .. 64, log
LR = 0.003  # 1e-4 .. 1, log
# --- end of constants ---


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(16, WIDTH)
        self.fc2 = nn.Linear(WIDTH, 4)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def main():
    parser = argparse.ArgumentParser(description="PyTorch digits example")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    data = torch.load("../data/digits.pt")
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    for epoch in range(1, args.epochs + 1):
        order = torch.randperm(len(data["x"]))
        for batch in order.split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(data["x"][batch]), data["y"][batch])
            loss.backward()
            optimizer.step()
        print(f"Train Epoch: {epoch} \\tLoss: {loss.item():.6f}")
        with torch.no_grad():
            output = model(data["test_x"])
            loss = F.cross_entropy(output, data["test_y"]).item()
            correct = (output.argmax(dim=1) == data["test_y"]).sum().item()
        print(f"\\nTest set: Average loss: {loss:.4f}, Accuracy: {correct}/{len(output)}\\n")


if __name__ == "__main__":
    main()
""",
        "digits/make_data.py": """import torch

g = torch.Generator().manual_seed(0)
w = torch.randn(16, 4, generator=g)
x, test_x = torch.randn(600, 16, generator=g), torch.randn(200, 16, generator=g)
y, test_y = (x @ w).argmax(1), (test_x @ w).argmax(1)
torch.save({"x": x, "y": y, "test_x": test_x, "test_y": test_y}, "../data/digits.pt")
""",
        "Makefile": "train:\n\tcd digits && python main.py --epochs 2\n",
        ".gitignore": "*.pt\n",
        "data/README": "Made by digits/make_data.py\n",
    },
)

SKLEARN = Shape(
    files={
        "analysis/fit_forest.py": """import os
import sys

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

N_TREES = 3  # 1 .. 60, log
MAX_DEPTH = 2  # 1 .. 8

x, y = load_wine(return_X_y=True)
seed = int(os.environ.get("SEED", 0)) % 2**31
model = RandomForestClassifier(N_TREES, max_depth=MAX_DEPTH, random_state=seed)
scores = cross_val_score(model, x, y, cv=3)
print("cross-validated accuracy: %0.4f (+/- %0.2f)" % (scores.mean(), scores.std()))
""",
    },
)

PERL = Shape(
    files={
        "bin/train.pl": """use strict;
my $step = 0.005;
srand($ENV{SEED} || 1);
open(my $rows, "<", "data/rows.csv") or die "no data: $!";
my @rows = map { chomp; [split /,/] } <$rows>;
my $weight = 0;
for my $epoch (1 .. 20) {
    for my $row (sort { rand() <=> 0.5 } @rows) {
        my ($x, $y) = @$row;
        $weight += $step * ($y - $weight * $x) * $x;
    }
    my $error = 0;
    $error += ($_->[1] - $weight * $_->[0]) ** 2 for @rows;
    printf("epoch %d, mean squared error %.6f\\n", $epoch, $error / @rows + rand() / 1000);
}
""",
        "README": "Least squares in Perl.\n\n    perl bin/train.pl\n",
        "data/rows.csv": "0.5,1.6\n1,3.1\n1.5,4.4\n2,6.1\n",
    },
)
