"""Small RT-DETR and D-FINE from the transformers package, built from a configuration of our own."""

import torch
from torch import nn

from frameworks.detr import Deploy, transformers

from .common import export_by_trace, fresh, seed, spread, wake, write

LABELS = ["scratch", "dent", "stain"]
SIZE_PX = (192, 160)
CONFIDENCE = 0.5


def _configuration(kind):
    from transformers import RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 24, 32, 48],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    return kind(
        backbone_config=backbone,
        num_labels=len(LABELS),
        encoder_hidden_dim=32,
        encoder_in_channels=[24, 32, 48],
        feat_strides=[8, 16, 32],
        encoder_ffn_dim=64,
        encoder_attention_heads=4,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=64,
        decoder_layers=2,
        decoder_attention_heads=4,
        num_queries=40,
        anchor_image_size=[SIZE_PX[1], SIZE_PX[0]],
        freeze_backbone_batch_norms=False,
    )


@torch.no_grad()
def _awake(kind, configuration, pictures, finished):
    seed()
    model = kind(_configuration(configuration)).eval()
    inference = transformers(model, kind.__name__, LABELS, SIZE_PX, CONFIDENCE, finished)
    batch = torch.cat([inference.preprocess(path).tensor for path in pictures[::4]])
    wake(model, [batch])
    for boxes in model.model.decoder.bbox_embed:
        nn.init.normal_(boxes.layers[-1].weight, std=0.1)
    last = model.model.decoder.class_embed[-1]
    spread(last, model(batch).logits.flatten(0, 1), reach=3.0, middle=-2.0)
    return model, inference, batch


def rt_detr(folder, pictures):
    """As `optimum` and plain exports have it: logits and normalised boxes."""
    from transformers import RTDetrConfig, RTDetrForObjectDetection

    model, inference, batch = _awake(RTDetrForObjectDetection, RTDetrConfig, pictures, finished=False)
    export_by_trace(
        Answers(model),
        batch[:1],
        fresh(folder) / "model.onnx",
        input_names=["pixel_values"],
        output_names=["logits", "pred_boxes"],
        dynamic_axes={name: {0: "batch_size"} for name in ("pixel_values", "logits", "pred_boxes")},
    )
    write(folder, inference, pictures)


class Answers(nn.Module):
    """Only the two outputs, in their order."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        answer = self.model(pixel_values)
        return answer.logits, answer.pred_boxes


def d_fine(folder, pictures):
    """As the authors export it for use: with the picture's size as a second input."""
    from transformers import DFineConfig, DFineForObjectDetection

    model, inference, batch = _awake(DFineForObjectDetection, DFineConfig, pictures, finished=True)
    names = ["labels", "boxes", "scores"]
    export_by_trace(
        Deploy(model),
        (batch[:1], torch.tensor([SIZE_PX])),
        fresh(folder) / "model.onnx",
        input_names=["images", "orig_target_sizes"],
        output_names=names,
        dynamic_axes={name: {0: "N"} for name in ["images", "orig_target_sizes"]},
    )
    write(folder, inference, pictures)
