"""The command line of `record_golden.py`: your weights into an `Inference`, a function a framework.

Files of weights are loaded by their framework. Some of them hold Python code (pickles): only take
files from people you trust.
"""

import importlib
import sys

import torch

FRAMEWORKS = {}


def framework(*options):
    """Registers a loader; `options` are the flags that it needs beside --weights."""

    def keep(load):
        FRAMEWORKS[load.__name__.replace("_", "-")] = (load, options)
        return load

    return keep


def graph_of(path):
    """Size of the input in px (or None where it is free) and names of the outputs."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    weights = {weight.name for weight in graph.initializer}
    picture = next(given for given in graph.input if given.name not in weights)
    height, width = (side.dim_value for side in picture.type.tensor_type.shape.dim[-2:])
    return (width, height) if width and height else None, [output.name for output in graph.output]


def _state(given):
    """A state dict, however it was wrapped when it was saved."""
    state = torch.load(given.weights, map_location="cpu", weights_only=True)
    for key in ("model", "state_dict"):
        state = state.get(key, state)
    return state


@framework("arch", "labels", "crop", "resize")
def torchvision_classify(given, size_px, outputs):
    from torchvision.models import get_model

    from . import classify

    model = get_model(given.arch, weights=None, num_classes=len(given.labels))
    model.load_state_dict(_state(given))
    return classify.torchvision(model, given.arch, given.labels, given.crop, given.resize, outputs[0])


@framework("arch", "labels", "confidence")
def torchvision_detect(given, size_px, outputs):
    from torchvision.models import get_model

    from . import detect

    model = get_model(given.arch, weights=None, weights_backbone=None, num_classes=1 + len(given.labels))
    model.load_state_dict(_state(given))
    return detect.torchvision(model, given.arch, given.labels, size_px, given.confidence)


@framework("arch", "labels")
def timm(given, size_px, outputs):
    from timm import create_model

    from . import classify

    model = create_model(given.arch, pretrained=False, num_classes=len(given.labels))
    model.load_state_dict(_state(given))
    return classify.timm(model, given.arch, given.labels, outputs[0])


@framework("labels")
def segment(given, size_px, outputs):
    """Any network that answers logits, saved whole (`torch.save(model, ..)`) or as TorchScript."""
    from . import segment as frameworks_segment

    try:
        model = torch.jit.load(given.weights, map_location="cpu")
    except RuntimeError:
        model = torch.load(given.weights, map_location="cpu", weights_only=False)
    return frameworks_segment.logits(model, str(given.weights), given.labels, size_px, outputs[0])


@framework("exp", "labels", "confidence", "iou", "decoded")
def yolox(given, size_px, outputs):
    from yolox.exp import get_exp

    from .yolox import yolox as inference

    model = get_exp(str(given.exp), None).get_model().eval()
    model.load_state_dict(_state(given))
    model.head.decode_in_inference = given.decoded
    return inference(model, str(given.exp), given.labels, size_px, given.confidence, given.iou, outputs[0])


@framework("confidence")
def transformers(given, size_px, outputs):
    """A folder of `save_pretrained`: RT-DETR or D-FINE; finished if the graph has output `scores`."""
    from transformers import AutoModelForObjectDetection

    from . import detr

    model = AutoModelForObjectDetection.from_pretrained(given.weights, local_files_only=True)
    labels = [model.config.id2label[index] for index in range(len(model.config.id2label))]
    return detr.transformers(model, str(given.weights), labels, size_px, given.confidence, "scores" in outputs)


@framework("arch")
def anomalib(given, size_px, outputs):
    """`--arch Padim`: the model's class in anomalib.models; --weights is a .ckpt of anomalib 2."""
    from . import anomaly

    kind = getattr(importlib.import_module("anomalib.models"), given.arch, None)
    if kind is None:
        sys.exit(f"anomalib has no model {given.arch}; write its class, for example Patchcore")
    model = kind.load_from_checkpoint(given.weights, map_location="cpu")
    return anomaly.anomalib(model, given.arch, size_px)


@framework("confidence", "iou")
def ultralytics(given, size_px, outputs):
    """YOLOv5u, v8, v11: a .pt of Ultralytics, whose package is AGPL and yours to install."""
    from ultralytics import YOLO

    from .ultralytics import ultralytics as inference

    return inference(YOLO(given.weights), str(given.weights), size_px, outputs, given.confidence, given.iou)
