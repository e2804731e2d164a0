"""Records what Pillow and torchvision make of a picture, for the tests of src/vision/prepare.

    python make.py          # needs numpy, pillow, torch, torchvision; recorded with Pillow 13.0 and
                            # torchvision 0.26

`picture.png` has edges, fine stripes and noise; each `*.png` is Pillow's own result, and
`exact-*.f32` are
torchvision's, which resizes numbers and rounds nothing: planes of little-endian 32-bit numbers.
"""

import pathlib

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

HERE = pathlib.Path(__file__).parent
SIZES = {"smaller": (40, 25), "much-smaller": (13, 9), "larger": (150, 90), "mixed": (50, 120)}

random = np.random.default_rng(7)
rows, columns = np.mgrid[0:61, 0:97]
picture = np.stack([columns * 255 // 96, (columns // 3 % 2) * 255, rows * 255 // 60], axis=2)
picture[20:40, 30:60] = [250, 5, 128]
picture[:, 70:] = random.integers(0, 256, (61, 27, 3))
picture = picture.astype(np.uint8)

image = Image.fromarray(picture)
image.save(HERE / "picture.png", optimize=True)
for name, size in SIZES.items():
    image.resize(size, Image.BILINEAR).save(HERE / f"linear-{name}.png", optimize=True)
    image.resize(size, Image.BICUBIC).save(HERE / f"cubic-{name}.png", optimize=True)
    if size[0] > 50:
        continue
    numbers = torch.from_numpy(picture).permute(2, 0, 1).float()
    resized = v2.functional.resize(numbers, [size[1], size[0]], antialias=True)
    (HERE / f"exact-{name}.f32").write_bytes(resized.contiguous().numpy().astype("<f4").tobytes())

crop = v2.Compose([v2.Resize(40), v2.CenterCrop(32)])
crop(image).save(HERE / "crop-40-32.png", optimize=True)
