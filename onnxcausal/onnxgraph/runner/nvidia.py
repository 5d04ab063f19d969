"""NVIDIA devices and the libraries that ONNX Runtime needs for them."""

import contextlib
import ctypes
import io
import sys
from functools import cache

import onnxruntime as ort

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
"""The driver's library."""


@cache
def nvidia_devices() -> int:
    """Return how many NVIDIA devices this process may use, as the driver says; 0 without a driver.

    ONNX Runtime lists the devices of those providers alone that are built in or plugged in; CUDA is neither.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    told = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    return 0 if told else count.value


@cache
def load_libraries() -> None:
    """Load CUDA and cuDNN from where pip puts them, in which ONNX Runtime does not look of itself."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
        ort.preload_dlls()
