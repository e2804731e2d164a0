"""A small YOLOX from the authors' own package, exported as their tool does it."""

import torch
from torch import nn

from frameworks.yolox import yolox

from .common import export_by_trace, fresh, seed, spread, wake, write

LABELS = ["scratch", "dent", "stain"]
SIZE_PX = (320, 256)
CONFIDENCE, IOU = 0.35, 0.45


@torch.no_grad()
def _awake(pictures, decoded):
    from yolox.models import YOLOX, YOLOPAFPN, YOLOXHead
    from yolox.models.network_blocks import SiLU
    from yolox.utils import replace_module

    seed()
    channels = {"width": 0.125, "in_channels": [256, 512, 1024], "depthwise": True}
    model = YOLOX(YOLOPAFPN(0.33, **channels), YOLOXHead(len(LABELS), **channels))
    inference = yolox(model, "yolox nano, width 0.125", LABELS, SIZE_PX, CONFIDENCE, IOU)
    batch = torch.cat([inference.preprocess(path).tensor for path in pictures[::2]])
    wake(_Stem(model), [batch])
    _spread_heads(model, batch)
    model.head.decode_in_inference = decoded
    return replace_module(model, nn.SiLU, SiLU), inference


class _Stem(nn.Module):
    """The network without what its head computes of it, which differs while it learns."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.head = model.backbone, model.head

    def forward(self, pictures):
        head, answers = self.head, []
        for k, x in enumerate(self.backbone(pictures)):
            x = head.stems[k](x)
            seen, placed = head.cls_convs[k](x), head.reg_convs[k](x)
            answers.append((head.cls_preds[k](seen), head.obj_preds[k](placed), head.reg_preds[k](placed)))
        return answers


def _spread_heads(model, batch):
    """Objects in few places, classes far apart, boxes of a few cells."""
    head = model.head
    layers = zip(head.cls_preds, head.obj_preds, head.reg_preds)
    for of_level, values in zip(layers, _Stem(model)(batch)):
        # Boxes stay near their cells, or some would lie outside the picture.
        reaches = (5.0, 5.0, torch.tensor([0.1, 0.1, 0.6, 0.6]))
        for layer, value, reach, middle in zip(of_level, values, reaches, (0.0, -1.5, 0.5)):
            # None is certain: among boxes of equal scores the order, and so the suppression, is chance.
            spread(layer, value.movedim(1, -1).reshape(-1, value.shape[1]), reach, middle, share=1.0)


def yolox_raw(folder, pictures):
    """The default of the authors' tool: rows are grid cells that the reader decodes."""
    _write(folder, pictures, decoded=False)


def yolox_decoded(folder, pictures):
    """With --decode_in_inference: rows are centre, width and height in input pixels."""
    _write(folder, pictures, decoded=True)


def _write(folder, pictures, decoded):
    model, inference = _awake(pictures, decoded)
    width, height = SIZE_PX
    example = torch.zeros(1, 3, height, width)
    export_by_trace(
        model, example, fresh(folder) / "model.onnx", 11, input_names=["images"], output_names=["output"]
    )
    write(folder, inference, pictures)
