"""Geometry, light and camera shared by the three scenes: height fields in, frames and truth masks out.

A scene draws on the *part plane*, a grid of 1024 x 768 cells whose size in mm is the scene's own
(`MM_FROM_PX`). Heights are in mm, light comes as unit vectors, and everything random comes from the
generator that the caller passes, so that a seed gives the same frame on every machine.
`photograph` then does what a lens and a sensor do; the truth mask takes the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 1024, 768
SHAPE = (HEIGHT_PX, WIDTH_PX)

# One lens for all three scenes: a machine-vision objective with a little barrel distortion
# (Brown-Conrady k1, k2, p1, p2, k3, as OpenCV orders them). The calibration files repeat it.
CAMERA_MATRIX_PX = np.array([[1650.0, 0.0, 511.5], [0.0, 1650.0, 383.5], [0.0, 0.0, 1.0]])
DISTORTION = np.array([-0.12, 0.05, 0.0004, -0.0003, 0.0])


# Variance of shot noise for each grey level: 1.5 levels at grey 95 together with the read noise, as the real sets have.
SHOT_NOISE = 0.015


@dataclass
class Part:
    """One drawn part: what the camera saw and what is true."""

    image: np.ndarray  # uint8, HxW (grey) or HxWx3 (BGR)
    mask: np.ndarray  # uint8, HxW, 0 = good surface, else index into the scene's CLASSES + 1
    defects: list[str]  # class names that are on the part, sorted, no doubles
    hard: list[str] = field(default_factory=list)  # harmless things that look like defects


def fractal_noise(rng, scale_px: float, octaves: int = 4, shape=SHAPE, persistence: float = 0.5) -> np.ndarray:
    """Smooth noise with mean 0 and standard deviation 1; its largest blobs are `scale_px` wide.

    Each octave is `persistence` as strong as the one before: 0.5 gives clouds, 1.0 the power law -2 of rolled steel.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step = max(scale_px / 2**octave, 1.0)
        small = rng.standard_normal((int(shape[0] / step) + 3, int(shape[1] / step) + 3)).astype(np.float32)
        total += cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) * np.float32(persistence**octave)
    return (total - total.mean()) / (total.std() + 1e-9)


def grid_px(shape=SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of every cell as float32."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return x, y


def normals(height_mm: np.ndarray, mm_from_px: float) -> np.ndarray:
    """Unit normals, HxWx3, of a height field."""
    dx = cv2.Sobel(height_mm, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8) / mm_from_px
    dy = cv2.Sobel(height_mm, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8) / mm_from_px
    normal = np.dstack([-dx, -dy, np.ones_like(dx)])
    return normal / np.linalg.norm(normal, axis=2, keepdims=True)


def light(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    """Unit vector towards a distant light; elevation 10 is grazing, 90 is straight above."""
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    return np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], np.float32
    )


def shade(normal: np.ndarray, towards_light: np.ndarray, diffuse, specular, shininess: float) -> np.ndarray:
    """Blinn-Phong radiance for a camera straight above; `diffuse` and `specular` may be maps."""
    halfway = towards_light + np.array([0, 0, 1], np.float32)
    halfway /= np.linalg.norm(halfway)
    lambert = np.clip(normal @ towards_light, 0, None)
    gloss = np.clip(normal @ halfway, 0, None) ** shininess
    return diffuse * lambert + specular * gloss


def stroke(points: np.ndarray, width_px: float, shape=SHAPE, soft_px: float = 0.8) -> np.ndarray:
    """Coverage (0 to 1) of an open polyline `points` (N x 2, x y) of the given width, antialiased."""
    scale = 4
    canvas = np.zeros(shape, np.uint8)
    fixed = np.round(points * 2**scale).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(canvas, [fixed], False, 255, max(1, int(round(width_px))), cv2.LINE_AA, scale)
    soft = canvas.astype(np.float32) / 255
    return cv2.GaussianBlur(soft, (0, 0), soft_px) if soft_px > 0 else soft


def wandering_line(rng, start_xy, angle_rad: float, length_px: float, wander: float = 0.03) -> np.ndarray:
    """A polyline that starts at `start_xy` and drifts in direction by about `wander` rad a step of 4 px."""
    n_steps = max(2, int(length_px / 4))
    angles = angle_rad + np.cumsum(rng.normal(0, wander, n_steps))
    steps = np.column_stack([np.cos(angles), np.sin(angles)]) * 4
    return np.vstack([start_xy, start_xy + np.cumsum(steps, axis=0)]).astype(np.float32)


def sensor_noise(rng, grey: np.ndarray, read_noise: float) -> np.ndarray:
    """Adds read noise (its standard deviation in grey levels) and shot noise, which grows with the light."""
    return grey + rng.standard_normal(grey.shape).astype(np.float32) * np.sqrt(read_noise**2 + SHOT_NOISE * np.clip(grey, 0, None))


def uneven_light(rng, strength: float) -> np.ndarray:
    """A lamp that hangs askew and a lens that dims its corners: a factor, 1 in the middle of the picture.

    `strength` is how much the light changes across the picture; the real sets have 0.2 to 0.6.
    """
    x, y = grid_px()
    x, y = x / WIDTH_PX * 2 - 1, (y / HEIGHT_PX * 2 - 1) * (HEIGHT_PX / WIDTH_PX)
    way = rng.uniform(0, 2 * np.pi)
    slope = 0.5 * strength * (x * np.cos(way) + y * np.sin(way))
    return ((1 + slope) * (1 - rng.uniform(0.05, 0.18) * (x * x + y * y))).astype(np.float32)


def photograph(rng, radiance: np.ndarray, mask: np.ndarray, exposure: float, blur_px: float, noise: float, uneven: float = 0.0):
    """Lens distortion, uneven light, defocus, shot and read noise, 8 bits.

    `radiance` is HxW or HxWx3 with 1.0 = white at `exposure` 1.0; `noise` is the standard deviation
    of the read noise in grey levels; `uneven` is how much the light changes across the picture. Returns the uint8
    image and the mask as the camera sees it.
    """
    x, y = grid_px()
    seen = np.dstack([x, y]).reshape(-1, 1, 2)
    plane = cv2.undistortPoints(seen, CAMERA_MATRIX_PX, DISTORTION, P=CAMERA_MATRIX_PX).reshape(*SHAPE, 2)
    plane = plane.astype(np.float32)
    picture = cv2.remap(radiance.astype(np.float32), plane, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    truth = cv2.remap(mask, plane, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    falloff = uneven_light(rng, uneven)
    picture = picture * (falloff if picture.ndim == 2 else falloff[..., None]) * exposure
    picture = cv2.GaussianBlur(picture, (0, 0), blur_px) if blur_px > 0 else picture
    grey = sensor_noise(rng, np.clip(picture, 0, None) * 255, noise)
    return np.clip(np.round(grey), 0, 255).astype(np.uint8), truth
