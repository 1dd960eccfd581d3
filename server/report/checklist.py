"""Reporting checklists, filled where the study knows the answer: STROBE, and TRIPOD+AI for predictions.

References: von Elm et al., Lancet 370 (2007) 1453 (STROBE, cohort studies); Collins et al., BMJ 385 (2024)
e078378 (TRIPOD+AI). The items are paraphrased; the numbers are theirs.
"""

from collections.abc import Callable

from markupsafe import Markup

from protocols.core.study import Study
from protocols.core.wording import listed
from protocols.exchange.rounds import Outcome
from server.report import blocks
from server.report.blocks import Section
from server.report.study_facts import NOT_STATED, Known

Answer = Callable[[Known], str]
Item = tuple[str, str, Answer]

VALIDATES = frozenset({"discrimination", "survival_validation", "decision_curve", "survival_decision_curve"})
MODELS = frozenset({"cox", "logistic", "penalized_logistic", "glm", "forest", "boosting", "neural", "fusion"})
DESCRIBES = frozenset({"summary", "quantiles", "histogram"})
HARMONIZES = frozenset({"combat", "covbat"})
BY_GROUP = frozenset({"kaplan_meier", "log_rank"})


def checklists(study: Study, outcome: Outcome) -> Section:
    """The checklists that fit the study; what it does not know is "not stated"."""
    known = Known(study, outcome)
    drawn = [
        blocks.text(
            f"Filled from the study and its results. “{NOT_STATED}” is for the authors to write.",
            "note",
        ),
        blocks.opening("STROBE, cohort studies", [_table(STROBE, known)]),
    ]
    if known.titles(VALIDATES):
        drawn.append(blocks.opening("TRIPOD+AI, prediction models", [_table(TRIPOD, known)]))
    return Section("Reporting checklists", drawn)


def _table(items: tuple[Item, ...], known: Known) -> Markup:
    rows = [(number, item, answer(known) or NOT_STATED) for number, item, answer in items]
    return blocks.table(("item", "asks for", "where"), rows)


def _nothing(known: Known) -> str:
    return ""


def _always(words: str) -> Answer:
    return lambda known: words


def _titles(protocols: frozenset[str], before: str = "") -> Answer:
    return lambda known: before + found if (found := known.titles(protocols)) else ""


def _setting(known: Known) -> str:
    return f"{len(known.outcome.sites)} hospitals: {listed(known.outcome.sites)}; dates {NOT_STATED}"


def _sources(known: Known) -> str:
    return "Routine records in the OMOP Common Data Model; concepts under “The question”"


def _ethics(known: Known) -> str:
    return known.study.requester.ethics if known.study.requester else ""


def _funding(known: Known) -> str:
    return known.study.requester.funding if known.study.requester else ""


STROBE: tuple[Item, ...] = (
    ("1", "Design in the title, summary in the abstract", _nothing),
    ("2", "Background and rationale", _nothing),
    ("3", "Objectives", lambda known: known.study.purpose),
    ("4", "Study design", _always("“Methods”")),
    ("5", "Setting, locations and dates", _setting),
    ("6", "Eligibility and selection of participants", Known.cohort),
    ("7", "Outcomes, exposures, predictors, confounders", _always("“The question”, Variables")),
    ("8", "Data sources and measurement", _sources),
    ("9", "Efforts against bias", _titles(HARMONIZES, "Harmonization: ")),
    ("10", "How the study size was arrived at", _nothing),
    ("11", "Handling of quantitative variables", _always("“Methods”")),
    ("12a", "Statistical methods", _always("“Methods”")),
    ("12b", "Subgroups and interactions", _titles(BY_GROUP)),
    ("12c", "Missing data", Known.missing),
    ("12d", "Loss to follow-up", _nothing),
    ("12e", "Sensitivity analyses", _nothing),
    ("13", "Participants at each stage", _titles(frozenset({"attrition"}))),
    ("14", "Characteristics of participants", _titles(DESCRIBES)),
    ("15", "Outcome events", _titles(MODELS | BY_GROUP)),
    ("16", "Main results with intervals", _titles(MODELS)),
    ("17", "Other analyses", _titles(VALIDATES)),
    ("18", "Key results", _nothing),
    ("19", "Limitations", _nothing),
    ("20", "Interpretation", _nothing),
    ("21", "Generalisability", _nothing),
    ("22", "Funding", _funding),
)

TRIPOD: tuple[Item, ...] = (
    ("1", "Title: a prediction model, its population and outcome", _nothing),
    ("2", "Abstract (TRIPOD+AI for abstracts)", _nothing),
    ("3a", "Health context and rationale", _nothing),
    ("3b", "Target population, purpose and intended users", _nothing),
    ("3c", "Known health inequalities", _nothing),
    ("4", "Objectives: development or evaluation", lambda known: known.study.purpose),
    ("5a", "Sources of data", _sources),
    ("5b", "Dates of data", _nothing),
    ("6a", "Setting: number and location of centres", _setting),
    ("6b", "Eligibility", Known.cohort),
    ("6c", "Treatments received", _nothing),
    ("7", "Data preparation", _titles(HARMONIZES | frozenset({"impute"}))),
    ("8a", "Outcome, its time horizon and assessment", Known.outcomes),
    ("8b", "Consistency of outcome assessment", _nothing),
    ("8c", "Blinding of outcome assessment", _nothing),
    ("9a", "Choice of predictors", _nothing),
    ("9b", "Definition of predictors", _always("“The question”, Variables")),
    ("9c", "Subjective interpretation of predictors", _nothing),
    ("10", "Sample size", Known.people),
    ("11", "Missing data", Known.missing),
    ("12a", "Use of the data for development and evaluation", _titles(VALIDATES)),
    ("12b", "Handling of predictors", _always("“Methods”")),
    ("12c", "Type of model and how it was built", _always("“Methods”")),
    ("12d", "Heterogeneity across clusters", _nothing),
    ("12e", "Measures of performance", _titles(VALIDATES)),
    ("12f", "Model updating", _nothing),
    ("12g", "How predictions were calculated", _always("“Methods”")),
    ("13", "Class imbalance", _nothing),
    ("14", "Fairness", _nothing),
    ("15", "Output of the model", _nothing),
    ("16", "Differences between development and evaluation data", _nothing),
    ("17", "Ethical approval", _ethics),
    ("18a", "Funding", _funding),
    ("18b", "Conflicts of interest", _nothing),
    ("18c", "Protocol", lambda known: f"The signed study {known.outcome.study}"),
    ("18d", "Registration", _nothing),
    ("18e", "Sharing of data", _always("No row leaves a hospital; “What left each hospital”")),
    ("18f", "Sharing of code", _always("“Methods”, software and versions")),
    ("19", "Patient and public involvement", _nothing),
    ("20a", "Flow of participants", _titles(frozenset({"attrition"}))),
    ("20b", "Characteristics of participants", _titles(DESCRIBES)),
    ("20c", "Comparison of development and evaluation data", _nothing),
    ("21", "Participants and events in each analysis", _titles(VALIDATES)),
    ("22", "The full model", _titles(MODELS)),
    ("23a", "Performance with intervals", _titles(VALIDATES)),
    ("23b", "Heterogeneity of performance", _nothing),
    ("24", "Results of model updating", _nothing),
    ("25", "Interpretation", _nothing),
    ("26", "Limitations", _nothing),
    ("27a", "Handling of poor or unavailable input", _nothing),
    ("27b", "User interaction and expertise", _nothing),
    ("27c", "Next steps for research", _nothing),
)
