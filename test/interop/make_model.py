"""Save the small random model of a family and what it says of a few images: make_model.py FAMILY FOLDER [SEED]."""

import sys
from pathlib import Path

from common import save_model

save_model(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:4]))
