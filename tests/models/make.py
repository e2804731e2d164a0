"""Writes the tiny model packages that tests/model_packages.rs loads.

    python make.py          # needs onnx, onnxruntime, numpy, safetensors, pillow

Same output for same versions: no clock, no random numbers. The graphs are in graphs.py.
"""

import hashlib
import io
import pathlib
import shutil

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper
from PIL import Image
from safetensors.numpy import save

from graphs import F32, HEIGHT, WIDTH, anomaly, anomaly_score, bank, box_masks, boxes, bright, by_hand_boxes, by_hand_map, classify, const, detr, half, ints, last, lesson, masks, node, objectness, output, reddish, segment, segment_until_bright, three, yolo, yolox

HERE = pathlib.Path(__file__).parent


def picture(*squares):
    """A dark picture with squares (left, top, right, bottom, grey)."""
    pixels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for left, top, right, bottom, grey in squares:
        pixels[top:bottom, left:right] = grey
    return pixels


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def run(made, pixels, fixed=None):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    kind = np.float16 if session.get_inputs()[0].type == "tensor(float16)" else np.float32
    tensor = (np.atleast_3d(pixels).astype(np.float32) / 255).astype(kind).transpose(2, 0, 1)[None]
    if len(session.get_inputs()[0].shape) == 3:
        tensor = tensor[0]
    return dict(zip([out.name for out in session.get_outputs()], session.run(None, {"image": tensor, **(fixed or {})})))


MANIFEST = """\
schema = 1
name = "{name}"
version = "1.0.0"
task = "{task}"
description = "A tiny graph for tests"
onnx = "model.onnx"
onnx_sha256 = "{onnx_sha256}"
{fixed}trained_on = "nothing: written by tests/models/make.py"
[input]
name = "image"
width_px = 32
height_px = 24
channels = {channels}
reverse_input_channels = {red_first}
mean_values = {means}
scale_values = {scales}
resize_type = "standard"
interpolation = "area"
pad_value = 0
[output]
{output}
[thresholds]
{thresholds}
{labels}
{golden}
[metrics]
image_auroc = 1.0
"""


BACKBONE = """\
schema = 1
name = "grey"
version = "1.0.0"
description = "The grey values themselves"
licence = "Apache-2.0"
onnx = "model.onnx"
onnx_sha256 = "{onnx_sha256}"
feature_stride_px = 2
[input]
name = "image"
channels = 1
reverse_input_channels = false
mean_values = [0.0]
scale_values = [255.0]
multiple_px = 2
[inputs]
mean = "mean"
whitening = "whitening"
bank = "bank"
spread = "spread"
frames = "frames"
world = "world"
reference = "reference"
[outputs]
features = "features"
anomaly_map = "anomaly_map"
"""


def write(name, task, layout, thresholds, labels, made, pictures, outputs=None, half=False, fixed=None, names=None, keys=""):
    """One package: `outputs` overrides what the graph gives, for packages that are wrong; `names` are
    the outputs by role, `keys` further lines of `[output]`."""
    first = made.graph.output[0].name
    needed = {"values": first} if names is None else names
    output = f'name = "{first}"\n' if names is None else ""
    output += f'layout = "{layout}"\n{keys}'
    if names is not None:
        output += "[output.names]\n" + "\n".join(f'{role} = "{name}"' for role, name in names.items())
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "golden").mkdir(parents=True)
    checker.check_model(made)
    onnx = made.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(onnx)
    sealed = ""
    if fixed is not None:
        content = save(fixed)
        (folder / "fixed.safetensors").write_bytes(content)
        sealed = f'fixed = "fixed.safetensors"\nfixed_sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
    golden = ""
    for index, pixels in enumerate(pictures, 1):
        values = run(made, pixels, fixed) if outputs is None else {first: outputs}
        values = {name: values[name] for name in needed.values()}
        if names is None:
            values = {name: value.astype(np.float16 if half else np.float32) for name, value in values.items()}
        files = {"image": (f"{index:02}.png", png(pixels))}
        files["outputs"] = (f"{index:02}.safetensors", save(values))
        golden += "[[golden]]\n"
        for key, (file, content) in files.items():
            (folder / "golden" / file).write_bytes(content)
            golden += f'{key} = "golden/{file}"\n'
            golden += f'{key}_sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        golden += f"tolerance = {0.002 if half else 0.0001}\n"
    channels = np.atleast_3d(pictures[0]).shape[2] if pictures else 1
    text = MANIFEST.format(
        channels=channels,
        red_first="true" if channels == 3 else "false",
        means=[0.0] * channels,
        scales=[255.0] * channels,
        name=name,
        task=task,
        output=output.strip(),
        fixed=sealed,
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        thresholds="\n".join(f"{key} = {value}" for key, value in thresholds.items()),
        labels="\n".join(f'[[labels]]\nname = "{label}"\ncode = "{code}"' for label, code in labels),
        golden=golden.strip(),
    )
    (folder / "manifest.toml").write_text(text)


