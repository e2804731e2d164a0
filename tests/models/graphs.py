"""The tiny graphs of make.py: each a few operators that find something on purpose, so that a test
knows the right answer. A bright square is a defect.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

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


def segment_until_bright(fault):
    """`segment` on dark and grey pictures; on bright ones it gives NaN, fails, or never comes back."""
    made = segment()
    graph = made.graph
    graph.node[-1].output[0] = "scores"
    peak = node("ReduceMax", "image", "peak", keepdims=0)
    if fault == "nan":
        graph.initializer.extend([const("limit", 0.9)])
        nodes = [node("Sub", "limit peak", "room"), node("Sqrt", "room", "root"), node("Div", "root root", "factor")]
    elif fault == "fails":
        graph.initializer.extend([const("more", 1.1), const("ones", [1])])
        nodes = [node("Mul", "peak more", "up"), node("Floor", "up", "place"),
                 helper.make_node("Cast", ["place"], ["index"], to=TensorProto.INT64), node("Gather", "ones index", "factor")]
    else:
        graph.initializer.extend([const("more", 1.1), const("many", 2.0**62), const("start", 1)])
        body = helper.make_graph(
            [node("Identity", "go", "on"), node("Identity", "before", "after")], "body",
            [helper.make_tensor_value_info("turn", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, []),
             helper.make_tensor_value_info("before", F32, [])],
            [helper.make_tensor_value_info("on", TensorProto.BOOL, []), helper.make_tensor_value_info("after", F32, [])],
        )
        nodes = [node("Mul", "peak more", "up"), node("Floor", "up", "is_bright"), node("Mul", "is_bright many", "turns"),
                 helper.make_node("Cast", ["turns"], ["n_turns"], to=TensorProto.INT64),
                 helper.make_node("Loop", ["n_turns", "", "start"], ["factor"], body=body)]
    graph.node.extend([peak, *nodes, node("Mul", "scores factor", "out")])
    return made


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


def masks():
    """Cells of 2 x 2 px: grey is `scratch`, bright is `dent`, each by itself, before sigmoid."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "cells weight bias", "out"),
    ]
    inits = [const("weight", np.reshape([40, 40], (2, 1, 1, 1))), const("bias", [-10, -30])]
    return model(nodes, inits, [1, 2, HEIGHT // 2, WIDTH // 2])


def last(made, kept, outputs):
    """The graph without the nodes from `kept` on, with other outputs."""
    del made.graph.node[kept:]
    del made.graph.output[:]
    made.graph.output.extend(outputs)
    return made


MIDDLE = [
    node("Slice", "image from to axes", "middle"),
    node("GlobalAveragePool", "middle", "mean"),
    node("Reshape", "mean one_number", "score"),
]
MIDDLE_INITS = [
    ints("from", [8, 10]),
    ints("to", [16, 22]),
    ints("axes", [2, 3]),
    ints("one_number", [1, 1, 1]),
]


def output(name, shape, kind=F32):
    return helper.make_tensor_value_info(name, kind, shape)


def objectness():
    """Rows: two boxes of class 0 that overlap, one of class 1; the objectness is the brightness."""
    nodes = [
        *MIDDLE,
        node("Mul", "shares score", "objectness"),
        node("Concat", "places objectness classes", "out", axis=2),
    ]
    inits = [
        *MIDDLE_INITS,
        const("places", [[[16, 12, 12, 8], [17, 12, 12, 8], [6, 6, 4, 4]]]),
        const("shares", [[[1.0], [0.8], [0.9]]]),
        const("classes", [[[0.75, 0.0], [0.75, 0.0], [0.0, 1.0]]]),
    ]
    return model(nodes, inits, [1, 3, 7])


def yolox():
    """The last layer of YOLOX: 12 cells of 8 px and 2 of 16; cell (1, 1) holds the box."""
    rows = np.zeros((1, 14, 7), np.float32)
    rows[0, 5] = [1, 0.5, np.log(1.5), 0, 0, 0.125, 1]
    shares = np.zeros((1, 14, 7), np.float32)
    shares[0, 5, 4] = 1
    nodes = [*MIDDLE, node("Mul", "shares score", "objectness"), node("Add", "rows objectness", "out")]
    return model(nodes, [*MIDDLE_INITS, const("rows", rows), const("shares", shares)], [1, 14, 7])


def box_masks():
    """One box, larger than what is bright in it; the mask is mixed from two prototypes."""
    nodes = [
        *MIDDLE,
        node("Concat", "place score other weights", "values", axis=1),
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "cells weight bias", "prototypes"),
    ]
    inits = [
        *MIDDLE_INITS,
        const("place", [[[16], [12], [20], [16]]]),
        const("other", [[[0.0]]]),
        const("weights", [[[1.0], [-0.5]]]),
        const("weight", np.reshape([40, 0], (2, 1, 1, 1))),
        const("bias", [0, 40]),
    ]
    made = model(nodes, inits, [1, 8, 1], "values")
    made.graph.output.append(output("prototypes", [1, 2, HEIGHT // 2, WIDTH // 2]))
    return made


def detr(nothing):
    """Two queries: the box in the middle, and one that sees nothing."""
    classes = [[0.0, 20.0, 0.0], [0.0, 0.0, 20.0]] if nothing else [[0.0, 20.0], [0.0, 0.0]]
    shift = [[0.0, -10.0, 0.0], [0.0, 0.0, 0.0]] if nothing else [[-10.0, -10.0], [-10.0, -10.0]]
    nodes = [
        *MIDDLE,
        node("Mul", "classes score", "scaled"),
        node("Add", "scaled shift", "logits"),
        node("Identity", "places", "boxes"),
    ]
    places = np.float32([[16, 12, 12, 8], [4, 4, 4, 4]]) / [32, 24, 32, 24]
    inits = [*MIDDLE_INITS, const("places", places[None]), const("classes", [classes]), const("shift", [shift])]
    made = model(nodes, inits, [1, 2, len(classes[0])], "logits")
    made.graph.output.append(output("boxes", [1, 2, 4]))
    return made


def three():
    """As torchvision exports detectors: no batch, three outputs, labels from 1 on, only what is found."""
    nodes = [
        node("Unsqueeze", "image batch", "whole"),
        node("Slice", "whole from to axes", "middle"),
        node("GlobalAveragePool", "middle", "mean"),
        node("Reshape", "mean one_number", "score"),
        node("Mul", "shares score", "all_scores"),
        node("Greater", "all_scores least", "found"),
        node("Compress", "places found", "boxes", axis=0),
        node("Compress", "all_scores found", "scores", axis=0),
        node("Compress", "numbers found", "labels", axis=0),
    ]
    inits = [
        *MIDDLE_INITS[:3],
        ints("one_number", [1]),
        ints("batch", [0]),
        const("places", [[10, 8, 22, 16], [4, 4, 8, 8]]),
        const("shares", [1.0, 0.25]),
        const("least", [0.05]),
        ints("numbers", [2, 1]),
    ]
    made = model(nodes, inits, ["found", 4], "boxes", [1, HEIGHT, WIDTH])
    made.graph.output.extend([output("labels", ["found"], TensorProto.INT64), output("scores", ["found"])])
    return made


def anomaly_score():
    """The map, and the mean of the picture as its score: both as distances from 0 to 10."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Mul", "cells ten", "map"),
        node("ReduceMax", "map", "score", axes=[2, 3], keepdims=0),
    ]
    made = model(nodes, [const("ten", 10)], [1, 1, HEIGHT // 2, WIDTH // 2], "map")
    made.graph.output.append(output("score", [1, 1]))
    return made


def by_hand_map():
    """Class maps whose classes stand last."""
    made = segment()
    made.graph.node[2].output[0] = "maps"
    made.graph.node.append(node("Transpose", "maps", "out", perm=[0, 2, 3, 1]))
    made.graph.output[0].CopyFrom(output("out", [1, HEIGHT // 2, WIDTH // 2, 3]))
    return made


def by_hand_boxes():
    """Columns of class, score, left, top, width, height as shares, and a number of no use."""
    nodes = [*MIDDLE, node("Concat", "class score place", "out", axis=1)]
    place = np.float32([10 / 32, 8 / 24, 12 / 32, 8 / 24, 7]).reshape(1, 5, 1)
    return model(nodes, [*MIDDLE_INITS, const("class", [[[3]]]), const("place", place)], [1, 7, 1])


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


def lesson():
    """What teaching takes: rows of grey values, whitened, and how far each is from the nearest of the bank, or the
    whole picture from the nearest good frame, if that is more."""
    nodes = [
        node("AveragePool", "image", "cells", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "cells column", "raw"),
        node("Sub", "raw mean", "centred"),
        node("MatMul", "centred whitening", "features"),
        node("Slice", "features first second axis", "grey"),
        node("Slice", "bank first second axis", "known"),
        node("Transpose", "known", "row"),
        node("Sub", "grey row", "differences"),
        node("Abs", "differences", "distances"),
        node("Div", "distances spread", "spreads"),
        node("ReduceMin", "spreads", "nearest", axes=[1], keepdims=1),
        node("ReduceMean", "features", "whole", axes=[0], keepdims=1),
        node("Sub", "frames whole", "off"),
        node("ReduceL2", "off", "apart", axes=[1], keepdims=1),
        node("ReduceMin", "apart", "strange", axes=[0], keepdims=1),
        node("Mul", "strange world", "weighed"),
        node("Max", "nearest weighed", "farther"),
        node("Add", "farther reference", "sum"),
        node("Div", "farther sum", "scores"),
        node("Shape", "cells", "shape"),
        node("Reshape", "scores shape", "anomaly_map"),
    ]
    inits = [ints("column", [-1, 1]), ints("first", [0]), ints("second", [1]), ints("axis", [1])]
    made = model(
        nodes, inits, [1, 1, "rows", "columns"], "anomaly_map", ["batch", 1, "height", "width"]
    )
    shapes = {"mean": [1], "whitening": [1, "d"], "bank": ["m", "d"], "spread": ["m"]}
    shapes |= {"frames": ["f", "d"], "world": [1], "reference": [1]}
    made.graph.input.extend(
        helper.make_tensor_value_info(name, F32, shape) for name, shape in shapes.items()
    )
    made.graph.output.append(helper.make_tensor_value_info("features", F32, ["n", "d"]))
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


def reddish():
    """A score for every pixel of an input of any size, red first, before sigmoid: red over green by 55 of 255 is `rust`."""
    nodes = [node("Conv", "image weight bias", "out")]
    inits = [const("weight", np.reshape([60, -60, 0], (1, 3, 1, 1))), const("bias", [-60 * 55 / 255])]
    return model(nodes, inits, ["n", 1, "rows", "columns"], "out", ["n", 3, "height", "width"])


def bright():
    """A score for every pixel of an input of any size, before sigmoid: over 160 of 255 it is a `scratch`."""
    nodes = [node("Conv", "image weight bias", "out")]
    inits = [const("weight", np.reshape([60], (1, 1, 1, 1))), const("bias", [-60 * 160 / 255])]
    return model(nodes, inits, ["n", 1, "rows", "columns"], "out", ["n", 1, "height", "width"])
