"""Changes to training pictures that a line makes too: pose, size, light, blur, noise.

All geometry is one affine map, so that a picture is sampled once and masks and boxes follow exactly.
"""

from __future__ import annotations

import cv2
import numpy as np

# A box that the picture's edge cuts stays in the truth while so much of it is seen.
VISIBLE_MIN = 0.35
GREY = (114, 114, 114)


def affine(rng: np.random.Generator, size_px: tuple[int, int], settings: dict) -> np.ndarray:
    """A 2 x 3 map from picture to picture: flips, quarter turns, turn, scale and shift as `settings` allows."""
    width, height = size_px
    around = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    angle = np.radians(rng.uniform(-1, 1) * settings["turn_degrees_max"])
    if settings["quarter_turns"] and width == height:
        angle += rng.integers(4) * np.pi / 2
    scale = np.exp(rng.uniform(*np.log(settings["scale"])))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(settings["stretch_max"]) / 2)
    mirror_x = -1 if "horizontal" in settings["flips"] and rng.random() < 0.5 else 1
    mirror_y = -1 if "vertical" in settings["flips"] and rng.random() < 0.5 else 1
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    size = np.diag([scale * stretch * mirror_x, scale / stretch * mirror_y, 1.0])
    # An enlarged picture may move by what is then outside, a small one by what is then free.
    room = abs(scale - 1) / 2 + settings["shift_max"]
    shift = np.eye(3)
    shift[:2, 2] = width / 2 + rng.uniform(-room, room) * width, height / 2 + rng.uniform(-room, room) * height
    return (shift @ turn @ size @ around)[:2]


def warp(image: np.ndarray, matrix: np.ndarray, size_px: tuple[int, int], mirrored_border: bool) -> np.ndarray:
    """The picture under the map; outside it is mirrored (textures with masks) or grey (boxes)."""
    border = cv2.BORDER_REFLECT_101 if mirrored_border else cv2.BORDER_CONSTANT
    # Pixel centres, as everywhere: the map is given for edges.
    half = np.eye(3)
    half[:2, 2] = 0.5
    centred = (np.linalg.inv(half) @ np.vstack([matrix, [0, 0, 1]]) @ half)[:2]
    flags = cv2.INTER_NEAREST if image.ndim == 2 else cv2.INTER_LINEAR
    return cv2.warpAffine(image, centred, size_px, flags=flags, borderMode=border, borderValue=GREY)


def warp_boxes(boxes: np.ndarray, matrix: np.ndarray, window: tuple[float, float, float, float]) -> np.ndarray:
    """Boxes [n, 5] under the map, cut at the window (x1, y1, x2, y2); those that are mostly outside go."""
    if not len(boxes):
        return boxes
    x1, y1, x2, y2 = boxes[:, :4].T
    corners = np.stack([np.stack([x, y], 1) for x in (x1, x2) for y in (y1, y2)], 1)
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = moved.min(1), moved.max(1)
    cut_low = np.maximum(low, window[:2])
    cut_high = np.minimum(high, window[2:])
    whole = np.prod(high - low, 1)
    seen = np.prod(np.maximum(cut_high - cut_low, 0), 1)
    kept = (seen >= VISIBLE_MIN * whole) & (cut_high - cut_low > 1).all(1)
    return np.concatenate([cut_low, cut_high, boxes[:, 4:]], 1)[kept].astype(np.float32)


def jitter(rng: np.random.Generator, image: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Brightness, contrast, noise and blur, a little of each: lamps age and lenses get dusty."""
    middle = image.mean()
    contrast, brightness = 0.15 * strength, 0.1 * strength
    gain, lamp = rng.uniform(1 - contrast, 1 + contrast), rng.uniform(1 - brightness, 1 + brightness)
    image = (image - middle) * gain + middle * lamp
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6)).reshape(image.shape)
    if rng.random() < 0.5:
        image = image + rng.standard_normal(image.shape, np.float32) * rng.uniform(0.5, 2.5)
    return np.clip(image, 0, 255).astype(np.float32)


def tint(rng: np.random.Generator, image: np.ndarray, gain_max: float) -> np.ndarray:
    """Another colour of light: a gain a channel."""
    gains = np.exp(rng.uniform(-1, 1, 3) * np.log(gain_max)).astype(np.float32)
    return np.clip(image * gains, 0, 255)
