"""torchvision's detectors, which answer with finished boxes."""

import numpy as np
import torch
from PIL import Image

from . import Inference, Prepared, about, boxes_answer, preparation


def torchvision(model, name, labels, size_px, confidence=0.5):
    """Takes a list of pictures; mean, deviation and suppression are inside the model."""
    prepared = preparation(size_px, "stretch", "linear_antialias")
    model.eval()

    @torch.no_grad()
    def predict(given):
        found = model([given.tensor[0]])[0]
        raw = {key: value.numpy() for key, value in found.items()}
        # Label 0 is the background, which is never found.
        return raw | boxes_answer(found["boxes"], found["scores"], found["labels"] - 1, given.back)

    told = about("torchvision", name, labels, prepared, confidence_threshold=confidence)
    return Inference(stretched(size_px), predict, told)


def stretched(size_px):
    """Pillow's resize to the input, 0 to 1, and the factors back to the picture."""
    from torchvision.transforms import functional as F

    def preprocess(path):
        picture = Image.open(path).convert("RGB")
        back = np.divide(picture.size, size_px)
        tensor = F.to_tensor(F.resize(picture, size_px[::-1]))[None]
        return Prepared(tensor, torch.tensor([*back, *back]))

    return preprocess
