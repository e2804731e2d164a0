"""Small anomaly models by anomalib's own engine and export, with backbones of random weights."""

import contextlib
import pathlib
import shutil
import tempfile
import unittest.mock

from frameworks.anomaly import anomalib
from PIL import Image, ImageDraw

from .common import fresh, seed, write

SIZE_PX = (128, 128)
BACKBONE = {"backbone": "resnet10t", "layers": ["layer1", "layer2"]}
SMALL = {**BACKBONE, "pre_trained": False, "coreset_sampling_ratio": 0.01}
GOOD = 16  # pictures to learn from, and as many bad ones to set the scale by
# Without this anomalib 2.7 writes a PatchCore that takes two pictures at once, and nothing else.
ONE_PICTURE = {"dynamic_axes": None}


def padim(folder, pictures):
    """As it comes: the number of pictures is free."""
    from anomalib.models import Padim

    seed()
    model = Padim(**BACKBONE, pre_trained=False, n_features=16, **_parts())
    _write(folder, pictures, model, onnx_kwargs={})


def patchcore(folder, pictures):
    from anomalib.models import Patchcore

    seed()
    _write(folder, pictures, Patchcore(**SMALL, **_parts()))


def patchcore_two(folder, pictures):
    """As anomalib exports PatchCore without being told otherwise: for two pictures at once."""
    from anomalib.models import Patchcore

    seed()
    _write(folder, pictures, Patchcore(**SMALL, **_parts()), onnx_kwargs={})


def patchcore_bare(folder, pictures):
    """Without anomalib's normalisation: raw distances come out."""
    from anomalib.models import Patchcore

    seed()
    _write(folder, pictures, Patchcore(**SMALL, **_parts(post_processor=False)))


def stfpm(folder, pictures):
    """Exported without a size: height and width are free, the graph brings them to its own."""
    import timm
    from anomalib.models import Stfpm

    seed()
    create = timm.create_model
    with unittest.mock.patch("timm.create_model", lambda *a, **k: create(*a, **{**k, "pretrained": False})):
        model = Stfpm(**BACKBONE, **_parts())  # asks for trained weights, which are not to be had offline
    free = {"dynamic_axes": {"input": {2: "height", 3: "width"}}}
    _write(folder, pictures, model, input_size=None, onnx_kwargs=free)


def pre_processor(size_px):
    from anomalib.models import Padim

    return Padim.configure_pre_processor(size_px[::-1])


def _parts(**more):
    return {"pre_processor": pre_processor(SIZE_PX), "evaluator": False, "visualizer": False, **more}


def _write(folder, pictures, model, input_size=SIZE_PX[::-1], onnx_kwargs=ONE_PICTURE):
    fresh(folder)
    with tempfile.TemporaryDirectory() as lot, _logged(folder):
        engine = _engine(lot)
        engine.fit(model=model, datamodule=_lot(pathlib.Path(lot), pictures))
    _move_thresholds(model)
    export_model(model, folder, input_size, onnx_kwargs)
    inference = anomalib(model, type(model).__name__, SIZE_PX)
    write(folder, inference, pictures)


def _move_thresholds(model):
    """anomalib's thresholds are the score of one of these pictures, which then is good or bad by chance."""
    if scales := model.post_processor:
        for threshold in (scales._image_threshold, scales._pixel_threshold):
            threshold.mul_(1.002)


def export_model(model, folder, input_size, onnx_kwargs):
    """anomalib's own export; with its weights beside, as it comes."""
    from anomalib.deploy import ExportType

    with tempfile.TemporaryDirectory() as made, _logged(folder):
        path = _engine(made).export(model, ExportType.ONNX, made, input_size=input_size, onnx_kwargs=onnx_kwargs)
        shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    model.cpu()


def _engine(root):
    from anomalib.engine import Engine

    return Engine(default_root_dir=root, accelerator="cpu", max_epochs=3, logger=False, enable_progress_bar=False)


@contextlib.contextmanager
def _logged(folder):
    """What anomalib says goes to a file."""
    with open(folder / "anomalib.log", "a") as log:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield


def _lot(parent, pictures):
    """Every few pictures one as good, the one after it with a line across as bad."""
    from anomalib.data import Folder

    step = max(1, len(pictures) // GOOD)
    for kind, paths in (("good", pictures[::step]), ("bad", pictures[1::step])):
        (parent / kind).mkdir()
        for path in paths[:GOOD]:
            picture = Image.open(path).convert("RGB")
            if kind == "bad":
                width, height = picture.size
                line = (0.2 * width, 0.3 * height, 0.7 * width, 0.6 * height)
                ImageDraw.Draw(picture).line(line, (20, 20, 20), width // 40 + 1)
            picture.save(parent / kind / f"{path.stem}.png")
    folders = {"normal_dir": "good", "abnormal_dir": "bad", "normal_split_ratio": 0.4}
    batches = {"train_batch_size": 4, "eval_batch_size": 4, "num_workers": 0}
    return Folder(name="lot", root=parent, **folders, **batches, val_split_mode="same_as_test", seed=1)
