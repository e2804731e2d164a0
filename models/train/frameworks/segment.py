"""Segmentation networks that answer with logits, prepared with OpenCV as segmentation libraries do."""

import cv2
import numpy as np
import torch

from . import IMAGENET_MEAN, IMAGENET_STD, Inference, about, grey_values, preparation


def logits(model, name, labels, size_px, output="logits"):
    """OpenCV's linear resize, ImageNet's mean and deviation; softmax, or sigmoid for one channel."""
    mean, scale = grey_values(IMAGENET_MEAN), grey_values(IMAGENET_STD)
    prepared = preparation(size_px, "stretch", "linear", mean, scale)
    model.eval()

    def preprocess(path):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        small = cv2.resize(picture, size_px, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        return torch.from_numpy(((small - np.float32(mean)) / np.float32(scale)).transpose(2, 0, 1)[None])

    @torch.no_grad()
    def predict(tensor):
        maps = model(tensor)
        sure = maps.sigmoid() if maps.shape[1] == 1 else maps.softmax(1)
        return {output: maps.numpy(), "answer.maps": sure[0].numpy()}

    return Inference(preprocess, predict, about("torch", name, labels, prepared))
