"""anomalib 1.x: raw scores come out of the graph, `metadata.json` beside it says how to scale them.

In a process of its own, since only one anomalib can be imported. Of what anomalib 1 wants at import,
the drawing of made-up defects and CLIP are not needed here and are stood in for.
"""

import pathlib
import sys
import unittest.mock

import torch

from . import Inference, about, preparation

# Where `make exporters` puts it, beside anomalib 2.
FOLDER = pathlib.Path(sys.prefix) / "anomalib1"


def use_anomalib1():
    if "anomalib" in sys.modules or not FOLDER.is_dir():
        raise RuntimeError(f"anomalib 1 must come first, from {FOLDER}; `make exporters` puts it there")
    sys.path.insert(0, str(FOLDER))
    for name in ("imgaug", "imgaug.augmenters", "open_clip", "open_clip.tokenizer"):
        sys.modules[name] = unittest.mock.MagicMock()


def anomalib(inner, exported, name, size_px, outputs, metadata):
    """`inner` is the network, `exported` the same behind its transform without antialias."""
    from anomalib.data.utils import read_image
    from anomalib.deploy.inferencers.base_inferencer import Inferencer
    from torchvision.transforms.v2 import Resize

    width, height = size_px
    resize = Resize((height, width), antialias=True)
    prepared = preparation(size_px, "stretch", "linear_antialias_exact")

    @torch.no_grad()
    def predict(tensor):
        raw = exported(tensor)
        raw = list(raw.values()) if isinstance(raw, dict) else [raw]
        score = raw[1].reshape(()) if len(raw) > 1 else raw[0].max()
        anomaly_map, score = Inferencer._normalize(score.numpy(), metadata, raw[0][0, 0].numpy())
        final = {"answer.score": torch.tensor([score]).float().numpy(), "answer.map": anomaly_map}
        return {key: value.numpy() for key, value in zip(outputs, raw)} | final

    inner.eval()
    preprocess = lambda path: resize(read_image(path, as_tensor=True))[None]
    return Inference(preprocess, predict, about("anomalib", name, ["anomaly"], prepared))
