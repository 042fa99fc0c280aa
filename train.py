"""Compact eCLIP: contrastive image-text training with expert attention (arXiv 2403.10153).

Scenes that carry region boxes also give an *expert view*: the boxes become a heat map, a small
cross-attention module looks at the image through it, and the result, mixed with the image, is
appended to the batch with the scene's full caption. Which share of a batch that is follows a
curriculum. One symmetric InfoNCE loss with a learnable temperature trains everything.

PHASE=train    DATA_DIR (images.npy, annotations.jsonl), OUT_DIR, SEED, TIME_BUDGET_S
PHASE=predict  MODEL_DIR, DATA_DIR (images.npy or captions.json), GROUP (images, captions), OUT_DIR
"""

# ruff: noqa: E402
import time

START = time.monotonic()  # the budget includes the imports

import json
import math
import os
import re
from collections import Counter
from pathlib import Path

# Threads that wait must sleep: spinning makes training several times slower on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# --- constants (tunable) ---
# optimisation
BATCH_SIZE = 64  # 32 .. 512, log; pairs in a step, times 32 on a GPU (8 below 70 GB, 2 below 6)
LEARNING_RATE = 3e-3  # 1e-4 .. 1e-2, log; highest rate of the schedule
WEIGHT_DECAY = 0.05  # 0.0 .. 0.5; AdamW, matrices only
ADAM_BETA2 = 0.98  # 0.9 .. 0.999; decay of the second moment
WARMUP = 0.05  # 0.0 .. 0.3; share of the time in which the rate rises
SCHEDULE = "cosine"  # one of: "cosine", "linear", "constant"; after the warm-up
FINAL_RATE = 0.02  # 0.0 .. 0.5; last rate as a share of the highest
GRADIENT_CLIP = 1.0  # 0.1 .. 10.0, log; largest norm of the gradient
EMA_DECAY = 0.0  # 0.0 .. 0.99; average of the weights that is saved, 0 saves the last ones
# contrastive loss
EMBEDDING_SIZE = 128  # 32 .. 512, log; dimensions of the shared space
INITIAL_LOGIT_SCALE = 14.3  # 1.0 .. 100.0, log; factor on the cosines, learned as a logarithm
MAX_LOGIT_SCALE = 2.0  # 1.0 .. 100.0, log; upper bound of that factor
LABEL_SMOOTHING = 0.0  # 0.0 .. 0.3; of the targets of the loss
# image tower
IMAGE_WIDTH = 96  # 32 .. 256, log; channels, twice as many on a GPU
IMAGE_BLOCKS = 2  # 1 .. 6; residual blocks behind the stem
IMAGE_POOL = "both"  # one of: "mean", "max", "both"; over positions
IMAGE_SHIFT = 2  # 0 .. 8; pixels by which a batch is moved at random
IMAGE_DROPOUT = 0.0  # 0.0 .. 0.5; before the projection
# text tower
TEXT_WIDTH = 128  # 32 .. 256, log; size of a word vector
TEXT_LAYERS = 1  # 0 .. 4; convolutions over words, 0 is a bag of words
TEXT_DROPOUT = 0.0  # 0.0 .. 0.5; of word vectors
# expert attention
EXPERT_SHARE = 0.1  # 0.0 .. 0.5; largest number of expert pairs as a share of the batch
EXPERT_START = 0.2  # 0.0 .. 0.5; share of the time before the first of them
EXPERT_PEAK = 0.5  # 0.5 .. 0.8; share of the time at which they are most
EXPERT_END = 0.9  # 0.8 .. 1.0; share of the time after which there are none
EXPERT_PATCH = 8  # one of: 4, 6, 8, 12; pixels on a side of a patch
EXPERT_WIDTH = 64  # 16 .. 128, log; size of queries, keys and values
EXPERT_MIX_ALPHA = 0.5  # 0.1 .. 4.0, log; Beta(alpha, alpha) mixes image and expert view
# --- end of constants ---

