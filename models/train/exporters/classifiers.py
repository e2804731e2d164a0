"""Small classifiers: torchvision's MobileNetV3 and a timm ResNet, with random but awake weights."""

import torch

from frameworks import classify

from .common import export, export_by_trace, fresh, look_where_pictures_differ, seed, spread, to_float16, wake, write

LABELS = ["good", "scratch", "dent", "stain"]


def _mobilenet(pictures):
    from torchvision.models import mobilenet_v3_small

    seed()
    model = mobilenet_v3_small(num_classes=len(LABELS), width_mult=0.5)
    return _awake(model, classify.torchvision(model, "mobilenet_v3_small", LABELS), pictures, model.classifier[-1])


@torch.no_grad()
def _awake(model, inference, pictures, last, directed=False):
    batch = torch.cat([inference.preprocess(path) for path in pictures[::2]])
    wake(model, [batch])
    if directed:
        look_where_pictures_differ(model, last, batch)
    spread(last, model(batch), reach=2.0 if directed else 3.0)
    return model, inference


def torchvision_classify(folder, pictures):
    """torch's own exporter as it comes: its own names, everything fixed."""
    model, inference = _mobilenet(pictures)
    export(model, torch.zeros(1, 3, 224, 224), fresh(folder) / "model.onnx")
    inference = classify.torchvision(model, "mobilenet_v3_small", LABELS, output=_output(folder))
    write(folder, inference, pictures)


def torchvision_classify_dynamic(folder, pictures):
    """The older exporter with names and free batch, height and width."""
    model, inference = _mobilenet(pictures)
    free = {0: "batch", 2: "height", 3: "width"}
    export_by_trace(
        model,
        torch.zeros(1, 3, 224, 224),
        fresh(folder) / "model.onnx",
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": free, "logits": {0: "batch"}},
    )
    write(folder, inference, pictures)


def torchvision_classify_float16(folder, pictures):
    """All in float16, the answers are those of the float32 network: 50 layers round too much away."""
    torchvision_classify_dynamic(folder, pictures)
    to_float16(folder / "model.onnx")


def timm_classify(folder, pictures):
    """timm's own transform: bicubic, shorter side, centre crop."""
    _resnet(folder, pictures, export)


def timm_classify_float16(folder, pictures):
    """Weights, input and output in float16, the answers those of the float32 network: 10 layers agree."""
    _resnet(folder, pictures, export_by_trace)
    to_float16(folder / "model.onnx")


def _resnet(folder, pictures, exporter):
    import timm

    seed()
    model = timm.create_model("resnet10t", pretrained=False, num_classes=len(LABELS))
    inference = classify.timm(model, "resnet10t", LABELS)
    _awake(model, inference, pictures, model.get_classifier(), directed=True)
    size = inference.preprocess(pictures[0]).shape
    exporter(model, torch.zeros(size), fresh(folder) / "model.onnx", input_names=["input"], output_names=["logits"])
    write(folder, inference, pictures)


def _output(folder):
    import onnx

    return onnx.load(folder / "model.onnx", load_external_data=False).graph.output[0].name
