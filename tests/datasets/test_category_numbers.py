"""category_numbers is what scikit-learn's LabelEncoder finds."""

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder

from esc_features.datasets import category_numbers, load_clips


def test_as_the_label_encoder(demo_folder):
    clips = load_clips(demo_folder).query("category != 'dog'")
    encoder = LabelEncoder().fit(clips["category"])
    for given in (clips, clips["category"], clips["category"].to_numpy(), set(clips["category"])):
        assert category_numbers(given) == {name: number for number, name in enumerate(encoder.classes_.tolist())}
    np.testing.assert_array_equal(clips["category"].map(category_numbers(clips)), encoder.transform(clips["category"]))


def test_labels():
    clips = pd.DataFrame({"filename": ["a", "b"], "labels": [("rain", "dog"), ()]})
    assert category_numbers(clips) == {"dog": 0, "rain": 1}
