"""What people read of queries."""

from typing import Any

from server.actions.queries import QueryAnswer, QueryRow

Row = dict[str, Any]

TOO_FEW = "too few"


def answer(query: QueryAnswer) -> list[Row]:
    """One row per site, group and variable; empty where nothing was told."""
    return [_query_row(row) for row in query.rows]


def _query_row(row: QueryRow) -> Row:
    if row.withheld:
        return {
            "site": row.site,
            "group": "",
            "variable": f"withheld: {row.withheld}",
            **dict.fromkeys(("n", "missing", "mean", "sd"), ""),
        }
    return {
        "site": row.site,
        "group": row.group,
        "variable": row.variable,
        "n": TOO_FEW if row.people is None else row.people,
        "missing": TOO_FEW if row.missing is None else row.missing,
        "mean": "" if row.mean is None else round(row.mean, 4),
        "sd": "" if row.sd is None else round(row.sd, 4),
    }
