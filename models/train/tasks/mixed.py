"""Masks learnt from some real pictures and some rendered ones: the same network whatever the mixture."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

import losses
from data import augment, renders
from networks.shipping import ClassMaps
from networks.small_unet import UNet
from tasks.segment import Segment


class Enlarged(nn.Module):
    """The small U-Net with its answer at the input's resolution."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(self.unet(x), scale_factor=2.0, mode="bilinear", align_corners=False)


@lru_cache(maxsize=1)  # all arms of a comparison share them
def drawn(scene_name: str, n_parts: int, size_px: tuple[int, int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The first `n_parts` rendered pictures for training, classes in turn, and their masks, both at the network's size."""
    scene, images, masks = renders.render.load_scene(scene_name), [], []
    for index, seed in enumerate(renders.render.SEEDS["train"][:n_parts]):
        part = scene.draw(np.random.default_rng(seed), [scene.CLASSES[index % len(scene.CLASSES)]], [])
        image = cv2.resize(part.image, size_px, interpolation=cv2.INTER_LINEAR)
        images.append(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB))
        masks.append(cv2.resize(part.mask, size_px, interpolation=cv2.INTER_NEAREST))
    return images, masks


class Mixed(Segment):
    """`[mix]` says how many real pictures teach (0: all) and which share of a batch is rendered, at first and at last."""

    words = "A light U-Net from random weights"

    def __init__(self, settings: dict):
        super().__init__(settings)
        mix, training = settings["mix"], settings["training"]
        n_real = mix["n_real"] or len(self.train.names)
        # The choice follows the seed, so that a few pictures that happen to be good ones do not decide.
        self.chosen = np.random.default_rng(training["seed"]).permutation(len(self.train.names))[:n_real]
        self.rendered_share = mix["rendered_share"]
        if any(self.rendered_share):
            self.drawn_images, self.drawn_masks = drawn(mix["scene"], mix["n_rendered"], self.size_px)
        # The same weights in every arm: what is frequent in the renders must not decide how much a class counts.
        self.weights = torch.tensor(training["class_weights"])

    def data_digest(self) -> str:
        digest = hashlib.sha256("\n".join(self.train.names[number] for number in self.chosen).encode())
        if any(self.rendered_share):
            digest.update(renders.renderer_digest(self.settings["mix"]["scene"], *self.size_px).encode())
        return digest.hexdigest()[:12]

    def network(self) -> nn.Module:
        return UNet(3, len(self.labels), tuple(self.settings["network"]["channels"]))

    def shipped(self, network: nn.Module) -> nn.Module:
        return ClassMaps(Enlarged(network))

    def rounds(self) -> list[int]:
        return [self.settings["training"]["steps"]]

    def validate_every(self) -> int:
        return self.settings["training"]["validate_every"]

    def n_rendered(self, step: int) -> int:
        """How many pictures of a step's batch are rendered."""
        first, last = self.rendered_share
        return round(self.settings["training"]["batch"] * (first + (last - first) * step / sum(self.rounds())))

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng, settings, n = self.rng(step), self.settings["augment"], self.settings["training"]["batch"]
        n_rendered = self.n_rendered(step)
        sources = [(self.drawn_images, self.drawn_masks, number)
                   for number in (rng.integers(len(self.drawn_images), size=n_rendered) if n_rendered else [])]
        sources += [(self.train.images, self.masks, number) for number in rng.choice(self.chosen, n - n_rendered)]
        images, masks = [], []
        for source_images, source_masks, number in sources:
            matrix = augment.affine(rng, self.size_px, settings)
            images.append(self.light(rng, augment.warp(source_images[number], matrix, self.size_px, mirrored_border=True)))
            masks.append(augment.warp(source_masks[number], matrix, self.size_px, mirrored_border=True))
        return self.tensor(images), torch.from_numpy(np.stack(masks).astype(np.int64))

    def loss(self, answer: torch.Tensor, truth: torch.Tensor, progress: float) -> torch.Tensor:
        # At half the resolution, where the network answers: the loss at the full one would cost a third more.
        return losses.map_loss(answer.float(), truth[:, ::2, ::2].to(answer.device), self.weights.to(answer.device))
