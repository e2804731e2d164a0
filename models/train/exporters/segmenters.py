"""A small segmentation network of our own, with the heads that segmentation libraries export."""

import torch
from torch import nn
from torch.nn import functional as F

from frameworks import segment

from .common import export, export_by_trace, fresh, seed, spread, wake, write

LABELS = ["scratch", "dent"]
MASK = ["defect"]
SIZE_PX = (256, 160)


def _block(given, made, stride=1):
    return nn.Sequential(nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU())


class Net(nn.Module):
    """Two strides down, two up, with a bridge at each; logits at the input's size."""

    def __init__(self, channels):
        super().__init__()
        self.start, self.down, self.bottom = _block(3, 8), _block(8, 16, 2), _block(16, 24, 2)
        self.up, self.top = _block(40, 16), _block(24, 8)
        self.segmentation_head = nn.Conv2d(8, channels, 3, padding=1)

    def features(self, picture):
        fine = self.start(picture)
        half = self.down(fine)
        quarter = self.bottom(half)
        half = self.up(torch.cat([F.interpolate(quarter, scale_factor=2.0), half], 1))
        return self.top(torch.cat([F.interpolate(half, scale_factor=2.0), fine], 1))

    def forward(self, picture):
        return self.segmentation_head(self.features(picture))


@torch.no_grad()
def _awake(labels, pictures, means):
    seed()
    channels = len(means)
    model = Net(channels)
    inference = segment.logits(model, "U-Net of our own", labels, SIZE_PX)
    batch = torch.cat([inference.preprocess(path) for path in pictures[:8]])
    wake(model, [batch])
    values = model(batch).movedim(1, -1).reshape(-1, channels)
    spread(model.segmentation_head, values, reach=3.0, middle=torch.tensor(means))
    return model, inference


def segment_classes(folder, pictures):
    """One channel a class, the first is good; softmax is left to the reader."""
    model, inference = _awake(LABELS, pictures, [2.0, -1.0, -1.0])
    _write(folder, model, inference, pictures, LABELS, export)


def segment_mask(folder, pictures):
    """One channel for all that is bad; sigmoid is left to the reader."""
    model, inference = _awake(MASK, pictures, [-2.0])
    _write(folder, model, inference, pictures, MASK, export_by_trace)


def _write(folder, model, inference, pictures, labels, exporter):
    width, height = SIZE_PX
    example = torch.zeros(1, 3, height, width)
    exporter(model, example, fresh(folder) / "model.onnx", input_names=["image"], output_names=["logits"])
    write(folder, inference, pictures)
