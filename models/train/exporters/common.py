"""What the small models share: woken weights and ONNX files."""

import shutil

import torch
from record_golden import record


def seed(number=1):
    torch.manual_seed(number)


@torch.no_grad()
def wake(model, inputs, passes=1):
    """Gives batch norms the statistics of real inputs, so that random weights tell pictures apart."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    model.train()
    for _ in range(passes):
        for batch in inputs:
            model(batch)
    return model.eval()


@torch.no_grad()
def spread(layer, values, reach, middle=0.0, share=0.999):
    """Scales the last layer so that `share` of `values` [n, channels] lie within `middle` +- `reach`."""
    centre = values.median(0).values
    far = (values - centre).abs()
    rank = max(1, int(share * len(far)))
    factor = reach / far.kthvalue(rank, 0).values.clamp_min(1e-6)
    layer.weight.mul_(factor.reshape(-1, *[1] * (layer.weight.dim() - 1)))
    layer.bias.copy_((layer.bias - centre) * factor + middle)


@torch.no_grad()
def look_where_pictures_differ(model, layer, batch):
    """Turns the last layer of a classifier towards the directions in which the pictures differ most.

    Training does that; rows of random weights see mostly what all pictures have in common, and then
    float16 loses the little that tells them apart.
    """
    given = []
    hook = layer.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    model(batch)
    hook.remove()
    _, _, directions = torch.linalg.svd(given[0] - given[0].mean(0), full_matrices=False)
    layer.weight.copy_(directions[: len(layer.weight)])


def between(scores):
    """A threshold in the middle of the scores, and of the gap there: no picture lies on it."""
    ordered = scores.flatten().sort().values
    half = len(ordered) // 2
    return float(ordered[half - 1] + ordered[half]) / 2


def export(model, args, path, **options):
    """The exporter that torch uses by default, with the weights inside the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.eval()
    torch.onnx.export(model, args, str(path), verbose=False, external_data=False, **options)


def export_by_trace(model, args, path, opset_version=17, **options):
    """The older exporter that most ONNX files in the field were made with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.eval()
    torch.onnx.export(model, args, str(path), dynamo=False, opset_version=opset_version, **options)


def add_metadata(path, entries):
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, path)


def to_float16(path, keep_io=False):
    """Rewrites a graph with float16 weights and arithmetic."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=keep_io), path)


def write(folder, inference, pictures):
    record(pictures, inference.preprocess, inference.predict, folder / "golden", inference.about)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
