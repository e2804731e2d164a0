"""Small torchvision detectors with random but awake weights: SSDlite and Faster R-CNN."""

import torch
from torch import nn

from frameworks import detect

from .common import export_by_trace, fresh, seed, wake, write

LABELS = ["scratch", "dent", "stain"]
CLASSES = 1 + len(LABELS)  # the background first
CONFIDENCE = 0.5


class _Stem(nn.Module):
    """Backbone and class scores of an SSD, so that both can be woken without labelled boxes."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.head = model.backbone, model.head

    def forward(self, pictures):
        return self.head(list(self.backbone(pictures).values()))["cls_logits"]


@torch.no_grad()
def torchvision_ssdlite(folder, pictures):
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    seed()
    model = ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES,
        width_mult=0.25,
        score_thresh=0.05,
        topk_candidates=200,
        detections_per_img=50,
    )
    inference = detect.torchvision(model, "ssdlite320_mobilenet_v3_large", LABELS, (320, 320), CONFIDENCE)
    batch = torch.cat([inference.preprocess(path).tensor for path in pictures[::4]])
    stem = _Stem(model)
    wake(stem, [batch * 2 - 1])
    deviation = stem(batch * 2 - 1).std()
    for block in model.head.classification_head.module_list:
        block[-1].weight.mul_(0.7 / deviation)
        block[-1].bias.zero_()
        block[-1].bias[::CLASSES] = 0.7  # mostly background
    _write(folder, model, inference, pictures)


@torch.no_grad()
def torchvision_fasterrcnn(folder, pictures):
    from torchvision.models import mobilenet_v3_small
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    seed()
    backbone = mobilenet_v3_small(width_mult=0.5).features
    backbone.out_channels = 288
    size = 256
    model = FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(((32, 64, 128),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 5, 2),
        box_head=nn.Sequential(nn.Flatten(), nn.Linear(288 * 25, 64), nn.ReLU()),
        box_predictor=_predictor(),
        min_size=size,
        max_size=size,
        rpn_post_nms_top_n_test=60,
        box_detections_per_img=30,
    )
    inference = detect.torchvision(model, "FasterRCNN", LABELS, (size, size), CONFIDENCE)
    batch = torch.cat([inference.preprocess(path).tensor for path in pictures[::4]])
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (model.transform.image_mean, model.transform.image_std))
    wake(backbone, [(batch - mean) / std])
    for layer in (model.rpn.head.cls_logits, model.rpn.head.conv[0][0]):
        layer.weight.mul_(8)
    _write(folder, model, inference, pictures)


def _predictor():
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

    predictor = FastRCNNPredictor(64, CLASSES)
    predictor.cls_score.weight.mul_(8)
    predictor.cls_score.bias[0] = 1.0
    return predictor


def _write(folder, model, inference, pictures):
    prepared = inference.preprocess(pictures[0]).tensor[0]
    names = list(model.eval()([prepared])[0])
    export_by_trace(
        model,
        ([prepared],),
        fresh(folder) / "model.onnx",
        input_names=["image"],
        output_names=names,
        dynamic_axes={name: {0: "found"} for name in names},
    )
    write(folder, inference, pictures)
