"""The lower bounds of pyproject.toml, as constraints for pip: the oldest versions supported.

Those of torch, numpy and pandas, which change most. The others come in the newest versions that
go with them.
"""

import re
import tomllib
from pathlib import Path

PINNED = ("numpy", "pandas", "torch", "torchvision")

with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
    dependencies = tomllib.load(file)["project"]["dependencies"]
for requirement in dependencies:
    name, version = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
    if name in PINNED:
        print(f"{name}=={version}.*")