RESERVE_S = 1.0  # kept free at the end of the budget for saving and exit
MIN_WORD_COUNT = 2  # rarer words are unknown
PADDING, UNKNOWN = 0, 1
STEM_PATCH = 4  # pixels on a side
ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
IN_BF16 = ON_GPU and torch.cuda.get_device_capability() >= (8, 0)  # older cards emulate it
MEMORY = torch.cuda.mem_get_info()[1] if ON_GPU else 0  # bytes on the card
BATCH_FACTOR = 32 if MEMORY > 70e9 else 8 if MEMORY > 6e9 else 2 if ON_GPU else 1


def elapsed():
    return time.monotonic() - START


# ==== data ====
def load_images(folder):
    """uint8 images (N, H, W, 3) as they lie on disk."""
    path = Path(folder) / "images.npy"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: DATA_DIR must hold the images")
    images = np.load(path, allow_pickle=False)
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise ValueError(f"{path}: want uint8 (N, H, W, 3), found {images.dtype} {images.shape}")
    side = math.lcm(STEM_PATCH, EXPERT_PATCH)
    if images.shape[1] % side or images.shape[2] % side:
        raise ValueError(f"{path}: height and width must be divisible by {side}")
    return torch.from_numpy(images)


def load_annotations(folder, images):
    """Rows, captions and boxes of the scenes; boxes in shares of width and height."""
    path = Path(folder) / "annotations.jsonl"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: DATA_DIR must hold the annotations")
    scenes = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            scene = json.loads(line)
            file, row = scene["filename"].split("#")
            caption = scene["grounding"]["caption"]
            size = (scene["width"], scene["height"]) * 2
            regions = [region["bbox"] for region in scene["grounding"].get("regions", [])]
            scaled = [[v / s for v, s in zip(box, size, strict=True)] for box in regions]
            row = int(row)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: not a scene ({error!r})") from error
        if file != "images.npy" or not 0 <= row < len(images):
            raise ValueError(f"{path}, line {number}: there is no image {scene['filename']}")
        scenes.append((row, caption, scaled))
    if not scenes:
        raise ValueError(f"{path} holds no scenes")
    rows, captions, boxes = zip(*scenes, strict=True)
    return torch.tensor(rows), captions, boxes


def words_of(caption):
    return re.findall(r"\w+|[^\w\s]", caption.lower())


def make_vocabulary(captions):
    """Words in order of first use; their numbers start behind padding and unknown."""
    counts = Counter(word for caption in captions for word in words_of(caption))
    return [word for word, count in counts.items() if count >= MIN_WORD_COUNT]


def tokenise(captions, vocabulary, length):
    """Word numbers (N, length), cut or padded."""
    number = {word: n for n, word in enumerate(vocabulary, UNKNOWN + 1)}
    tokens = np.full((len(captions), length), PADDING, dtype=np.int64)
    for row, caption in enumerate(captions):
        numbers = [number.get(word, UNKNOWN) for word in words_of(caption)[:length]] or [UNKNOWN]
        tokens[row, : len(numbers)] = numbers
    return torch.from_numpy(tokens)


def pad_boxes(boxes):
    """Boxes (N, most per scene, 4); NaN where there is none."""
    padded = torch.full((len(boxes), max(map(len, boxes), default=0), 4), math.nan)
    for row, scene in enumerate(boxes):
        if scene:
            padded[row, : len(scene)] = torch.tensor(scene)
    return padded


def to_float(images):
    """uint8 (N, H, W, 3) to about [-2, 2], (N, 3, H, W) in channels-last memory."""
    return (images.permute(0, 3, 1, 2).float() - 127.5) / 64.0


def to_patches(images, side):
    """Squares that do not overlap: (N, C, H, W) to (N, H / side, W / side, side * side * C)."""
    rows = images.permute(0, 2, 3, 1).unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return rows.transpose(2, 3).flatten(3)


