"""How a study picks its variables from the CDM, each by its standard: one file per family of kinds.

The site's half of a kind is its reader in `site_node/study_table/readers`, in the file of the same family.
"""

from collections.abc import Mapping
from typing import Annotated, get_args

from pydantic import Field

from protocols.core.variables import clinical, genomic
from protocols.core.variables.clinical import Clinical, Measurement, Occurrence
from protocols.core.variables.genomic import Genomic
from protocols.core.variables.imaging import Imaging, Scanner
from protocols.core.variables.outcome import Outcome, Survival
from protocols.core.variables.variable import Column, ConceptCode, GeneSymbol, Name, VariableKind, Window

__all__ = [
    "KINDS",
    "Column",
    "ConceptCode",
    "Dated",
    "GeneSymbol",
    "Measurement",
    "Name",
    "Occurrence",
    "Scanner",
    "Survival",
    "Variable",
    "VariableKind",
    "Window",
    "check_changing",
    "kind_of",
]

AnyVariable = Clinical | Genomic | Imaging | Outcome

Variable = Annotated[AnyVariable, Field(discriminator="kind")]

Dated = clinical.Dated | genomic.Dated
"""Variables that are made of dated records, so that they can change over a follow-up."""


def kind_of(variable: type[VariableKind]) -> str:
    """The word that a study writes for a kind: `age`."""
    (word,) = get_args(variable.model_fields["kind"].annotation)
    return str(word)


KINDS: Mapping[str, type[VariableKind]] = {kind_of(one): one for one in get_args(AnyVariable)}


def check_changing(variables: Mapping[str, VariableKind]) -> None:
    """Raises unless what survival variables name as changing can change.

    Raises:
        ValueError: for pydantic; names both variables and the way out.
    """
    for outcome, survival in variables.items():
        for name in survival.changing if isinstance(survival, Survival) else ():
            variable = variables.get(name)
            if not isinstance(variable, Dated):
                *words, last = (kind_of(one) for one in get_args(Dated))
                raise ValueError(
                    f"{outcome}: {name} is not a variable of dated records; "
                    f"`changing` accepts {', '.join(words)} and {last}"
                )
            if not isinstance(variable, Occurrence) and variable.pick != "last":
                raise ValueError(f"{outcome}: {name} changes, so its `pick` is last: the last value holds")
