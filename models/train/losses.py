"""What training makes small: for maps here, for boxes in `assign.py` and below."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

IGNORE = 255  # cells that teach nothing


def class_weights(truth: np.ndarray, n_labels: int) -> torch.Tensor:
    """As if every defect class filled 0.3 % of all cells, at most thirty times its due.

    Dice alone never wakes a class of a few cells a part: where softmax says 0, its gradient is 0.
    """
    share = np.array([(truth == value).mean() for value in range(1 + n_labels)])
    weights = np.clip(0.003 / np.maximum(share, 1e-6), 1, 30)
    weights[0] = 1
    print("class weights", np.round(weights, 1), flush=True)
    return torch.tensor(weights, dtype=torch.float32)


def map_loss(logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus Dice, the latter averaged over the defect classes that the batch shows."""
    entropy = functional.cross_entropy(logits, truth, weights, ignore_index=IGNORE)
    counted = (truth != IGNORE).float()
    probabilities = torch.softmax(logits, 1)
    losses = []
    for label in range(1, logits.shape[1]):
        true = (truth == label).float()
        if true.sum() == 0:
            continue
        said = probabilities[:, label] * counted
        losses.append(1 - (2 * (said * true).sum() + 1) / (said.sum() + true.sum() + 1))
    return entropy + (torch.stack(losses).mean() if losses else 0.0)
