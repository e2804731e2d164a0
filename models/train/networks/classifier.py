"""A classifier: Lite0's features at stride 32, averaged and at their strongest, then one linear layer."""

from __future__ import annotations

import torch
from torch import nn

from networks.lite0 import CHANNELS, Lite0


class Classifier(nn.Module):
    """Logits [batch, labels]."""

    def __init__(self, n_labels: int, pretrained: bool, n_frozen: int, dropout: float):
        super().__init__()
        self.encoder = Lite0(n_frozen)
        if pretrained:
            self.encoder.load_imagenet()
        # Stride 16 too: a scratch is gone in the last map of a small picture.
        n_features = 2 * (CHANNELS[-1] + CHANNELS[-2])
        self.head = nn.Sequential(nn.BatchNorm1d(n_features), nn.Dropout(dropout), nn.Linear(n_features, n_labels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *_, fine, coarse = self.encoder(x)
        features = [pooled for x in (fine, coarse) for pooled in (x.mean((2, 3)), x.amax((2, 3)))]
        return self.head(torch.cat(features, 1))
