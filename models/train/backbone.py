"""Exports the frozen backbone with which `taktgate teach` learns a part from good frames.

`python backbone.py [backbone.toml]` writes `models/backbones/<name>/<version>/`: one ONNX graph that serves for
teaching (patch features out) and for judging (distance to a bank of good patches out), its golden vectors and its card.
The graph's tensors are described in the card, `README.md` of that folder, which `backbone_card.py` writes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tomllib
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as functional
from safetensors.numpy import save_file
from torch import nn

import backbone_card

HERE = Path(__file__).resolve().parent
OPSET = 17
TOP_SHARE = 100  # the image score is the mean of the highest hundredth of the cells
MAP_SCALE = 4  # cells of the anomaly map for each cell of the feature grid, each way
TOLERANCE = 0.001  # raw features are of the order of one


class UnevenlyPadded(torch.autograd.Function):
    """A convolution with another padding on the left than on the right: ONNX has it, PyTorch pads in a step of its own.

    In the graph that step would be a copy of the map, and two more to another layout and back: a tenth of the time.
    """

    @staticmethod
    def forward(_context, maps, weight, padding, stride, groups):
        return functional.conv2d(functional.pad(maps, padding), weight, None, stride, 0, groups=groups)

    @staticmethod
    def symbolic(graph, maps, weight, padding, stride, groups):
        left, right, top, bottom = padding
        return graph.op("Conv", maps, weight, pads_i=[top, left, bottom, right], strides_i=list(stride), group_i=groups,
                        kernel_shape_i=weight.type().sizes()[2:])


class StaticSame(nn.Module):
    """TensorFlow's "SAME" padding of a strided convolution, for even sizes only, so that tracing stays simple."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        assert convolution.bias is None, "a convolution with a norm behind it has no bias"
        total = convolution.kernel_size[0] - convolution.stride[0]
        before = max(total, 0) // 2
        self.padding = (before, total - before, before, total - before)
        self.stride, self.groups, self.weight = convolution.stride, convolution.groups, convolution.weight

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return UnevenlyPadded.apply(maps, self.weight, self.padding, self.stride, self.groups)


def weights_path(network: dict) -> Path | None:
    if "weights_package" not in network:
        return None
    package = importlib.util.find_spec(network["weights_package"])
    if package is None:
        sys.exit(f"package `{network['weights_package']}` is not installed; run `make train-setup`")
    return Path(package.submodule_search_locations[0]) / network["weights_file"]


def load(network: dict) -> nn.Module:
    """The pretrained model of the library, ready to be looked into."""
    path = weights_path(network)
    if network["library"] == "timm":
        import timm

        model = timm.create_model(network["model"], pretrained=path is None)
    else:
        import torchvision

        model = torchvision.models.get_model(network["model"], weights="DEFAULT" if path is None else None)
    if path is not None:
        stored, own = torch.load(path, weights_only=True), model.state_dict()
        shapes = [tensor.shape for tensor in stored.values()]
        assert shapes == [tensor.shape for tensor in own.values()], f"`{path}` does not fit `{network['model']}`"
        model.load_state_dict(dict(zip(own, stored.values())))
    return model.eval()


def replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)


def with_static_padding(model: nn.Module, stride_one: list[str]) -> nn.Module:
    """Makes the convolutions of `stride_one` step by one, and the padding of all others a constant."""
    for name in stride_one:
        old = model.get_submodule(name)
        new = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, 1, old.kernel_size[0] // 2,
                        groups=old.groups, bias=old.bias is not None)
        new.load_state_dict(old.state_dict())
        replace(model, name, new)
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "Conv2dSame":
            replace(model, name, StaticSame(module))
    return model


class RawFeatures(nn.Module):
    """A picture (x / 127.5 - 1, red first) into the joined outputs of some layers, [1, channels, rows, columns]."""

    def __init__(self, settings: dict):
        super().__init__()
        network, features = settings["network"], settings["features"]
        self.model = with_static_padding(load(network), features["stride_one"])
        self.layers = features["layers"]
        self.seen: dict[str, torch.Tensor] = {}
        for name in self.layers:
            self.model.get_submodule(name).register_forward_hook(self.keep(name))
        shift = [(0.5 - mean) / deviation for mean, deviation in zip(network["mean"], network["deviation"])]
        scale = [0.5 / deviation for deviation in network["deviation"]]
        self.same_range = shift == [0.0] * 3 and scale == [1.0] * 3
        self.register_buffer("shift", torch.tensor(shift)[None, :, None, None])
        self.register_buffer("scale", torch.tensor(scale)[None, :, None, None])

    def keep(self, name: str):
        def hook(_module, _inputs, output):
            self.seen[name] = output
        return hook

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.model(image if self.same_range else image * self.scale + self.shift)
        first = self.seen[self.layers[0]]
        maps = [self.seen[name] for name in self.layers]
        return torch.cat([
            each if each.shape[2:] == first.shape[2:]
            else functional.interpolate(each, size=first.shape[2:], mode="bilinear", align_corners=False)
            for each in maps
        ], 1)


