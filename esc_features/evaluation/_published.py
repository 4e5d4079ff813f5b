"""Published accuracies, shown with measured ones on the official data sets only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published accuracy in percent, the mean over the five official folds.

    Parameters
    ----------
    what : str
        The method and its paper.
    esc10, esc50 : float or None
        The accuracy; None if it was not published, or not found.
    pretraining : str
        What it was pretrained on.
    test_folds : str
        How the reported folds were used during development.
    """

    what: str
    esc10: float | None
    esc50: float | None
    pretraining: str
    test_folds: str

    def on(self, dataset: str) -> float | None:
        """Return the accuracy on "esc10" or "esc50"."""
        return self.esc10 if dataset == "esc10" else self.esc50


_UNKNOWN = "not stated"
_ONLY_SCORED = "only scored"
_CHOSE_EPOCH = "chose the epoch, in the released trainer"

PUBLISHED = (
    Published("human listeners (Piczak 2015)", 95.7, 81.3, "", "no training"),
    Published("k-NN on MFCC (Piczak 2015)", 66.7, 32.2, "none", _ONLY_SCORED),
    Published("linear SVM on MFCC (Piczak 2015)", 67.5, 39.6, "none", _ONLY_SCORED),
    Published("random forest on MFCC (Piczak 2015)", 72.7, 44.3, "none", _ONLY_SCORED),
    Published("CNN on log-mel (Piczak 2015b)", None, 64.5, "none", _UNKNOWN),
    Published("CNN on log-mel + batch norm (Tokozume 2018)", None, 72.4, "none", _ONLY_SCORED),
    Published("CNN on log-mel + between-class learning (Tokozume 2018)", None, 76.9, "none", _ONLY_SCORED),
    Published("EnvNet-v2 (Tokozume 2018)", None, 74.4, "none", _ONLY_SCORED),
    Published("EnvNet-v2 + augmentation (Tokozume 2018)", None, 78.8, "none", _ONLY_SCORED),
    Published("EnvNet + between-class learning (Tokozume 2018)", 88.7, None, "none", _ONLY_SCORED),
    Published("EnvNet-v2 + between-class learning (Tokozume 2018)", 89.4, 81.8, "none", _ONLY_SCORED),
    Published("EnvNet-v2 + augmentation + between-class learning (Tokozume 2018)", 91.4, 84.9, "none", _ONLY_SCORED),
    Published("AclNet, 155 k parameters (Huang 2018)", None, 81.75, "none", _UNKNOWN),
    Published("AclNet (Huang 2018)", None, 85.65, "none", _UNKNOWN),
    Published("ConvRBM + GTSC + mel, fused (Sailor 2017)", None, 86.5, "none", _UNKNOWN),
    Published("ACDNet (Mohaimenuzzaman 2021)", None, 87.1, "none", _CHOSE_EPOCH),
    Published("ensemble of CNNs (Nanni 2020)", None, 88.65, "not checked", _UNKNOWN),
    Published("EAT-S (Gazneli 2022)", None, 92.15, "none", _CHOSE_EPOCH),
    Published("ResNet-34 on log-mel (mez.sh, a blog)", None, 80.5, "none", _UNKNOWN),
    Published("ResNet-34 on log-mel, test-time augmentation (mez.sh, a blog)", None, 83.5, "none", _UNKNOWN),
    Published("SoundNet-8 (Aytar 2016)", None, 74.2, "videos", _UNKNOWN),
    Published("L3 (Arandjelović 2017)", None, 79.3, "videos", _UNKNOWN),
    Published("Wav2CLIP (2022)", None, 85.95, "VGGSound", _UNKNOWN),
    Published("ESResNet (Guzhov 2020)", 97.0, 91.5, "ImageNet", "chose the epoch, in a released configuration"),
    Published("ensemble of DenseNets (Palanisamy 2020)", None, 92.89, "ImageNet", "reported as validation folds"),
    Published("Kumar 2020", None, 94.1, "AudioSet", _UNKNOWN),
    Published("AST (Gong 2021)", None, 95.7, "ImageNet, AudioSet", _UNKNOWN),
    Published("VIP-ANT (Zhao 2021)", None, 95.7, "images with text, videos", _UNKNOWN),
    Published("CLAP (Elizalde 2022)", None, 96.7, "audio with captions", _UNKNOWN),
    Published("PaSST (Koutini 2022)", None, 96.8, "ImageNet, AudioSet", _UNKNOWN),
    Published("HTS-AT (Chen 2022)", None, 97.0, "AudioSet", _UNKNOWN),
    Published("AudioMAE (Huang 2022)", None, 97.4, "AudioSet", _UNKNOWN),
    Published("BEATs (Chen 2022)", None, 98.1, "AudioSet", _UNKNOWN),
)
# In the figure, where thirty lines would be illegible.
_LANDMARKS = ("human", "EnvNet-v2 + augmentation + between", "EAT-S", "ESResNet", "BEATs")


def published_for(dataset: str | None) -> list[Published]:
    """Return the published results for an official data set, best first; nothing for any other."""
    if dataset not in ("esc10", "esc50"):
        return []
    rows = [row for row in PUBLISHED if row.on(dataset) is not None]
    return sorted(rows, key=lambda row: -(row.on(dataset) or 0))


def landmarks_for(dataset: str | None) -> list[Published]:
    """Return the few of them that a figure shows."""
    return [row for row in published_for(dataset) if row.what.startswith(_LANDMARKS)]