def from_patches(patches, side):
    """The images (N, C, H, W) of such squares."""
    rows = patches.unflatten(3, (side, side, -1)).transpose(2, 3)
    return rows.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


# ==== model ====
class ImageTower(nn.Module):
    """A small residual convnet: stride 4 in the stem, stride 8 in the blocks."""

    def __init__(self, width, size):
        super().__init__()
        # No bias where all that follows is a batch norm, which would take it away again.
        self.patches = nn.Linear(3 * STEM_PATCH**2, width // 2)
        self.stem = nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width),
                nn.Conv2d(width, width, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(width, width, 1, bias=False),
            )
            for _ in range(IMAGE_BLOCKS)
        )
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(IMAGE_DROPOUT)
        self.project = nn.Linear(width * (2 if IMAGE_POOL == "both" else 1), size)

    def forward(self, images):
        x = self.stem(F.gelu(self.patches(to_patches(images, STEM_PATCH))).permute(0, 3, 1, 2))
        for block in self.blocks:
            x = x + block(x)
        x = F.gelu(self.norm(x)).flatten(2)
        mean, most = x.mean(2), x.amax(2)
        pooled = {"mean": mean, "max": most, "both": torch.cat([mean, most], 1)}[IMAGE_POOL]
        return self.project(self.dropout(pooled))


class TextTower(nn.Module):
    """Word and position vectors, convolutions over neighbouring words, mean over the words."""

    def __init__(self, words, length, size):
        super().__init__()
        self.word = nn.Embedding(words, TEXT_WIDTH)
        self.position = nn.Parameter(torch.randn(length, TEXT_WIDTH) * 0.1)
        self.dropout = nn.Dropout(TEXT_DROPOUT)
        self.layers = nn.ModuleList(
            nn.Conv1d(TEXT_WIDTH, TEXT_WIDTH, 3, padding=1) for _ in range(TEXT_LAYERS)
        )
        self.norm = nn.LayerNorm(TEXT_WIDTH)
        self.project = nn.Linear(TEXT_WIDTH, size)

    def forward(self, tokens):
        kept = (tokens != PADDING).unsqueeze(2)
        x = self.dropout(self.word(tokens) + self.position[: tokens.shape[1]]) * kept
        for layer in self.layers:
            x = x + F.gelu(layer(x.mT).mT) * kept
        return self.project(self.norm(x.sum(1) / kept.sum(1)))


class HeatmapProcessor(nn.Module):
    """The expert's view of an image: patches under the heat map look at all its patches."""

    def __init__(self):
        super().__init__()
        values = 3 * EXPERT_PATCH**2
        self.query, self.key, self.value = (nn.Linear(values, EXPERT_WIDTH) for _ in range(3))
        self.out = nn.Linear(EXPERT_WIDTH, values)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, images, heat):
        seen = images * heat.unsqueeze(1)
        patches, focus = to_patches(images, EXPERT_PATCH), to_patches(seen, EXPERT_PATCH)
        parts = self.query(focus), self.key(patches), self.value(patches)
        # One head, in a dimension of its own: the fused kernels want it.
        attended = F.scaled_dot_product_attention(*(part.flatten(1, 2)[:, None] for part in parts))
        view = self.out(attended[:, 0]).unflatten(1, patches.shape[1:3])
        return seen + from_patches(view, EXPERT_PATCH)


class Eclip(nn.Module):
    def __init__(self, words, length, image_width):
        super().__init__()
        self.images = ImageTower(image_width, EMBEDDING_SIZE)
        self.captions = TextTower(words, length, EMBEDDING_SIZE)
        self.expert = HeatmapProcessor()
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())


