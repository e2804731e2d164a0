"""RT-DETR and D-FINE as the transformers package has them, with its image processor."""

import torch
from PIL import Image

from . import SCORE_MIN, Inference, Prepared, about, preparation


class Deploy(torch.nn.Module):
    """What the authors of RT-DETR and D-FINE export: the answer is finished inside the graph.

    `orig_target_sizes` [n, 2] is width and height of the picture that the boxes are meant for.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images, orig_target_sizes):
        answer = self.model(images)
        scores = answer.logits.sigmoid()
        classes, queries = scores.shape[2], scores.shape[1]
        best, at = scores.flatten(1).topk(queries, dim=1)
        x, y, width, height = answer.pred_boxes.unbind(2)
        corners = torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 2)
        corners = corners * orig_target_sizes.repeat(1, 2).unsqueeze(1)
        boxes = corners.gather(1, (at // classes).unsqueeze(2).expand(-1, -1, 4))
        return at % classes, boxes, best


def transformers(model, name, labels, size_px, confidence=0.5, finished=False):
    """`finished`: the graph is `Deploy`, told the size of its input; else logits and boxes."""
    from transformers import RTDetrImageProcessor

    width, height = size_px
    processor = RTDetrImageProcessor(size={"width": width, "height": height})
    prepared = preparation(size_px, "stretch", "linear_antialias_torch")
    deployed = Deploy(model.eval())

    def preprocess(path):
        picture = Image.open(path).convert("RGB")
        return Prepared(processor(picture, return_tensors="pt")["pixel_values"], picture.size)

    @torch.no_grad()
    def predict(given):
        answer = model(given.tensor)
        final = processor.post_process_object_detection(answer, SCORE_MIN, [given.back[::-1]])[0]
        final = {f"answer.{key}": value.numpy() for key, value in final.items()}
        if not finished:
            return {"logits": answer.logits.numpy(), "pred_boxes": answer.pred_boxes.numpy()} | final
        labels, boxes, scores = deployed(given.tensor, torch.tensor([size_px]))
        return {"labels": labels.numpy(), "boxes": boxes.numpy(), "scores": scores.numpy()} | final

    told = about("transformers", name, labels, prepared, confidence_threshold=confidence)
    return Inference(preprocess, predict, told)
