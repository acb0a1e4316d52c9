"""Save small random models and what they say of a few images: make_model.py FAMILY FOLDER [FAMILY FOLDER ...].

One call for many families, since importing torch and transformers takes far longer than any of the models.
"""

import sys
from pathlib import Path

from common import save_model

for name, folder in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    save_model(name, Path(folder))