def heat_maps(boxes, height, width):
    """Maximum over Gaussians in the boxes' middles, sigma half a box side: (N, H, W)."""
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    middle, sigma = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
    across = ((x - middle[..., :1]) / sigma[..., :1].clamp(min=1e-3)) ** 2
    down = ((y - middle[..., 1:]) / sigma[..., 1:].clamp(min=1e-3)) ** 2
    return torch.exp(-(down.unsqueeze(-1) + across.unsqueeze(-2)) / 2).nan_to_num(0.0).amax(1)


def contrastive_loss(image, text, scale, scenes):
    """Symmetric InfoNCE; two pairs of one scene are not each other's negatives."""
    logits = scale * F.normalize(image.float(), dim=1) @ F.normalize(text.float(), dim=1).T
    same = scenes.unsqueeze(0) == scenes.unsqueeze(1)
    logits = torch.where(same.fill_diagonal_(False), -scale.detach(), logits)
    target = torch.arange(len(logits), device=logits.device)
    forth = F.cross_entropy(logits, target, label_smoothing=LABEL_SMOOTHING)
    return (forth + F.cross_entropy(logits.T, target, label_smoothing=LABEL_SMOOTHING)) / 2


# ==== training ====
def learning_rate(progress):
    if progress < WARMUP:
        return LEARNING_RATE * max(progress / WARMUP, 0.01)
    past = min((progress - WARMUP) / (1 - WARMUP), 1.0)
    falls = {"cosine": (1 + math.cos(math.pi * past)) / 2, "linear": 1 - past, "constant": 1.0}
    return LEARNING_RATE * (FINAL_RATE + (1 - FINAL_RATE) * falls[SCHEDULE])


