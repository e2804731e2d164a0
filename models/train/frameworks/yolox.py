"""YOLOX: its own letterbox in the upper left corner, BGR 0 to 255, its own suppression."""

import cv2
import torch

from . import SCORE_MIN, Inference, Prepared, about, boxes_answer, preparation


def yolox(model, name, labels, size_px, confidence=0.5, iou=0.45, output="output"):
    """`model.head.decode_in_inference` says whether the graph's rows are boxes or raw grid cells."""
    from yolox.data.data_augment import preproc
    from yolox.utils import postprocess

    width, height = size_px
    prepared = preparation(
        size_px, "letterbox_top_left", "linear", scale=(1, 1, 1), rgb=False, pad_value=114
    )
    model.eval()

    def preprocess(path):
        tensor, ratio = preproc(cv2.imread(str(path)), (height, width))
        return Prepared(torch.from_numpy(tensor)[None], torch.full((4,), 1 / ratio))

    @torch.no_grad()
    def predict(given):
        raw = model(given.tensor)
        rows = raw.clone()
        if not model.head.decode_in_inference:
            rows = model.head.decode_outputs(rows, dtype=rows.type())
        kept = postprocess(rows, len(labels), SCORE_MIN, iou, class_agnostic=False)[0]
        kept = torch.zeros(0, 7) if kept is None else kept
        return {output: raw.numpy()} | boxes_answer(kept[:, :4], kept[:, 4] * kept[:, 5], kept[:, 6], given.back)

    told = about("yolox", name, labels, prepared, confidence_threshold=confidence, iou_threshold=iou)
    return Inference(preprocess, predict, told)
