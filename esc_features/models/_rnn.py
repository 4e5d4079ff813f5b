"""The recurrent network of the course."""

from __future__ import annotations

import torch
from torch import nn


class RNN(nn.Module):
    """Classify waveforms with an LSTM, and two linear layers on its last state.

    Each clip is its own sequence, so that an output never depends on the other clips of the batch. The course's network
    takes the whole waveform as one step; with `frame_length` the waveform is cut into steps, which makes the network
    hundreds of times smaller.

    Parameters
    ----------
    input_size : int, default=80000
        Samples of a clip.
    hidden_size : int, default=16
        Size of the LSTM's state.
    n_classes : int, default=4
        Number of outputs.
    frame_length : int, optional
        Samples per step, the last one padded with zeros; by default the whole clip.

    Raises
    ------
    ValueError
        If `frame_length` is not between 1 and `input_size`.

    Examples
    --------
    >>> import torch
    >>> from esc_features.models import RNN
    >>> net = RNN(input_size=80000, hidden_size=16, n_classes=4)
    >>> sum(parameter.numel() for parameter in net.parameters())
    5121324
    >>> net(torch.zeros(2, 80000)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self, input_size: int = 80000, hidden_size: int = 16, n_classes: int = 4, frame_length: int | None = None
    ):
        super().__init__()
        if frame_length is not None and not 1 <= frame_length <= input_size:
            raise ValueError(f"frame_length must be from 1 to the clip's {input_size} samples, not {frame_length!r}.")
        self.frame_length = frame_length or input_size
        self.lstm = nn.LSTM(self.frame_length, hidden_size, batch_first=True)
        self.linear1 = nn.Linear(hidden_size, 8)
        self.linear2 = nn.Linear(8, n_classes)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Return logits of waveforms.

        Parameters
        ----------
        waveforms : torch.Tensor of shape (clips, samples)
            Full scale is 1.

        Returns
        -------
        torch.Tensor of shape (clips, n_classes)
        """
        missing = -waveforms.shape[1] % self.frame_length
        if missing:
            waveforms = nn.functional.pad(waveforms, (0, missing))
        steps = waveforms.unflatten(1, (-1, self.frame_length))
        _, (state, _) = self.lstm(steps)
        return self.linear2(torch.relu(self.linear1(state[-1])))
