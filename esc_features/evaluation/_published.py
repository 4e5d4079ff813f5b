"""Published accuracies, to stand beside measured ones; in percent, mean over the five official folds."""

# (what, on ESC-10, on ESC-50, pretraining); None where it was not published or not found.
PUBLISHED: tuple[tuple[str, float | None, float | None, str], ...] = (
    ("human listeners (Piczak 2015)", 95.7, 81.3, ""),
    ("k-NN on MFCC (Piczak 2015)", 66.7, 32.2, "none"),
    ("linear SVM on MFCC (Piczak 2015)", 67.5, 39.6, "none"),
    ("random forest on MFCC (Piczak 2015)", 72.7, 44.3, "none"),
    ("EnvNet-v2 + between-class learning (2018), best from scratch on ESC-10", 91.4, 84.9, "none"),
    ("ACDNet (2021), best single net from scratch; its trainer selects on the test fold", None, 87.1, "none"),
    ("ESResNet (2020)", 97.0, 91.5, "ImageNet"),
    ("BEATs (2022), best pretrained", None, 98.1, "AudioSet"),
)


def published_rows(dataset: str) -> list[tuple[str, float, str]]:
    """Return (what, accuracy in percent, pretraining) of those published for a data set; none for other data sets."""
    if dataset not in ("esc10", "esc50"):
        return []
    rows = [(what, esc10 if dataset == "esc10" else esc50, before) for what, esc10, esc50, before in PUBLISHED]
    return [(what, accuracy, pretraining) for what, accuracy, pretraining in rows if accuracy is not None]
