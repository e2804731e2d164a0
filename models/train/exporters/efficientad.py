"""EfficientAD by anomalib's network and export, with a random teacher and no download.

anomalib fetches a trained teacher and ImageNet pictures before it learns; neither is to be had
offline. Here the teacher is random, both are narrower, and the student learns for a few steps.
"""

import torch
from torch.nn import Conv2d

from frameworks.anomaly import anomalib

from .anomaly import ONE_PICTURE, export_model
from .common import between, fresh, seed, write

SIZE_PX = (256, 256)  # its autoencoder takes no less
OUT, STEPS = 16, 20


def efficientad(folder, pictures):
    from anomalib.models import EfficientAd

    seed()
    parts = {"pre_processor": EfficientAd.configure_pre_processor(SIZE_PX[::-1]), "evaluator": False, "visualizer": False}
    model = EfficientAd(teacher_out_channels=OUT, **parts)
    _narrow(model.model.teacher, OUT)
    _narrow(model.model.student, 2 * OUT)
    inference = anomalib(model, "EfficientAd", SIZE_PX)
    inputs = [model.pre_processor(inference.preprocess(path)) for path in pictures[:: max(1, len(pictures) // 8)]]
    _teach(model.model, inputs)
    _set_scale(model, inputs)
    export_model(model, fresh(folder), SIZE_PX[::-1], ONE_PICTURE)
    write(folder, inference, pictures)


def _narrow(network, out):
    """A tenth of the arithmetic in the same four steps."""
    wide = 32
    network.conv1, network.conv2 = Conv2d(3, wide, 4), Conv2d(wide, wide, 4)
    network.conv3, network.conv4 = Conv2d(wide, wide, 3), Conv2d(wide, out, 4)


def _teach(network, inputs):
    """A student that follows its teacher, and an autoencoder that does so less well."""
    with torch.no_grad():
        answers = torch.cat([network.teacher(tensor) for tensor in inputs])
        network.mean_std["mean"].data = answers.mean((0, 2, 3), keepdim=True)
        network.mean_std["std"].data = answers.std((0, 2, 3), keepdim=True)
    learners = [*network.student.parameters(), *network.ae.parameters()]
    optimizer = torch.optim.Adam(learners, lr=1e-3)
    network.train()
    for step in range(STEPS):
        tensor = inputs[step % len(inputs)]
        losses = network(batch=tensor, batch_imagenet=tensor)
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
    network.eval()


@torch.no_grad()
def _set_scale(model, inputs):
    """Quantiles of the two maps and the range of the scores, which anomalib's validation would find."""
    network = model.model
    maps = [network.get_maps(tensor, normalize=False) for tensor in inputs]
    for key, part in (("st", 0), ("ae", 1)):
        values = torch.cat([pair[part].flatten() for pair in maps])
        network.quantiles[f"qa_{key}"].data = values.quantile(0.5)
        network.quantiles[f"qb_{key}"].data = values.quantile(0.995)
    answers = [network(tensor) for tensor in inputs]
    scores = torch.cat([answer.pred_score.flatten() for answer in answers])
    scales = model.post_processor
    for kind, values in (("image", scores), ("pixel", torch.cat([a.anomaly_map.flatten() for a in answers]))):
        getattr(scales, f"{kind}_min").copy_(values.min())
        getattr(scales, f"{kind}_max").copy_(values.max())
        getattr(scales, f"_{kind}_threshold").copy_(between(scores))
