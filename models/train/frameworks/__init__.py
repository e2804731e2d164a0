"""How each framework itself reads a picture, prepares it and answers; one file a framework.

Each function takes a loaded network and gives an `Inference`. `record_golden.py` uses them for your
models, `exporters/` for the small ones of the tests.
"""

import dataclasses
import importlib
import typing

import numpy as np

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCORE_MIN = 0.05  # boxes below are not recorded


@dataclasses.dataclass
class Inference:
    """The framework's own way from a picture file to an answer."""

    preprocess: typing.Callable  # path -> input of the network
    predict: typing.Callable  # that input -> {output's name: array}
    about: dict  # for golden.json


class Prepared:
    """A prepared input that remembers the way back to the picture."""

    def __init__(self, tensor, back):
        self.tensor, self.back = tensor, back

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.tensor, dtype=dtype)


def about(package, model, labels, prepared, **thresholds):
    """What `golden.json` says: what ran, and how the picture was prepared."""
    version = importlib.import_module(package).__version__
    framework = f"{package} {version}"
    return {"framework": framework, "note": model, "labels": labels, "preprocessing": prepared, **thresholds}


def preparation(size_px, resize, interpolation, mean=(0, 0, 0), scale=(255, 255, 255), rgb=True, **more):
    """`mean` and `scale` count in grey values 0 to 255: input = (grey value - mean) / scale."""
    return {
        "width": size_px[0],
        "height": size_px[1],
        "resize": resize,
        "interpolation": interpolation,
        "mean": [round(float(value), 6) for value in mean],
        "scale": [round(float(value), 6) for value in scale],
        "rgb": rgb,
        **more,
    }


def grey_values(fractions):
    """Mean or deviation of a 0 to 1 picture, in grey values 0 to 255."""
    return [255 * value for value in fractions]


def boxes_answer(boxes, scores, labels, back):
    """The final answer of a detector; `back` brings its boxes to pixels of the picture file."""
    kept = scores >= SCORE_MIN
    return {
        "answer.boxes": (boxes[kept] * back).float().numpy(),
        "answer.scores": scores[kept].float().numpy(),
        "answer.labels": labels[kept].long().numpy(),
    }