BRIGHT = picture((10, 8, 22, 16, 255))
BOTH = picture((2, 2, 8, 4, 128), (10, 8, 22, 16, 255))
CLEAN = picture()
MAPS = {"confidence_threshold": 0.5, "pixel_threshold": 0.4, "area_min_px": 2}
ANOMALY = {"image_threshold": 0.7, "pixel_threshold": 0.5, "area_min_px": 4}
SCORE = {"confidence_threshold": 0.5}
TWO = [("scratch", "A"), ("dent", "")]


def whole():
    """Packages that are right."""
    write("segment", "segment", "class_maps", MAPS, TWO, segment(), [BOTH, CLEAN], half=True)
    write("anomaly", "anomaly", "anomaly_map", ANOMALY, [("anomaly", "")], anomaly(), [BRIGHT, CLEAN])
    grades = [("good", ""), ("torn", "")]
    white = picture((0, 0, 32, 24, 255))
    write("classify", "classify", "class_scores", SCORE, grades, classify(True), [white, CLEAN])
    write("classify-logits", "classify", "logits", {"confidence_threshold": 0.9}, grades, classify(False), [white, CLEAN])
    write("detect", "detect", "boxes_scores_classes", SCORE, TWO, boxes(), [BRIGHT, CLEAN])
    known = {"bank": np.float32([[0], [0.5]]), "factor": np.int64([2])}
    write("bank", "anomaly", "anomaly_map", ANOMALY, [("anomaly", "")], bank(), [BOTH, CLEAN], fixed=known)
    write("half", "anomaly", "anomaly_map", ANOMALY, [("anomaly", "")], half(), [BRIGHT, CLEAN], half=True)
    overlap = {"confidence_threshold": 0.5, "iou_threshold": 0.5}
    write("detect-yolo", "detect", "yolo", overlap, TWO, yolo(), [BRIGHT, CLEAN])