class Teachable(nn.Module):
    """Raw features, whitened rows, distance to the nearest row of the bank, anomaly map: the graph that is shipped."""

    def __init__(self, raw: RawFeatures):
        super().__init__()
        self.raw = raw
        # A bell with a deviation of half a cell of the feature grid, cut off at three deviations.
        bell = torch.exp(-torch.arange(-6.0, 7.0) ** 2 / (2 * (MAP_SCALE / 2) ** 2))
        self.register_buffer("bell", bell / bell.sum())

    def smooth(self, cells: torch.Tensor) -> torch.Tensor:
        large = functional.interpolate(cells, scale_factor=MAP_SCALE, mode="bilinear", align_corners=False)
        padded = functional.pad(large, (6, 6, 6, 6), mode="replicate")
        across = functional.conv2d(padded, self.bell[None, None, None, :])
        return functional.conv2d(across, self.bell[None, None, :, None])

    def forward(self, image, mean, whitening, bank, spread, frames, world, reference):
        maps = self.raw(image)
        rows = maps.shape[2]
        columns = maps.shape[3]
        features = (maps.flatten(2)[0].transpose(0, 1) - mean) @ whitening
        # |f - b|^2 / spread^2 for every patch and row as one product, [f, |f|^2, 1] * [-2b, 1, |b|^2] / spread^2:
        # written out, every step of the sum is a pass over millions of numbers.
        patches = torch.cat([features, (features * features).sum(1, keepdim=True), torch.ones_like(features[:, :1])], 1)
        lengths = (bank * bank).sum(1, keepdim=True)
        rows_of_bank = torch.cat([-2 * bank, torch.ones_like(lengths), lengths], 1) / (spread * spread)[:, None]
        nearest = torch.amin(patches @ rows_of_bank.transpose(0, 1), 1)
        distances = torch.sqrt(torch.clamp(nearest, min=0))
        # Every cell above the top share counts fully; one above, the count is rounded up.
        n_top = (distances.shape[0] + TOP_SHARE - 1) // TOP_SHARE
        local = torch.topk(distances, n_top)[0].mean()
        # An empty fixture has only patches that good frames have too; but no good frame looks like that as a whole.
        strange = torch.sqrt(((frames - features.mean(0)) ** 2).sum(1).amin()) * world[0]
        score = torch.maximum(local, strange)
        large = self.smooth(distances.reshape(1, 1, rows, columns))
        scaled = large * (score / torch.clamp(large.amax(), min=1e-9))
        return features, scaled / (scaled + reference)


INPUTS = ["image", "mean", "whitening", "bank", "spread", "frames", "world", "reference"]


def export(teachable: Teachable, settings: dict, n_channels: int, path: Path) -> None:
    example = (
        torch.zeros(1, 3, 96, 128), torch.zeros(n_channels), torch.eye(n_channels)[:, :16].contiguous(),
        torch.zeros(5, 16), torch.ones(5), torch.zeros(3, 16), torch.ones(1), torch.ones(1),
    )
    axes = {
        "image": {2: "height", 3: "width"}, "whitening": {1: "dimensions"}, "spread": {0: "bank_rows"},
        "bank": {0: "bank_rows", 1: "dimensions"}, "frames": {0: "good_frames", 1: "dimensions"},
        "features": {0: "patches", 1: "dimensions"}, "anomaly_map": {2: "map_rows", 3: "map_columns"},
    }
    torch.onnx.export(
        teachable, example, str(path), input_names=INPUTS, output_names=["features", "anomaly_map"],
        dynamic_axes=axes, opset_version=OPSET, dynamo=False,  # the newer exporter writes opset 18
    )
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {
        "raw_channels": str(n_channels), "stride_px": str(settings["features"]["stride_px"]),
        "layers": " ".join(settings["features"]["layers"]),
    })
    onnx.save(graph, path)


def drawn_picture(width_px: int, height_px: int) -> np.ndarray:
    """A picture for the golden vectors that holds edges, ramps and noise, the same on every machine."""
    rows, columns = np.mgrid[:height_px, :width_px].astype(np.float64)
    state, noise = 12345, np.empty(width_px * height_px)
    for index in range(noise.size):
        state = (1103515245 * state + 12345) % 2**31
        noise[index] = state / 2**31 - 0.5
    base = 90 + 0.6 * rows + 40 * np.sin(columns / 9) + 24 * noise.reshape(rows.shape)
    base[(rows - height_px / 2) ** 2 + (columns - width_px / 3) ** 2 < (height_px / 5) ** 2] = 210
    return np.clip(np.stack([base, 0.9 * base + 10, 0.8 * base + 30], 2), 0, 255).astype(np.uint8)


