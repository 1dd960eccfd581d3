"""The options that several commands of the center share."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HUB", help="the center's folder")]
