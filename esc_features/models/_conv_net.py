"""The convolutional network of the course."""

from __future__ import annotations

import torch
from torch import nn


class ConvNet(nn.Module):
    """Classify spectrograms with four convolutions, each followed by max-pooling, and a linear layer.

    For 4 classes and spectrograms of 128 bands by 157 frames it has 134,020 parameters, most of them in the
    convolutions. Any other shape works: a dimension that is down to 1 is not halved further.

    Parameters
    ----------
    n_classes : int, default=4
        Number of outputs.
    input_shape : tuple of int, default=(128, 157)
        Bands and frames of a spectrogram.
    dropout : float, default=0.0
        Fraction of the last layer's inputs that is dropped during training.

    Examples
    --------
    >>> import torch
    >>> from esc_features.models import ConvNet
    >>> net = ConvNet(n_classes=4, input_shape=(128, 157))
    >>> sum(parameter.numel() for parameter in net.parameters())
    134020
    >>> net(torch.zeros(2, 128, 157)).shape
    torch.Size([2, 4])
    """

    def __init__(self, n_classes: int = 4, input_shape: tuple[int, int] = (128, 157), dropout: float = 0.0):
        super().__init__()
        bands, frames = input_shape
        # It learns no parameters, and turns decibels into numbers around zero, whatever the feature's reference is.
        # Its statistics are the mean over all batches (momentum=None): the data do not drift as weights do.
        self.scale = nn.BatchNorm2d(1, affine=False, momentum=None)
        blocks, channels = [], 1
        for filters in (16, 32, 64, 128):
            pooling = (min(2, bands), min(2, frames))
            # The rectifier after the pooling gives the same as before it, for a quarter of the work.
            blocks += [nn.Conv2d(channels, filters, kernel_size=3, padding=1), nn.MaxPool2d(pooling), nn.ReLU()]
            channels, bands, frames = filters, bands // pooling[0], frames // pooling[1]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * bands * frames, n_classes)
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU

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
        x = self.blocks(self.scale(spectrograms.unsqueeze(1)))
        return self.linear(self.dropout(x.flatten(1)))
