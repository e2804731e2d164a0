"""PaDiM and PatchCore by anomalib 1.1.3: its networks, its `InferenceModel`, its export.

Its data loader does not run with today's pandas, so the pictures are shown to the network here.
"""

import functools
import json
import shutil
import tempfile
import unittest.mock

import onnx
import torch

from frameworks import anomalib1
from torchvision.transforms.v2 import Resize

from .common import between, fresh, seed, write

SIZE_PX = (128, 128)
BACKBONE = {"backbone": "resnet10t", "layers": ["layer1", "layer2"], "pre_trained": False}


def anomalib1_padim(folder, pictures):
    """One output, the map; the picture's score is its maximum."""
    anomalib1.use_anomalib1()
    from anomalib.models import Padim

    seed()
    _write(folder, pictures, Padim(**BACKBONE, n_features=16), lambda model, seen: model.gaussian.fit(seen))


def anomalib1_patchcore(folder, pictures):
    """Map and score; the transform in the graph cuts the border away, so the map is smaller."""
    anomalib1.use_anomalib1()
    from anomalib.data.transforms import ExportableCenterCrop
    from anomalib.models import Patchcore

    ExportableCenterCrop.transform = ExportableCenterCrop._transform  # torchvision renamed what it calls
    seed()
    # Its progress bar does not run with today's console.
    bar = "anomalib.models.components.sampling.k_center_greedy.safe_track"
    teach = lambda model, seen: model.subsample_embedding(seen, 0.01)
    with unittest.mock.patch(bar, lambda sequence, description: sequence):
        _write(folder, pictures, Patchcore(**BACKBONE, coreset_sampling_ratio=0.01), teach)


@torch.no_grad()
def _write(folder, pictures, model, teach):
    from anomalib.data.utils import read_image
    from anomalib.deploy.export import InferenceModel

    size = SIZE_PX[::-1]
    transform = model.configure_transforms(size)
    resize = Resize(size, antialias=True)
    shown = [resize(read_image(path, as_tensor=True))[None] for path in pictures[:: max(1, len(pictures) // 24)]]
    model.model.train()
    teach(model.model, torch.cat([model.model(transform(tensor)) for tensor in shown[::2]]))
    model.eval()
    exported = InferenceModel(model.model, transform, disable_antialias=True).eval()
    metadata = _metadata([exported(tensor) for tensor in shown])
    with tempfile.TemporaryDirectory() as made:
        # The exporter of its days, which wrote one file.
        by_trace = functools.partial(torch.onnx.export, dynamo=False)
        with unittest.mock.patch("torch.onnx.export", by_trace):
            path = model.to_onnx(made, input_size=size, transform=transform, task="segmentation")
        shutil.copytree(path.parent, fresh(folder), dirs_exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps(metadata))
    outputs = [output.name for output in onnx.load(folder / "model.onnx").graph.output]
    inference = anomalib1.anomalib(model.model, exported, type(model).__name__, SIZE_PX, outputs, metadata)
    write(folder, inference, pictures)


def _metadata(answers):
    """The ranges and thresholds that anomalib's validation would find, under its own keys."""
    maps = [answer["anomaly_map"] if isinstance(answer, dict) else answer for answer in answers]
    scores = [a["pred_score"].reshape(()) if isinstance(a, dict) else a.max() for a in answers]
    maps, scores = torch.cat(maps), torch.stack(scores)
    threshold = between(scores)
    ends = {"min": float(maps.min()), "max": float(torch.maximum(maps.max(), scores.max()))}
    return {"task": "segmentation", "image_threshold": threshold, "pixel_threshold": threshold, **ends}
