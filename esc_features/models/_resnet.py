"""A residual network that was trained on images, with a new last layer."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..exceptions import DownloadError


class ResNet(nn.Module):
    """torchvision's ResNet-18 over spectrograms, with a last layer for other classes.

    A spectrogram is standardised by its own mean and deviation, which is about what the normalised images were that the
    backbone knows, and repeated to three channels. Frozen, the backbone stays as it is altogether: its weights are not
    trained, and its batch-norm statistics do not move, as it is in eval mode also while the last layer is trained.

    Parameters
    ----------
    n_classes : int, default=4
        Number of outputs.
    weights : str, path or None, default="DEFAULT"
        Name of torchvision's weights ("DEFAULT" is "IMAGENET1K_V1"), downloaded once by torchvision; or a file with the
        state of a torchvision ResNet-18; or None for random weights.
    freeze : bool, default=True
        Whether to train the last layer alone.

    Attributes
    ----------
    backbone : torchvision.models.ResNet
        All but the last layer.
    head : torch.nn.Linear
        The last layer.

    Raises
    ------
    DownloadError
        The weights are not on this machine and cannot be downloaded.
    ValueError
        `weights` is neither a name nor a file, or a file of something else.

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
        self.backbone.fc = nn.Identity()
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
            On or off.

        Returns
        -------
        self
        """
        super().train(mode)
        if self.freeze:
            self.backbone.eval()
        return self


def _backbone(weights):
    from torchvision.models import ResNet18_Weights, resnet18

    if weights is None:
        return resnet18(weights=None)
    if weights in ResNet18_Weights.__members__:
        known = ResNet18_Weights[weights]
        try:
            return resnet18(weights=known)
        except OSError as error:
            raise DownloadError(
                f"The weights {weights!r} of ResNet-18 could not be downloaded: {error}. Without a connection: fetch "
                f"{known.url} elsewhere and give the file, weights='path/to/{Path(known.url).name}', or begin with "
                "random weights: weights=None, freeze=False."
            ) from error
    if not Path(weights).is_file():
        raise ValueError(
            f"weights={str(weights)!r} is neither a file nor one of torchvision's: "
            f"{', '.join(ResNet18_Weights.__members__)}. None begins with random weights."
        )
    network = resnet18(weights=None)
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        # The last layer may be for any number of classes: it is replaced.
        state = {name: value for name, value in state.items() if not name.startswith("fc.")}
        missing, unexpected = network.load_state_dict(state, strict=False)
    except Exception as error:
        raise ValueError(f"{weights} does not hold the state of a torchvision ResNet-18: {error}") from error
    missing = [name for name in missing if not name.startswith("fc.")]
    if missing or unexpected:
        raise ValueError(
            f"{weights} does not hold the state of a torchvision ResNet-18: it lacks {missing[:3]} and has "
            f"{unexpected[:3]} too many."
        )
    return network