def to_tensor(picture: np.ndarray) -> np.ndarray:
    """A uint8 picture, blue first as OpenCV reads it, as the graph gets it."""
    return np.ascontiguousarray((picture[..., ::-1].astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None])


def session(path: Path, n_threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def raw_feed(image: np.ndarray, n_channels: int) -> dict[str, np.ndarray]:
    """Inputs that make `features` the raw features: no mean, no whitening, a bank of one row."""
    return {
        "image": image, "mean": np.zeros(n_channels, np.float32), "whitening": np.eye(n_channels, dtype=np.float32),
        "bank": np.zeros((1, n_channels), np.float32), "spread": np.ones(1, np.float32),
        "frames": np.zeros((1, n_channels), np.float32), "world": np.zeros(1, np.float32),
        "reference": np.full(1, 10, np.float32),
    }


@torch.no_grad()
def check(teachable: Teachable, runtime: onnxruntime.InferenceSession, n_channels: int) -> dict[str, float]:
    """Largest differences between ONNX Runtime and the framework, over sizes that differ from the traced one."""
    raw_difference = map_difference = 0.0
    generator = np.random.default_rng(0)
    for width_px, height_px in ((128, 96), (384, 384), (256, 640)):
        image = to_tensor(drawn_picture(width_px, height_px))
        feed = raw_feed(image, n_channels)
        rows = runtime.run(["features"], feed)[0]
        expected = teachable.raw(torch.from_numpy(image))
        expected = expected.flatten(2)[0].transpose(0, 1).numpy()
        raw_difference = max(raw_difference, float(np.abs(rows - expected).max()))
        feed |= {
            "mean": rows.mean(0),
            # Half-way between rows: at a row itself the distance is the root of a rounding error.
            "bank": (rows - rows.mean(0))[generator.integers(len(rows), size=(40, 2))].mean(1),
            "spread": generator.uniform(0.5, 2, 40).astype(np.float32),
            "frames": generator.normal(size=(7, n_channels)).astype(np.float32), "world": np.ones(1, np.float32),
        }
        answers = runtime.run(["anomaly_map"], feed)[0]
        expected = teachable(*(torch.from_numpy(feed[name]) for name in INPUTS))[1].numpy()
        map_difference = max(map_difference, float(np.abs(answers - expected).max()))
    return {"features": raw_difference, "anomaly_map": map_difference}


@torch.no_grad()
def dynamic_padding_difference(settings: dict, raw: RawFeatures) -> float:
    """How far the constant padding is from the library's own model, at the first layers' end."""
    layer = settings["features"]["layers"][0]
    original, seen = load(settings["network"]), {}
    original.get_submodule(layer).register_forward_hook(lambda _m, _i, output: seen.update(layer=output))
    image = torch.from_numpy(to_tensor(drawn_picture(384, 256)))
    original(image if raw.same_range else image * raw.scale + raw.shift)
    raw(image)
    return float((seen["layer"] - raw.seen[layer]).abs().max())


def write_golden(teachable: Teachable, folder: Path) -> None:
    """A picture and the framework's own raw features for it; the ONNX graph has to give the same."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = drawn_picture(128, 96)
    cv2.imwrite(str(folder / "01.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    with torch.no_grad():
        rows = teachable.raw(torch.from_numpy(to_tensor(picture))).flatten(2)[0].transpose(0, 1)
    save_file({"features": np.ascontiguousarray(rows.numpy())}, str(folder / "01.safetensors"))
    (folder / "01.safetensors").chmod(0o644)  # safetensors writes for the owner alone


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "backbone.toml"
    settings = tomllib.loads(path.read_text())
    folder = HERE.parent / "backbones" / settings["name"] / settings["version"]
    folder.mkdir(parents=True, exist_ok=True)
    raw = RawFeatures(settings)
    teachable = Teachable(raw).eval()
    with torch.no_grad():
        n_channels = raw(torch.zeros(1, 3, 96, 128)).shape[1]
    export(teachable, settings, n_channels, folder / "model.onnx")
    write_golden(teachable, folder / "golden")
    runtime = session(folder / "model.onnx")
    differences = check(teachable, runtime, n_channels)
    differences["padding"] = dynamic_padding_difference(settings, raw)
    assert max(differences.values()) < TOLERANCE, f"the export answers differently: {differences}"
    backbone_card.write(settings, folder, weights_path(settings["network"]), n_channels, differences)
    print(f"{folder}: {(folder / 'model.onnx').stat().st_size / 1e6:.2f} MB, {n_channels} raw channels, {differences}")


if __name__ == "__main__":
    main()
