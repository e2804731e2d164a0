"""A small network of our own that answers in the forms of YOLOv5, v8 and v11, metadata included.

Ultralytics itself is AGPL and no part of these tests; `ultralytics.py` makes its real files where
somebody asks for them.
"""

import torch
from torch import nn
from torchvision.ops import nms

from frameworks import yolo

from .common import add_metadata, export_by_trace, fresh, seed, spread, wake, write

LABELS = ["scratch", "dent", "stain"]
SIZE_PX = (320, 256)
STRIDE, ANCHORS = 16, 2
CONFIDENCE, IOU = 0.4, 0.6
MASKS, FOUND_MAX = 8, 50


class Net(nn.Module):
    """Cells of 16 px, two boxes each; `form` says how the answer is laid out."""

    def __init__(self, form):
        super().__init__()
        self.form = form
        sizes = (3, 8, 16, 24, 32)
        steps = [self._step(a, b) for a, b in zip(sizes, sizes[1:])]
        self.body = nn.Sequential(*steps)
        self.values = 4 + 1 + len(LABELS) + MASKS
        self.head = nn.Conv2d(sizes[-1], ANCHORS * self.values, 1)
        self.masks = nn.Conv2d(sizes[2], MASKS, 1)

    @staticmethod
    def _step(given, made):
        return nn.Sequential(nn.Conv2d(given, made, 3, 2, 1, bias=False), nn.BatchNorm2d(made), nn.SiLU())

    def forward(self, picture):
        fine = self.body[:2](picture)
        cells = self.head(self.body[2:](fine))
        _, _, rows, columns = cells.shape
        cells = cells.reshape(1, ANCHORS, self.values, rows * columns)
        x = torch.arange(rows * columns) % columns
        y = torch.arange(rows * columns) // columns
        middle = (cells[:, :, :2].sigmoid() * 2 - 0.5 + torch.stack([x, y]).float()) * STRIDE
        size = (cells[:, :, 2:4].sigmoid() * 2) ** 2 * torch.tensor([48.0, 96.0]).reshape(1, 2, 1, 1)
        places = torch.cat([middle, size], 2).movedim(1, 2).flatten(2)
        scores = cells[:, :, 4 : 5 + len(LABELS)].sigmoid().movedim(1, 2).flatten(2)
        if self.form == "v5":
            return torch.cat([places, scores], 1).movedim(1, 2)
        classes = scores[:, :1] * scores[:, 1:]
        if self.form == "v8":
            return torch.cat([places, classes], 1)
        if self.form == "segment":
            weights = cells[:, :, -MASKS:].movedim(1, 2).flatten(2)
            return torch.cat([places, classes, weights], 1), self.masks(fine)
        return self._suppressed(places[0].T, classes[0].T)

    def _suppressed(self, places, classes):
        boxes = yolo.corners(places)
        best, which = classes.max(1)
        # Boxes of different classes are moved apart, so that one suppression serves all.
        kept = nms(boxes + 1000.0 * which.unsqueeze(1), best, IOU)[:FOUND_MAX]
        answer = torch.cat([boxes, best.unsqueeze(1), which.unsqueeze(1).float()], 1)[kept]
        return nn.functional.pad(answer, (0, 0, 0, FOUND_MAX))[:FOUND_MAX].unsqueeze(0)


@torch.no_grad()
def _write(folder, pictures, form, rows, outputs=("output0",), task="detect"):
    seed()
    net = Net(form).eval()
    read = lambda answer: rows(answer)(len(LABELS))
    inference = yolo.detector(net, f"form {form}", LABELS, SIZE_PX, outputs, read, CONFIDENCE, IOU)
    batch = torch.cat([inference.preprocess(path).tensor for path in pictures[::4]])
    wake(net.body, [batch])
    reach = torch.tensor(([1.0] * 4 + [4.0] + [4.0] * len(LABELS) + [1.0] * MASKS) * ANCHORS)
    middle = torch.tensor(([0.0] * 4 + [-1.5] + [0.0] * (len(LABELS) + MASKS)) * ANCHORS)
    spread(net.head, net.head(net.body(batch)).movedim(1, -1).flatten(0, 2), reach, middle)
    width, height = SIZE_PX
    path = fresh(folder) / "model.onnx"
    example = torch.zeros(1, 3, height, width)
    export_by_trace(net, example, path, 12, input_names=["images"], output_names=list(outputs))
    add_metadata(path, _metadata(task, nms=form == "nms"))
    write(folder, inference, pictures)


def _metadata(task, **arguments):
    """What those exporters write beside the graph; `names` is how an import learns the labels."""
    width, height = SIZE_PX
    return {
        "description": "a network of taktgate's tests",
        "stride": "32",
        "task": task,
        "batch": "1",
        "imgsz": f"[{height}, {width}]",
        "names": str(dict(enumerate(LABELS))),
        "args": str({"batch": 1, **arguments}),
    }


def yolo_v5(folder, pictures):
    _write(folder, pictures, "v5", yolo.rows_v5)


def yolo_v8(folder, pictures):
    _write(folder, pictures, "v8", yolo.rows_v8)


def yolo_segment(folder, pictures):
    _write(folder, pictures, "segment", yolo.rows_v8, ("output0", "output1"), "segment")


def yolo_nms(folder, pictures):
    _write(folder, pictures, "nms", yolo.finished)
