"""Class numbers 0 to n-1, as loss functions require them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ._table import categories_of


def category_numbers(clips: pd.DataFrame | Iterable[str]) -> dict[str, int]:
    """Number the categories of clips from 0 without gaps, in sorted order.

    Use it for loss functions of PyTorch: they require consecutive class numbers, and `target`, the number in the whole
    data set, has gaps in a subset such as ESC-10. The order is that of `classes_` in scikit-learn. (The `categories` of
    a store are in the order of `target`, and `Store.torch` numbers by them.)

    Parameters
    ----------
    clips : DataFrame or iterable of str
        A clip table, or the categories of clips, such as `store.y`.

    Returns
    -------
    dict of str to int
        Maps each category to its number, in sorted order.

    Examples
    --------
    >>> from esc_features.datasets import category_numbers, make_demo
    >>> clips = make_demo()
    >>> numbers = category_numbers(clips[clips["category"].isin(["rain", "siren", "dog"])])
    >>> numbers
    {'dog': 0, 'rain': 1, 'siren': 2}
    >>> y = clips["category"].map(numbers)
    """
    names = categories_of(clips) if isinstance(clips, pd.DataFrame) else sorted({str(name) for name in clips})
    return {name: number for number, name in enumerate(names)}
