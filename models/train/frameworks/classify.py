"""Classifiers: torchvision and timm, each with its own transform on the Pillow picture."""

import torch
from PIL import Image

from . import Inference, about, grey_values, preparation


def torchvision(model, name, labels, crop_px=224, resize_px=256, output="logits", **mean_std):
    """The transform that comes with torchvision's classification weights."""
    from torchvision.transforms._presets import ImageClassification

    transform = ImageClassification(crop_size=crop_px, resize_size=resize_px, **mean_std)
    mean, scale = grey_values(transform.mean), grey_values(transform.std)
    fraction = crop_px / resize_px
    prepared = preparation((crop_px, crop_px), "crop", "linear_antialias", mean, scale, crop_fraction=fraction)
    return _inference(model, transform, output, about("torchvision", name, labels, prepared))


def timm(model, name, labels, output="logits"):
    """The transform that timm makes of the model's own configuration."""
    from timm.data import create_transform, resolve_data_config

    config = resolve_data_config({}, model=model)
    transform = create_transform(**config, is_training=False)
    _, height, width = config["input_size"]
    resize = "crop" if config["crop_pct"] < 1 else "stretch"
    interpolation = {"bilinear": "linear_antialias", "bicubic": "cubic_antialias"}[config["interpolation"]]
    mean, scale = grey_values(config["mean"]), grey_values(config["std"])
    fraction = config["crop_pct"]
    prepared = preparation((width, height), resize, interpolation, mean, scale, crop_fraction=fraction)
    return _inference(model, transform, output, about("timm", name, labels, prepared))


def _inference(model, transform, output, told):
    model.eval()

    @torch.no_grad()
    def predict(tensor):
        logits = model(tensor)
        return {output: logits.numpy(), "answer.scores": logits.softmax(1)[0].numpy()}

    return Inference(lambda path: transform(Image.open(path).convert("RGB"))[None], predict, told)
