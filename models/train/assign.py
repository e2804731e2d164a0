"""Which cell answers for which box, and what it should have said.

Task-aligned assignment as Feng et al. describe it (ICCV 2021): of the cells whose centre lies in a
box, those answer for it that already say its class and place best together; the score they should say is
how well they do compared with the best. Boxes too small to hold a centre are widened for that choice only.
"""

from __future__ import annotations

import torch
from torch.nn import functional

SCORE_POWER, OVERLAP_POWER = 0.5, 6.0
CELLS_A_BOX = 10
# A box counts as at least so many of the finest strides wide, or the smallest defects would have no cell.
CENTRE_REACH_MIN = 1.0
REACH_WEIGHT, SCORE_WEIGHT = 2.5, 1.0


def pairwise_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of boxes [n, 4] and [m, 4]: [n, m]."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    both = (high - low).clamp(min=0).prod(2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return both / (area_a[:, None] + area_b[None] - both).clamp(min=1e-9)


def giou_loss(said: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """One minus generalised IoU of boxes in pairs, 0 (equal) to 2 (far apart)."""
    low, high = torch.maximum(said[:, :2], true[:, :2]), torch.minimum(said[:, 2:], true[:, 2:])
    both = (high - low).clamp(min=0).prod(1)
    either = (said[:, 2:] - said[:, :2]).prod(1) + (true[:, 2:] - true[:, :2]).prod(1) - both
    hull = (torch.maximum(said[:, 2:], true[:, 2:]) - torch.minimum(said[:, :2], true[:, :2])).prod(1)
    return 1 - both / either.clamp(min=1e-9) + (hull - either) / hull.clamp(min=1e-9)


@torch.no_grad()
def assign(boxes: torch.Tensor, scores: torch.Tensor, truth: torch.Tensor, centres: torch.Tensor,
           finest_stride: float) -> tuple[torch.Tensor, torch.Tensor]:
    """For one picture the box of each cell (-1: none) and the score that it should say for its class.

    `boxes` [cells, 4] and `scores` [cells, labels] are what the cells say; `truth` is [n, 5].
    """
    n_cells = len(centres)
    if not len(truth):
        return torch.full((n_cells,), -1, device=boxes.device), torch.zeros(n_cells, device=boxes.device)
    middle = (truth[:, :2] + truth[:, 2:4]) / 2
    half = ((truth[:, 2:4] - truth[:, :2]) / 2).clamp(min=CENTRE_REACH_MIN * finest_stride)
    inside = ((centres[None] - middle[:, None]).abs() < half[:, None]).all(2)
    overlap = pairwise_iou(truth[:, :4], boxes)
    quality = scores[:, truth[:, 4].long()].T ** SCORE_POWER * overlap**OVERLAP_POWER
    # Where nothing overlaps yet the nearest cells of a box are as good as any.
    nearness = 1e-12 / (1 + (centres[None] - middle[:, None]).norm(dim=2))
    quality = torch.where(inside, quality + nearness, torch.zeros_like(quality))
    best = quality.topk(min(CELLS_A_BOX, n_cells), dim=1)
    chosen = torch.zeros_like(quality).scatter_(1, best.indices, best.values) > 0
    # A cell that two boxes want answers for the one that it overlaps more.
    wanted = torch.where(chosen, overlap + 1e-6, torch.zeros_like(overlap))
    owner = wanted.argmax(0)
    owner = torch.where(chosen.any(0), owner, torch.full_like(owner, -1))
    mine = owner[None] == torch.arange(len(truth), device=owner.device)[:, None]
    quality = torch.where(mine, quality, torch.zeros_like(quality))
    reached = torch.where(mine, overlap, torch.zeros_like(overlap)).amax(1, keepdim=True)
    wished = (quality / quality.amax(1, keepdim=True).clamp(min=1e-20) * reached).amax(0)
    return owner, wished


def detection_loss(answer: torch.Tensor, truths: list[torch.Tensor], centres: torch.Tensor,
                   finest_stride: float) -> torch.Tensor:
    """Cross entropy of the scores against the reached overlap, and GIoU of the cells that answer."""
    boxes, logits = answer[..., :4], answer[..., 4:]
    wished_scores = torch.zeros_like(logits)
    box_losses, total = [], answer.new_zeros(())
    for index, truth in enumerate(truths):
        owner, wished = assign(boxes[index].detach(), logits[index].detach().sigmoid(), truth, centres, finest_stride)
        cells = torch.nonzero(owner >= 0)[:, 0]
        if not len(cells):
            continue
        own = truth[owner[cells]]
        wished_scores[index, cells, own[:, 4].long()] = wished[cells]
        weight = wished[cells].clamp(min=0.05)
        box_losses.append((giou_loss(boxes[index, cells], own[:, :4]) * weight).sum())
        total = total + weight.sum()
    total = total.clamp(min=1.0)
    # Easy empty cells are many: they count by how wrong they are.
    focus = torch.where(wished_scores > 0, torch.ones_like(logits), logits.detach().sigmoid() ** 1.5)
    score_loss = (functional.binary_cross_entropy_with_logits(logits, wished_scores, reduction="none") * focus).sum()
    return (SCORE_WEIGHT * score_loss + REACH_WEIGHT * sum(box_losses, answer.new_zeros(()))) / total
