"""Slaney's mel scale, as in ``librosa.hz_to_mel``: linear up to 1000 Hz (15 mel), then 27 mel per factor of 6.4."""

import numpy as np

_LINEAR = 200 / 3
_LOG = np.log(6.4) / 27


def hz_to_mel(frequency):
    frequency = np.asarray(frequency, float)
    return np.where(frequency < 1000, frequency / _LINEAR, 15 + np.log(np.maximum(frequency, 1000) / 1000) / _LOG)


def mel_to_hz(mel):
    mel = np.asarray(mel, float)
    return np.where(mel < 15, mel * _LINEAR, 1000 * np.exp(_LOG * (mel - 15)))
