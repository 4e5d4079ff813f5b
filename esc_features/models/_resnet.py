"""A residual network that was pretrained on images, with a new last layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from .._resnet_weights import find_resnet18_weights, load_resnet18_backbone
from ..exceptions import DownloadError

if TYPE_CHECKING:
    from torchvision.models import ResNet as ResNet18


class ResNet(nn.Module):
    """Classify spectrograms with torchvision's ResNet-18 and a new last layer.

    Each spectrogram is standardised by its own mean and standard deviation, roughly like the images that the backbone
    was pretrained on, and repeated to three channels. A frozen backbone does not change at all: its weights are not
    trained, and its batch-norm statistics do not move, since it stays in eval mode while the last layer is trained.

    Parameters
    ----------
    n_classes : int, default=4
        Number of outputs.
    weights : str, path or None, default="DEFAULT"
        Name of torchvision's weights ("DEFAULT" is "IMAGENET1K_V1"), downloaded once by torchvision; or a file with the
        state dict of a torchvision ResNet-18; or None for random weights.
    freeze : bool, default=True
        Whether to train only the last layer.

    Attributes
    ----------
    backbone : torchvision.models.ResNet
        All but the last layer.
    head : torch.nn.Linear
        The last layer.

    Raises
    ------
    DownloadError
        If the weights are not on this machine and cannot be downloaded.
    ValueError
        If `weights` is neither a name nor a file, or a file of something else.

    References
    ----------
    K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

    Examples
    --------
    >>> import torch
    >>> from esc_features.models import ResNet
    >>> net = ResNet(n_classes=4, weights=None)
    >>> sum(p.numel() for p in net.parameters()), sum(p.numel() for p in net.parameters() if p.requires_grad)
    (11178564, 2052)
    >>> net(torch.zeros(2, 128, 157)).shape
    torch.Size([2, 4])
    """

    def __init__(self, n_classes: int = 4, weights: str | Path | None = "DEFAULT", freeze: bool = True):
        super().__init__()
        self.freeze = freeze
        self.backbone = _backbone(weights)
        self.head = nn.Linear(self.backbone.fc.in_features, n_classes)
        self.backbone.fc = nn.Identity()  # type: ignore[assignment]
        if freeze:
            self.backbone.requires_grad_(False)
        self.train()

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Return logits of spectrograms.

        Parameters
        ----------
        spectrograms : torch.Tensor of shape (clips, bands, frames)
            In decibels, or standardised.

        Returns
        -------
        torch.Tensor of shape (clips, n_classes)
        """
        deviation, mean = torch.std_mean(spectrograms, dim=(1, 2), keepdim=True)
        images = ((spectrograms - mean) / (deviation + 1e-6)).unsqueeze(1).expand(-1, 3, -1, -1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze):
            embedding = self.backbone(images)
        return self.head(embedding)

    def train(self, mode: bool = True) -> ResNet:
        """Switch training mode on or off; a frozen backbone stays in eval mode.

        Parameters
        ----------
        mode : bool, default=True
            Whether to switch it on.

        Returns
        -------
        self
        """
        super().train(mode)
        if self.freeze:
            self.backbone.eval()
        return self


def _backbone(weights: str | Path | None) -> ResNet18:
    from torchvision.models import resnet18

    if weights is None:
        return resnet18(weights=None)
    try:
        path = find_resnet18_weights(weights)
    except (DownloadError, ValueError) as error:
        raise type(error)(f"{error} To begin with random weights, use weights=None, freeze=False.") from error
    network = resnet18(weights=None)
    load_resnet18_backbone(network, path)
    return network