def whole_layouts():
    """A package for each layout that one of `whole` does not show."""
    made = last(segment(), 2, [output("logits", [1, 3, HEIGHT // 2, WIDTH // 2])])
    write("segment-logits", "segment", "class_map_logits", MAPS, TWO, made, [BOTH, CLEAN])
    write("masks", "segment", "mask_logits", MAPS, TWO, masks(), [BRIGHT, CLEAN])
    every = {"confidence_threshold": 0.5, "pixel_threshold": 0.5, "area_min_px": 4}
    write("bright", "segment", "mask_logits", every, [("scratch", "")], bright(), [BRIGHT, CLEAN])
    rust = np.stack([BRIGHT, CLEAN, CLEAN], axis=2)
    write("reddish", "segment", "mask_logits", every, [("rust", "")], reddish(), [rust, np.zeros_like(rust)])
    overlap = {"confidence_threshold": 0.5, "iou_threshold": 0.5}
    detect = ("detect-", "detect")
    for name, layout, made in [
        ("objectness", "yolo_objectness", objectness()),
        ("yolox", "yolox_cells", yolox()),
    ]:
        write(detect[0] + name, detect[1], layout, overlap, TWO, made, [BRIGHT, CLEAN])
    names = {"values": "values", "prototypes": "prototypes"}
    write("detect-masks", "detect", "yolo_masks", overlap, TWO, box_masks(), [BRIGHT, CLEAN], names=names)
    names = {"boxes": "boxes", "scores": "logits"}
    write("detr-sigmoid", "detect", "detr_sigmoid", SCORE, TWO, detr(False), [BRIGHT, CLEAN], names=names)
    write("detr-softmax", "detect", "detr_softmax", SCORE, TWO, detr(True), [BRIGHT, CLEAN], names=names)
    names = {"boxes": "boxes", "scores": "scores", "labels": "labels"}
    keys = "first_label = 1\n"
    write("detect-three", "detect", "boxes_scores_labels", SCORE, TWO, three(), [BRIGHT, CLEAN], names=names, keys=keys)
    one = [("anomaly", "")]
    names = {"map": "map", "score": "score"}
    keys = "map_range = [0.0, 10.0]\nscore_range = [0.0, 10.0]\n"
    write("anomaly-score", "anomaly", "anomaly_map_score", ANOMALY, one, anomaly_score(), [BRIGHT, CLEAN], names=names, keys=keys)
    made = last(anomaly_score(), 3, [output("score", [1, 1])])
    keys = "score_range = [0.0, 10.0]\n"
    write("anomaly-only-score", "anomaly", "anomaly_score", {"image_threshold": 0.7}, one, made, [BRIGHT, CLEAN], keys=keys)
    keys = 'axes = ["batch", "rows", "columns", "classes"]\nvalues = ["good", "labels"]\nactivation = "none"\n'
    write("by-hand-maps", "segment", "axes", MAPS, TWO, by_hand_map(), [BOTH, CLEAN], keys=keys)
    values = '["class", "score", "x1", "y1", "width", "height", "skip"]'
    keys = f'axes = ["batch", "values", "detections"]\nvalues = {values}\nfirst_label = 2\ncoordinates = "share"\nactivation = "none"\n'
    write("by-hand-boxes", "detect", "axes", SCORE, TWO, by_hand_boxes(), [BRIGHT, CLEAN], keys=keys)


def backbone():
    """A graph that teaching takes."""
    folder = HERE / "backbone"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    onnx = lesson().SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(onnx)
    (folder / "backbone.toml").write_text(BACKBONE.format(onnx_sha256=hashlib.sha256(onnx).hexdigest()))


def faulty():
    """Packages whose golden vectors are right, and that go wrong on a bright picture."""
    grey = picture((2, 2, 8, 4, 128))
    for name, fault in [("nan-when-bright", "nan"), ("fails-when-bright", "fails"), ("blocks-when-bright", "blocks")]:
        write(name, "segment", "class_maps", MAPS, TWO, segment_until_bright(fault), [grey, CLEAN], half=True)


def broken():
    """Packages that must be refused, each for one reason."""
    kind = ("anomaly", "anomaly_map", ANOMALY, [("anomaly", "")])
    zeros = np.zeros((1, 1, HEIGHT // 2, WIDTH // 2), np.float32)
    bad = "broken-"

    def tail(*nodes):
        return anomaly(out_shape=[1, 1, "rows", "columns"], tail=nodes)

    # sqrt(-1) and 1 / 0 in every cell that is dark.
    nan = tail(node("Sub", "clipped one", "less"), node("Sqrt", "less", "out"))
    write(bad + "nan", *kind, nan, [CLEAN], zeros)
    infinite = tail(node("Reciprocal", "clipped", "out"))
    write(bad + "infinite", *kind, infinite, [CLEAN], zeros)
    over = tail(node("Add", "clipped one", "more"), node("Add", "more clipped", "out"))
    write(bad + "over-one", *kind, over, [BRIGHT])
    rank = tail(node("Flatten", "clipped", "out"))
    rank.graph.output[0].CopyFrom(helper.make_tensor_value_info("out", F32, [1, "cells"]))
    write(bad + "rank", *kind, rank, [CLEAN], zeros)
    # Two channels where the picture is bright: no check of the graph can know it, only a run.
    shape = tail(
        node("ReduceMax", "clipped", "peak", axes=[0, 2, 3], keepdims=0),
        node("Add", "peak one", "n"),
        helper.make_node("Cast", ["n"], ["channels"], to=TensorProto.INT64),
        node("Concat", "batch channels sides", "shape", axis=0),
        node("Expand", "clipped shape", "out"),
    )
    shape.graph.initializer.extend([ints("batch", [1]), ints("sides", [HEIGHT // 2, WIDTH // 2])])
    shape.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("out", F32, [1, "channels", "rows", "columns"])
    )
    write(bad + "shape", *kind, shape, [BRIGHT], zeros)
    integers = tail(helper.make_node("Cast", ["clipped"], ["out"], to=TensorProto.INT64))
    integers.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    write(bad + "type", *kind, integers, [CLEAN], zeros)
    write(bad + "golden", *kind, anomaly(), [BRIGHT], zeros)
    write(bad + "hash", *kind, anomaly(), [CLEAN])
    with (HERE / (bad + "hash") / "model.onnx").open("ab") as file:
        file.write(b"\x08\x08")  # still an ONNX file: its IR version, a second time
    write(bad + "no-golden", *kind, anomaly(), [])
    outside = anomaly(tail=[node("Mul", "clipped ones", "out")])
    ones = const("ones", np.ones((1, 1, HEIGHT // 2, WIDTH // 2)))
    outside.graph.initializer.append(ones)
    write(bad + "external-data", *kind, outside, [CLEAN])
    folder = HERE / (bad + "external-data")
    (HERE / "outside.bin").write_bytes(ones.raw_data)
    tensor = outside.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../outside.bin")
    replace_onnx(folder, outside.SerializeToString(deterministic=True))
    class_two = boxes()
    class_two.graph.initializer[5].CopyFrom(const("class", [[[2]]]))
    known = {"bank": np.float32([[0]]), "factor": np.int64([1])}
    for why, changes in [
        ("missing", {"factor": None, "offset": np.float32([0])}),
        ("shape", {"bank": np.float32([0]), "factor": np.int32([1])}),
        ("nan", {"bank": np.float32([[np.nan]])}),
    ]:
        fixed = {key: value for key, value in {**known, **changes}.items() if value is not None}
        write(bad + "fixed-" + why, *kind, bank(), [CLEAN], zeros, fixed=fixed)
    write(bad + "fixed-hash", *kind, bank(), [CLEAN], zeros, fixed=known)
    with (HERE / (bad + "fixed-hash") / "fixed.safetensors").open("ab") as file:
        file.write(b"\0")
    detect = ("detect", "boxes_scores_classes", SCORE, TWO)
    write(bad + "class", *detect, class_two, [BRIGHT])
    write(bad + "no-onnx", *kind, anomaly(), [CLEAN])
    replace_onnx(HERE / (bad + "no-onnx"), b"this is no protobuf")
    names = anomaly()
    names.graph.input[0].name = "picture"
    names.graph.node[0].input[0] = "picture"
    write(bad + "names", *kind, names, [CLEAN], zeros)


def replace_onnx(folder, onnx):
    """Another graph under a right hash."""
    path = folder / "manifest.toml"
    old = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "model.onnx").write_bytes(onnx)
    path.write_text(path.read_text().replace(old, hashlib.sha256(onnx).hexdigest()))


if __name__ == "__main__":
    whole()
    whole_layouts()
    backbone()
    faulty()
    broken()
