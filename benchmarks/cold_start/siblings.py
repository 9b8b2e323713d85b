"""Makes the modules of benchmarks/accuracy importable, for whoever imports this first."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))
