"""`shadowgraph query`: counts and summaries over the consortium, under the sites' standing approvals."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from server.cli.options import Home

app = typer.Typer(add_completion=False)


@app.command()
def query(
    cohort: Annotated[str, typer.Argument(help="a cohort file, or DOMAIN:VOCABULARY:CODE")],
    variables: Annotated[
        str, typer.Option(help="with commas: age, female, gene:IDH1, LOINC:89243-0 (a measurement)")
    ] = "age,female",
    by: Annotated[str, typer.Option(help="a variable with two values, to make two groups")] = "",
    site: Annotated[list[str] | None, typer.Option(help="ask this site only; may be repeated")] = None,
    home: Home = Path("."),
) -> Output[Any]:
    """Count and summarize a cohort under the standing approvals.

    Example: shadowgraph query "condition:ICD10CM:C71%" --variables age,gene:IDH1 --by female
    """
    from server.actions import queries, runs
    from server.cli.words import queries as words
    from server.cli.words.studies import say

    words_of = [word.strip() for word in variables.split(",") if word.strip()]
    asked = queries.ask(home, cohort, words_of, by=by, sites=site or ())
    say(runs.watch(home, asked.run))
    return Output(queries.answer(home, asked.run), words.answer)
