"""A U-Net on Lite0: logits at the input's full resolution, computed at half of it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from networks.lite0 import CHANNELS, ConvNorm, Lite0

WIDTHS = (16, 24, 48, 96)  # of the decoder at strides 2, 4, 8 and 16


class Up(nn.Module):
    """Doubles the coarse map, joins the fine one, and mixes both."""

    def __init__(self, n_coarse: int, n_fine: int, n_out: int):
        super().__init__()
        self.mix = nn.Sequential(
            ConvNorm(n_coarse + n_fine, n_out, 3), ConvNorm(n_out, n_out, 3, groups=n_out), ConvNorm(n_out, n_out)
        )

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        coarse = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        return self.mix(torch.cat([coarse, fine], 1))


class Lite0UNet(nn.Module):
    """Logits [batch, 1 + labels, rows, columns]; rows and columns are multiples of 32."""

    def __init__(self, n_labels: int, pretrained: bool, n_frozen: int):
        super().__init__()
        self.encoder = Lite0(n_frozen)
        if pretrained:
            self.encoder.load_imagenet()
        self.narrow = ConvNorm(CHANNELS[-1], 128)
        coarser = (128, *reversed(WIDTHS))
        self.up = nn.ModuleList(
            Up(n_coarse, n_fine, n_out)
            for n_coarse, n_fine, n_out in zip(coarser, reversed(CHANNELS[:-1]), reversed(WIDTHS))
        )
        self.head = nn.Conv2d(WIDTHS[0], 1 + n_labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *finer, x = self.encoder(x)
        x = self.narrow(x)
        for up in self.up:
            x = up(x, finer.pop())
        return functional.interpolate(self.head(x), scale_factor=2.0, mode="bilinear", align_corners=False)
