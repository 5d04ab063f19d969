"""How often a JPEG file goes over its picture: each scan takes the time of all its pixels, however few bytes it has."""

import re

START, STARTS_SCAN, ENDS = b"\xff\xd8", 0xDA, 0xD9
MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
"""What begins a segment, or ends the picture; what stands within a scan is none."""


def scans_of(content: bytes) -> int:
    r"""Return how many scans a file has up to its picture's end; 0 where it is no JPEG file.

    >>> scan = b"\xff\xda\x00\x02 \xff\x00 \xff\xd0 "
    >>> scans_of(b"\xff\xd8" + 3 * scan + b"\xff\xd9" + scan)
    3
    """
    if not content.startswith(START):
        return 0
    place, found = len(START), 0
    while (marker := MARKER.search(content, place)) and marker[1][0] != ENDS:
        found += marker[1][0] == STARTS_SCAN
        place = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return found
