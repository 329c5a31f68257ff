"""Draw the README's two pictures by running the README's example."""

import os
import re
from pathlib import Path

docs = Path(__file__).resolve().parent
[example] = re.findall(r"```python\n(.*?)```", (docs.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
(docs / "images").mkdir(exist_ok=True)
os.chdir(docs / "images")
exec(example)
