"""Two epochs of the course's ConvNet: the estimator fitted from the store, compared with a bare PyTorch loop in RAM."""

from ._measure import compare, interleave

EPOCHS, BATCH = 2, 32


def run(material):
    import torch
    from torch import nn

    from esc_features.models import ConvNet, ConvNetClassifier

    X = material.small_store["mel"]
    X = X[X.folds == 1] if material.quick else X[X.folds <= 3]
    target = X.target
    classes = len(set(target.tolist()))
    codes = torch.from_numpy(_codes(target))
    in_memory = torch.from_numpy(X.to_numpy())

    def bare_loop():
        torch.manual_seed(0)
        module = ConvNet(n_classes=classes)
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
        criterion = nn.CrossEntropyLoss()
        module(in_memory[:2])  # initialises lazy layers, if any
        module.train()
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(in_memory)).split(BATCH):
                optimizer.zero_grad()
                loss = criterion(module(in_memory[rows]), codes[rows])
                loss.backward()
                optimizer.step()
                loss.item()

    def estimator():
        ConvNetClassifier(max_epochs=EPOCHS, batch_size=BATCH, random_state=0, verbose=0).fit(X, target)

    times = interleave({"bare PyTorch loop (reference)": bare_loop, "ConvNetClassifier from the store": estimator},
                       2 if material.quick else 5)  # fmt: skip
    title = f"fit, {len(X)} clips, {EPOCHS} epochs"
    return compare(title, times, "bare PyTorch loop (reference)", 1, "s")


def _codes(target):
    import numpy as np

    return np.unique(target, return_inverse=True)[1]
