"""NVIDIA devices, as their driver knows them: ONNX Runtime lists those alone that are built in or plugged in."""

import ctypes
import sys
from functools import cache

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
"""The driver's library. Its functions return 0 where they succeed."""


@cache
def nvidia_devices() -> int:
    """Return how many NVIDIA devices this process may use; 0 without a driver that works."""
    library = driver()
    count = ctypes.c_int(0)
    if library is None or library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def free_device_memory(device: int) -> int | None:
    """Return the free bytes of a device, by its number in this process; None where the driver does not tell."""
    library = driver()
    if library is None or not 0 <= device < nvidia_devices():
        return None
    handle, context = ctypes.c_int(0), ctypes.c_void_p()
    if library.cuDeviceGet(ctypes.byref(handle), device):
        return None
    # The context that sessions on the device share.
    if library.cuDevicePrimaryCtxRetain(ctypes.byref(context), handle):
        return None
    try:
        return _free_in(library, context)
    finally:
        library.cuDevicePrimaryCtxRelease_v2(handle)


@cache
def driver() -> ctypes.CDLL | None:
    """Return the driver's library; None where there is none."""
    try:
        return ctypes.CDLL(DRIVER)
    except OSError:
        return None


def _free_in(library: ctypes.CDLL, context: ctypes.c_void_p) -> int | None:
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    if library.cuCtxPushCurrent_v2(context):
        return None
    told = library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    library.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    return None if told else free.value
