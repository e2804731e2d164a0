"""anomalib 2: its reading of the file, its transform, its network, its normalised scores."""

import torch

from . import Inference, about, preparation


def anomalib(model, name, size_px):
    """What `Engine.predict` does to one picture, and with the outputs that `export` gives."""
    from anomalib.data.utils import read_image
    from torchvision.transforms.v2 import Resize

    width, height = size_px
    resize = Resize((height, width), antialias=True)
    # Resize, mean and deviation are in the graph; at this size its resize changes nothing.
    prepared = preparation(size_px, "stretch", "linear_antialias_exact")
    model.eval()

    def preprocess(path):
        return resize(read_image(path, as_tensor=True))[None]

    @torch.no_grad()
    def predict(tensor):
        answer = model(tensor)
        outputs = {key: value for key, value in answer._asdict().items() if value is not None}
        arrays = {
            key: (value.to(torch.uint8) if value.dtype == torch.bool else value).numpy()
            for key, value in outputs.items()
        }
        final = {"answer.score": answer.pred_score.reshape(1).numpy(), "answer.map": answer.anomaly_map[0, 0].numpy()}
        return arrays | final

    return Inference(preprocess, predict, about("anomalib", name, ["anomaly"], prepared))
