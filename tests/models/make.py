"""Writes the tiny model packages that tests/model_packages.rs loads.

    python make.py          # needs onnx, onnxruntime, numpy, safetensors, pillow

Same output for same versions: no clock, no random numbers. Each graph is a few operators that find
something on purpose (a bright square is a defect), so that a test knows the right answer.
"""

import hashlib
import io
import pathlib
import shutil

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 32, 24
F32 = TensorProto.FLOAT
F16 = TensorProto.FLOAT16


def const(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def ints(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.int64), name)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


def model(nodes, inits, out_shape, out_name="out", in_shape=None, out_type=F32):
    """A graph `image` -> `out_name`; opset 17, IR 8: read by every ONNX Runtime from 1.14."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", F32, in_shape or [1, 1, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info(out_name, out_type, out_shape)],
        inits,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def segment():
    """Cells of 2 x 2 px: dark is good, grey is `scratch`, bright is `dent`."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "cells weight bias", "logits"),
        node("Softmax", "logits", "out", axis=1),
    ]
    # Three straight lines that cross half way between the grey values 0, 0.5 and 1.
    inits = [
        const("weight", np.reshape([0, 40, 80], (3, 1, 1, 1))),
        const("bias", [0, -10, -40]),
    ]
    return model(nodes, inits, [1, 3, HEIGHT // 2, WIDTH // 2])


def anomaly(out_shape=None, tail=()):
    """The grey value itself, averaged over 2 x 2 px: bright is an anomaly."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Clip", "cells zero one", "out" if not tail else "clipped"),
        *tail,
    ]
    inits = [const("zero", 0), const("one", 1)]
    return model(nodes, inits, out_shape or [1, 1, HEIGHT // 2, WIDTH // 2])


def classify(softmax):
    """Mean grey value of the picture: dark is `good`, bright is `torn`."""
    nodes = [
        node("GlobalAveragePool", "image", "mean"),
        node("Flatten", "mean", "flat"),
        node("Gemm", "flat weight bias", "logits" if softmax else "out"),
    ]
    if softmax:
        nodes.append(node("Softmax", "logits", "out", axis=1))
    inits = [const("weight", [[-10, 10]]), const("bias", [4, -4])]
    return model(nodes, inits, [1, 2])


def boxes():
    """The middle of the picture is a box of class 1 whose score is its brightness; one row is padding."""
    nodes = [
        node("Slice", "image from to axes", "middle"),
        node("GlobalAveragePool", "middle", "mean"),
        node("Reshape", "mean one_number", "score"),
        node("Concat", "corners score class", "row", axis=2),
        node("Concat", "row padding", "out", axis=1),
    ]
    inits = [
        ints("from", [8, 10]),
        ints("to", [16, 22]),
        ints("axes", [2, 3]),
        ints("one_number", [1, 1, 1]),
        const("corners", [[[10, 8, 22, 16]]]),
        const("class", [[[1]]]),
        const("padding", [[[0, 0, 0, 0, 0, -1]]]),
    ]
    return model(nodes, inits, [1, "n", 6])


def yolo():
    """Three columns: two boxes of class 0 that overlap, one of class 1; scores follow the brightness."""
    nodes = [
        node("Slice", "image from to axes", "middle"),
        node("GlobalAveragePool", "middle", "mean"),
        node("Reshape", "mean one_number", "score"),
        node("Mul", "shares score", "scores"),
        node("Concat", "places scores", "out", axis=1),
    ]
    inits = [
        ints("from", [8, 10]),
        ints("to", [16, 22]),
        ints("axes", [2, 3]),
        ints("one_number", [1, 1, 1]),
        const("places", [[[16, 17, 6], [12, 12, 6], [12, 12, 4], [8, 8, 4]]]),
        const("shares", [[[1.0, 0.8, 0.0], [0.0, 0.1, 0.9]]]),
    ]
    return model(nodes, inits, [1, 6, 3])


def bank():
    """How far each cell is from the nearest grey value of the second input, the bank."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "cells column", "features"),
        node("Transpose", "bank", "row"),
        node("Sub", "features row", "differences"),
        node("Abs", "differences", "distances"),
        node("ReduceMin", "distances", "nearest", axes=[1], keepdims=1),
        helper.make_node("Cast", ["factor"], ["number"], to=F32),
        node("Mul", "nearest number", "scaled"),
        node("Clip", "scaled zero one", "clipped"),
        node("Shape", "cells", "shape"),
        node("Reshape", "clipped shape", "anomaly_map"),
    ]
    inits = [ints("column", [-1, 1]), const("zero", 0), const("one", 1)]
    made = model(
        nodes, inits, [1, 1, "rows", "columns"], "anomaly_map", ["batch", 1, "height", "width"]
    )
    made.graph.input.extend(
        [
            helper.make_tensor_value_info("bank", F32, ["m", 1]),
            helper.make_tensor_value_info("factor", TensorProto.INT64, [1]),
        ]
    )
    made.graph.output.append(helper.make_tensor_value_info("features", F32, ["n", 1]))
    return made


def half():
    """The anomaly map in numbers of 16 bits, all sides free."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Clip", "cells zero one", "out"),
    ]
    inits = [numpy_helper.from_array(np.float16(value), name) for name, value in [("zero", 0), ("one", 1)]]
    made = model(nodes, inits, ["n", 1, "rows", "columns"], "out", ["n", 1, "height", "width"], F16)
    made.graph.input[0].type.tensor_type.elem_type = F16
    return made


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
    tensor = (pixels.astype(np.float32) / 255).astype(kind)[None, None]
    return session.run(None, {"image": tensor, **(fixed or {})})[0]


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
channels = 1
reverse_input_channels = false
mean_values = [0.0]
scale_values = [255.0]
resize_type = "standard"
interpolation = "area"
pad_value = 0
[output]
name = "{output}"
layout = "{layout}"
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
bank = "bank"
[outputs]
features = "features"
anomaly_map = "anomaly_map"
"""


def write(name, task, layout, thresholds, labels, made, pictures, outputs=None, half=False, fixed=None):
    """One package: `outputs` overrides what the graph gives, for packages that are wrong."""
    output = made.graph.output[0].name
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
        values = run(made, pixels, fixed) if outputs is None else outputs
        values = values.astype(np.float16 if half else np.float32)
        files = {"image": (f"{index:02}.png", png(pixels))}
        files["outputs"] = (f"{index:02}.safetensors", save({output: values}))
        golden += "[[golden]]\n"
        for key, (file, content) in files.items():
            (folder / "golden" / file).write_bytes(content)
            golden += f'{key} = "golden/{file}"\n'
            golden += f'{key}_sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        golden += f"tolerance = {0.002 if half else 0.0001}\n"
    text = MANIFEST.format(
        name=name,
        task=task,
        layout=layout,
        output=output,
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


def backbone():
    """The graph of `bank` as one that teaching takes."""
    folder = HERE / "backbone"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    onnx = bank().SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(onnx)
    (folder / "backbone.toml").write_text(BACKBONE.format(onnx_sha256=hashlib.sha256(onnx).hexdigest()))


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
    backbone()
    broken()
