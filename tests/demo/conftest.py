"""The training recipe is not part of the package; these tests import it from its folder."""

import sys
from pathlib import Path

TRAINING = Path(__file__).parents[2] / "training"
sys.path.insert(0, str(TRAINING))
