"""Forward passes of torch networks on the CPU whose bits do not depend on the settings of torch. Imports torch."""

import contextlib
import functools

import torch
from threadpoolctl import ThreadpoolController
from torch.overrides import TorchFunctionMode


@contextlib.contextmanager
def steady_forward():
    """Let torch compute in the calling thread only, with one library; other threads keep their settings.

    With another number of threads, sums are computed in another order and the last digits differ; and an extraction
    has one worker per core anyway.
    """
    torch.get_num_threads()  # the first call in a thread sets its number, so it must come before the limit
    with torch.inference_mode(), _openmp().limit(limits=1, user_api="openmp"), _OneLibrary():
        yield


class _OneLibrary(TorchFunctionMode):
    """Computes convolutions with oneDNN only.

    Torch computes small ones with MKL instead, whose number of threads can be set only for the whole process.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.nn.functional.conv2d and torch.backends.mkldnn.is_available():
            return _conv2d(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _conv2d(image, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    return torch.mkldnn_convolution(image, weight, bias, padding, stride, dilation, groups)


@functools.lru_cache(maxsize=1)
def _openmp():
    return ThreadpoolController()