def expert_pairs(progress, batch_size):
    """The curriculum: none, rise, fall; by 64ths, as a GPU chooses kernels for each number."""
    rise = (progress - EXPERT_START) / max(EXPERT_PEAK - EXPERT_START, 1e-6)
    fall = (EXPERT_END - progress) / max(EXPERT_END - EXPERT_PEAK, 1e-6)
    share, unit = EXPERT_SHARE * max(0.0, min(1.0, rise, fall)), max(batch_size // 64, 1)
    return unit * round(share * batch_size / unit)


def shift(images):
    """Move a batch by a few pixels, repeating its edges."""
    if IMAGE_SHIFT == 0:
        return images
    down, right = np.random.randint(0, 2 * IMAGE_SHIFT + 1, 2)
    height, width = images.shape[2:]
    return F.pad(images, [IMAGE_SHIFT] * 4, mode="replicate")[
        :, :, down : down + height, right : right + width
    ]


def train():
    budget, seed = float(os.environ["TIME_BUDGET_S"]), int(os.environ["SEED"])
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    images = load_images(os.environ["DATA_DIR"])
    rows, captions, boxes = load_annotations(os.environ["DATA_DIR"], images)
    vocabulary = make_vocabulary(captions)
    length = min(max(len(words_of(caption)) for caption in captions), 64)
    tokens = tokenise(captions, vocabulary, length).to(DEVICE)
    annotated = torch.tensor([n for n, scene in enumerate(boxes) if scene], dtype=torch.long)
    annotated, boxes = annotated.to(DEVICE), pad_boxes(boxes).to(DEVICE)
    images, rows = images.to(DEVICE), rows.to(DEVICE)
    height, width = images.shape[1:3]
    # Drawn ahead: nothing in a step may wait for a copy to the device.
    mixes = np.random.beta(EXPERT_MIX_ALPHA, EXPERT_MIX_ALPHA, (1 << 16, 1, 1, 1))
    mixes = torch.from_numpy(mixes).float().to(DEVICE)

    shape = (len(vocabulary) + 2, length, IMAGE_WIDTH * (2 if ON_GPU else 1))
    model = Eclip(*shape).to(DEVICE, memory_format=torch.channels_last)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, ADAM_BETA2), weight_decay=0.0, fused=True)
    state = model.state_dict()  # the weights themselves, not copies
    average = {name: value.clone() for name, value in state.items()}
    averaged = [[v for v in part.values() if v.is_floating_point()] for part in (average, state)]

    batch_size = min(BATCH_SIZE * BATCH_FACTOR, len(rows))
    begin, end = elapsed(), budget - RESERVE_S
    order, step, step_s, printed = torch.empty(0, dtype=torch.long, device=DEVICE), 0, 0.0, 0.0
    size = sum(p.numel() for p in model.parameters())
    print(f"{len(rows)} scenes, {len(annotated)} with regions, {len(vocabulary)} words")
    print(f"{size} parameters on {DEVICE.type}, ready after {begin:.1f} s", flush=True)
    while step == 0 or elapsed() + step_s < end:
        step_began = elapsed()
        progress = min(max((step_began - begin) / max(end - begin, 1e-6), 0.0), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress)
        if len(order) < batch_size:
            order = torch.randperm(len(rows), device=DEVICE)
        scenes, order = order[:batch_size], order[batch_size:]
        pixels = to_float(images[rows[scenes]])
        experts = expert_pairs(progress, batch_size) if len(annotated) else 0
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=IN_BF16):
            if experts:
                chosen = annotated[torch.randint(len(annotated), (experts,), device=DEVICE)]
                plain = to_float(images[rows[chosen]])
                view = model.expert(plain, heat_maps(boxes[chosen], height, width))
                mix = mixes[torch.randint(len(mixes), (experts,), device=DEVICE)]
                pixels = torch.cat([pixels, mix * plain + (1 - mix) * view])
                scenes = torch.cat([scenes, chosen])
            image, text = model.images(shift(pixels)), model.captions(tokens[scenes])
        loss = contrastive_loss(image, text, model.log_scale.exp(), scenes)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
        optimizer.step()
        with torch.no_grad():
            model.log_scale.clamp_(max=math.log(MAX_LOGIT_SCALE))
            if EMA_DECAY:
                torch._foreach_lerp_(*averaged, 1 - EMA_DECAY)
        step += 1
        if elapsed() - printed >= 1.0 or step == 1:
            printed = elapsed()
            print(f"step {step}  loss {loss.item():.3f}  elapsed {printed:.1f} s", flush=True)
        step_s = max(0.9 * step_s, elapsed() - step_began)
    state = {name: value.cpu() for name, value in (average if EMA_DECAY else state).items()}
    saved = {"state": state, "vocabulary": vocabulary, "shape": shape}
    torch.save(saved, Path(os.environ["OUT_DIR"]) / "model.pt")
    print(f"step {step}  loss {loss.item():.3f}  elapsed {elapsed():.1f} s  saved", flush=True)


# ==== prediction ====
@torch.inference_mode()
def predict():
    saved = torch.load(Path(os.environ["MODEL_DIR"]) / "model.pt", weights_only=True)
    model = Eclip(*saved["shape"])
    model.load_state_dict(saved["state"])
    model.eval().to(DEVICE)
    group = os.environ["GROUP"]
    if group == "images":
        inputs, embed = load_images(os.environ["DATA_DIR"]), lambda x: model.images(to_float(x))
    elif group == "captions":
        captions = json.loads((Path(os.environ["DATA_DIR"]) / "captions.json").read_text("utf-8"))
        inputs, embed = tokenise(captions, saved["vocabulary"], saved["shape"][1]), model.captions
    else:
        raise ValueError(f"GROUP must be images or captions, not {group!r}")
    parts = [F.normalize(embed(part.to(DEVICE)), dim=1) for part in inputs.split(500)]
    np.save(Path(os.environ["OUT_DIR"]) / "predictions.npy", torch.cat(parts).cpu().numpy())


if __name__ == "__main__":
    torch.set_num_threads(min(len(os.sched_getaffinity(0)), 8))
    phases = {"train": train, "predict": predict}
    phase = os.environ.get("PHASE")
    if phase not in phases:
        raise SystemExit(f"PHASE must be train or predict, not {phase!r}")
    phases[phase]()
