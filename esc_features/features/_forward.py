"""Forward passes of torch networks on the CPU that give the same bits however torch is set up. Imports torch."""

import contextlib
import functools

import torch
from threadpoolctl import ThreadpoolController
from torch.overrides import TorchFunctionMode


@contextlib.contextmanager
def steady_forward():
    """Let torch compute in the calling thread alone and by one library; other threads keep their settings.

    With another number of threads, sums are computed in another order and the last digits differ; and an extraction has
    one worker per core anyway.
    """
    torch.get_num_threads()  # a thread's first call sets its number: not after this
    with torch.inference_mode(), _openmp().limit(limits=1, user_api="openmp"), _OneLibrary():
        yield


class _OneLibrary(TorchFunctionMode):
    """Convolutions by oneDNN only.

    Torch gives small ones to MKL instead, whose number of threads can be set for the whole process only.
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
