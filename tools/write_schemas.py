"""Write the JSON Schemas of all file formats anew, each beside the module of its format.

python tools/write_schemas.py
"""

from pathlib import Path

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

FORMATS = (analysis_file, comparison, compression, evaluation, inspection_file, masks, side_effects, verification)


def main() -> None:
    """Write them."""
    for module in FORMATS:
        assert module.__file__ is not None
        Path(module.__file__).with_name(module.SCHEMA_FILE).write_text(module.schema())


if __name__ == "__main__":
    main()
