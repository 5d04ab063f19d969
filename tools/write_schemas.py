"""Write the JSON Schemas of all file formats anew, where they are shipped.

python tools/write_schemas.py
"""

from onnxcausal.analysis.comparing import comparison
from onnxcausal.analysis.formats import (
    analysis_file,
    compression,
    evaluation,
    inspection_file,
    masks,
    side_effects,
    verification,
)
from onnxcausal.analysis.formats.record import SCHEMAS

FORMATS = (analysis_file, comparison, compression, evaluation, inspection_file, masks, side_effects, verification)


def main() -> None:
    """Write them."""
    for module in FORMATS:
        (SCHEMAS / module.SCHEMA_FILE).write_text(module.schema())


if __name__ == "__main__":
    main()
