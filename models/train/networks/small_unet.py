"""The network of the models trained on renders: a light U-Net that answers at half the input's resolution.

Nothing is pretrained: every weight comes from the rendered parts, so no licence but ours applies.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

CHANNELS = (16, 24, 32, 64, 96)  # at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input


class ConvNorm(nn.Module):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.norm(self.conv(x)))


class UNet(nn.Module):
    """Logits [batch, 1 + labels, rows / 2, columns / 2]; rows and columns are multiples of 32."""

    def __init__(self, n_channels: int, n_labels: int, channels: tuple[int, ...] = CHANNELS):
        super().__init__()
        # The stem halves the picture at once: full resolution would cost more than the rest together.
        self.stem = nn.Sequential(
            ConvNorm(n_channels, channels[0], stride=2), ConvNorm(channels[0], channels[0])
        )
        self.down = nn.ModuleList(
            nn.Sequential(ConvNorm(finer, coarser, stride=2), ConvNorm(coarser, coarser))
            for finer, coarser in zip(channels, channels[1:])
        )
        self.up = nn.ModuleList(
            nn.Sequential(ConvNorm(coarser + finer, finer), ConvNorm(finer, finer))
            for finer, coarser in reversed(list(zip(channels, channels[1:])))
        )
        self.head = nn.Conv2d(channels[0], 1 + n_labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels = [self.stem(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = up(torch.cat([x, levels.pop()], dim=1))
        return self.head(x)
