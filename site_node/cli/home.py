"""The option that every command of a site has."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder")]
