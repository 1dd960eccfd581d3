"""`shadowgraph query`: counts and summaries over the consortium, under the sites' standing approvals."""

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)


@app.command()
def query(
    cohort: Annotated[str, typer.Argument(help="a cohort file, or DOMAIN:VOCABULARY:CODE")],
    variables: Annotated[
        str, typer.Option(help="with commas: age, female, gene:IDH1, LOINC:89243-0 (a measurement)")
    ] = "age,female",
    by: Annotated[str, typer.Option(help="a variable with two values, to make two groups")] = "",
    home: Annotated[
        Path, typer.Option("--home", envvar="SHADOWGRAPH_HUB", help="the center's folder")
    ] = Path("."),
) -> list[dict[str, Any]]:
    """Count and summarize a cohort under the standing approvals.

    Example: shadowgraph query "condition:ICD10CM:C71%" --variables age,gene:IDH1 --by female
    """
    import json

    from server.actions.queries import ask, query_study, rows
    from server.actions.runs import watch

    words = [word.strip() for word in variables.split(",") if word.strip()]
    ended = watch(home, ask(home, query_study(cohort, words, by=by)).run)
    return rows(json.loads(ended.outcome or b"{}")["results"])
