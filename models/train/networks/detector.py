"""A detector without anchors: Lite0, a small pyramid, and at every cell a score a class and four distances.

A cell says how far the box's edges are from its centre, in strides of its level, and how likely each
class is there; the score is trained to be the overlap that the box reaches, so there is no separate
objectness. `Candidates` is the shape that is shipped: layout `yolo`, one column a cell.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import nn
from torch.nn import functional

from networks.lite0 import CHANNELS, ConvNorm, Lite0

SCORE_AT_START = 0.01
# A cell's box at the start reaches so many strides to each side.
REACH_AT_START = 2.5
# exp() of more is a box beyond every picture, and infinity in the end.
LOG_REACH_MAX = 5.0


class Separable(nn.Sequential):
    """5x5 a channel, then 1x1 across channels."""

    def __init__(self, n: int):
        super().__init__(ConvNorm(n, n, 5, groups=n), ConvNorm(n, n))


class Head(nn.Module):
    """Scores and distances of one level, each from its own two layers."""

    def __init__(self, n: int, n_labels: int):
        super().__init__()
        self.score_layers = nn.Sequential(Separable(n), Separable(n))
        self.reach_layers = nn.Sequential(Separable(n), Separable(n))
        self.scores = nn.Conv2d(n, n_labels, 1)
        self.reach = nn.Conv2d(n, 4, 1)
        nn.init.constant_(self.scores.bias, -math.log(1 / SCORE_AT_START - 1))
        nn.init.constant_(self.reach.bias, math.log(REACH_AT_START))
        for layer in (self.scores, self.reach):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.reach(self.reach_layers(x)), self.scores(self.score_layers(x))], 1)


class Detector(nn.Module):
    """[batch, cells, 4 + labels]: boxes x1, y1, x2, y2 in input px and logits, all levels in a row."""

    def __init__(self, n_labels: int, strides: list[int], width: int, pretrained: bool, n_frozen: int):
        super().__init__()
        self.encoder = Lite0(n_frozen)
        if pretrained:
            self.encoder.load_imagenet()
        # Strides 2, 4, 8, 16 and 32 are the encoder's levels 1 to 5.
        self.levels = [int(math.log2(stride)) for stride in strides]
        self.narrow = nn.ModuleList(ConvNorm(CHANNELS[level - 1], width, bent=False) for level in self.levels)
        self.down = nn.ModuleList(Separable(width) for _ in self.levels)
        self.shrink = nn.ModuleList(ConvNorm(width, width, 3, 2, groups=width) for _ in self.levels[1:])
        self.up = nn.ModuleList(Separable(width) for _ in self.levels[1:])
        self.heads = nn.ModuleList(Head(width, n_labels) for _ in strides)
        self.n_labels = n_labels
        self.strides = tuple(strides)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.encoder(x)
        maps = [narrow(features[level - 1]) for narrow, level in zip(self.narrow, self.levels)]
        # From coarse to fine for meaning, and back for place.
        for index in range(len(maps) - 2, -1, -1):
            maps[index] = maps[index] + functional.interpolate(maps[index + 1], scale_factor=2.0, mode="nearest")
        maps = [mix(x) for mix, x in zip(self.down, maps)]
        for index in range(1, len(maps)):
            maps[index] = self.up[index - 1](maps[index] + self.shrink[index - 1](maps[index - 1]))
        raw = torch.cat([head(x).flatten(2) for head, x in zip(self.heads, maps)], 2).transpose(1, 2).float()
        centres, strides = (cells.to(raw.device) for cells in grid((x.shape[3], x.shape[2]), self.strides))
        reach = raw[..., :4].clamp(max=LOG_REACH_MAX).exp() * strides
        boxes = torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], 2)
        return torch.cat([boxes, raw[..., 4:]], 2)


@functools.lru_cache
def grid(size_px: tuple[int, int], strides: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres [cells, 2] in input px and strides [cells, 1]."""
    centres, cell_strides = [], []
    for stride in strides:
        columns, rows = size_px[0] // stride, size_px[1] // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack([x, y], 2).reshape(-1, 2) + 0.5) * stride)
        cell_strides.append(torch.full((rows * columns, 1), float(stride)))
    return torch.cat(centres), torch.cat(cell_strides)


class Candidates(nn.Module):
    """The detector as it is shipped: [1, 4 + labels, cells], boxes as centre and size inside the input, scores 0 to 1.

    All cells, in their order. The best 300 would be fewer, but two that are nearly as good change places
    by rounding, and a golden vector would then differ on a machine that computes rightly.
    """

    def __init__(self, detector: Detector, size_px: tuple[int, int]):
        super().__init__()
        self.detector = detector
        self.register_buffer("edges", torch.tensor([*size_px, *size_px], dtype=torch.float32), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        said = self.detector(image)
        boxes = torch.minimum(said[..., :4].clamp(min=0), self.edges)
        low, high = boxes[..., :2], boxes[..., 2:]
        scores = torch.sigmoid(said[..., 4:])
        return torch.cat([(low + high) / 2, high - low, scores], 2).transpose(1, 2)
