"""The preparation that OpenVINO's Model API makes of a graph's `model_info`."""

import cv2
import numpy as np
import torch

from . import Inference, about, preparation


def classify(model, name, labels, size_px, mean, scale, output="logits"):
    """OpenCV's linear resize to the input, channels reversed, mean and scale in grey values."""
    prepared = preparation(size_px, "stretch", "linear", mean, scale)
    model.eval()

    def preprocess(path):
        picture = cv2.resize(cv2.imread(str(path)), size_px, interpolation=cv2.INTER_LINEAR)
        red_first = picture[:, :, ::-1].astype(np.float32)
        return torch.from_numpy(((red_first - np.float32(mean)) / np.float32(scale)).transpose(2, 0, 1)[None])

    @torch.no_grad()
    def predict(tensor):
        logits = model(tensor)
        return {output: logits.numpy(), "answer.scores": logits.softmax(1)[0].numpy()}

    return Inference(preprocess, predict, about("torch", name, labels, prepared))
