"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ResultsOption = Annotated[
    Path | None, typer.Option(help="Results folder. Default: $BENCHBED_RESULTS, else ./results.")
]
DataRootOption = Annotated[
    Path | None, typer.Option(help="Folder with the real data. Default: $BENCHBED_DATA.")
]
DeviceOption = Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:N.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunArgument = Annotated[str, typer.Argument(help="Run name or unique prefix.")]
