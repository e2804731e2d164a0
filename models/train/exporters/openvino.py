"""A classifier that carries what OpenVINO's training tools write into a graph: `model_info ...`."""

import torch

from frameworks.openvino import classify

from .common import add_metadata, export_by_trace, fresh, seed, spread, wake, write

LABELS = ["good", "scratch", "dent", "stain"]
SIZE_PX = (224, 192)
MEAN, SCALE = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@torch.no_grad()
def openvino_info(folder, pictures):
    """Labels, size and preparation are all in the metadata; the output is `logits`."""
    from torchvision.models import mobilenet_v3_small

    seed()
    model = mobilenet_v3_small(num_classes=len(LABELS), width_mult=0.5)
    inference = classify(model, "mobilenet_v3_small", LABELS, SIZE_PX, MEAN, SCALE)
    batch = torch.cat([inference.preprocess(path) for path in pictures[::2]])
    wake(model, [batch])
    spread(model.classifier[-1], model(batch), reach=3.0)
    path = fresh(folder) / "model.onnx"
    export_by_trace(model, batch[:1], path, 13, input_names=["image"], output_names=["logits"])
    add_metadata(path, {f"model_info {key}": value for key, value in _model_info().items()})
    write(folder, inference, pictures)


def _model_info():
    return {
        "model_type": "Classification",
        "labels": " ".join(LABELS),
        "mean_values": " ".join(str(value) for value in MEAN),
        "scale_values": " ".join(str(value) for value in SCALE),
        "reverse_input_channels": "True",
        "resize_type": "standard",
        "confidence_threshold": "0.5",
        "multilabel": "False",
        "output_raw_scores": "True",
    }
