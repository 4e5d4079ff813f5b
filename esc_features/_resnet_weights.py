"""Weights of torchvision's ResNet18, by name or from a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from .exceptions import DownloadError


def find_resnet18_weights(weights: str | os.PathLike) -> Path:
    """Return the file of weights that are given by name or path; by name, download it to torch's cache if needed."""
    from torchvision.models import ResNet18_Weights

    if isinstance(weights, str) and weights in ResNet18_Weights.__members__:
        return _cached(ResNet18_Weights[weights].url, weights)
    if not isinstance(weights, (str, os.PathLike)):
        raise ValueError(f"weights must be a name such as 'IMAGENET1K_V1' or the path of a file, not {weights!r}.")
    path = Path(weights)
    if not path.is_file():
        raise ValueError(
            f"weights={str(weights)!r} is neither a file nor a name of weights in torchvision: "
            f"use {', '.join(ResNet18_Weights.__members__)} or a path."
        )
    return path


def load_resnet18_backbone(network: Any, path: Path, assign: bool = False) -> None:
    """Load the weights in a file into a resnet18, except for the last layer; raise ValueError if they do not fit."""
    try:
        missing, unexpected = network.load_state_dict(_read_backbone(path), strict=False, assign=assign)
    except RuntimeError as error:  # a shape is wrong
        reason = " ".join(str(error).splitlines()[1:2]).strip()
        raise ValueError(f"{path} holds no weights of a torchvision resnet18: {reason}") from error
    missing = [name for name in missing if not name.startswith("fc.")]
    if missing or unexpected:
        raise ValueError(
            f"{path} holds no weights of a torchvision resnet18: missing are {missing[:3]}, unexpected are "
            f"{unexpected[:3]}. Save the state_dict() of one."
        )


def _read_backbone(path: Path) -> dict[str, Any]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # depending on the bytes, torch raises errors of pickle, zip and others
        # Torch's own message advises reading the file unsafely, so it is not passed on.
        raise ValueError(
            f"{path} holds no weights that torch can read safely ({type(error).__name__}): save the state_dict() of a "
            "torchvision resnet18 with torch.save."
        ) from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}: save the state_dict() of a torchvision resnet18.")
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def _cached(url, name):
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The name of the file contains its digest: resnet18-f37072fd.pth.
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
    except (OSError, RuntimeError) as error:  # RuntimeError: the digest is wrong
        raise DownloadError(
            f"The weights {name} of torchvision's resnet18 cannot be downloaded ({error}). Download {url} on another "
            f"machine and copy it to {path}, or give its path: weights='path/to/{path.name}'."
        ) from error
    return path
