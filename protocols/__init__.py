"""What both sides agree on: the analyses, and what may leave a site.

CATALOGUE is the closed list of analyses: file -> class. A site can run nothing that is not in it.
"""

CATALOGUE = {
    "associate": "Associate",
    "attrition": "Attrition",
    "cca": "Cca",
    "combat": "Combat",
    "covbat": "Covbat",
    "cox": "Cox",
    "discrimination": "Discrimination",
    "glm": "Glm",
    "impute": "Impute",
    "kaplan_meier": "KaplanMeier",
    "linear": "Linear",
    "log_rank": "LogRank",
    "logistic": "Logistic",
    "multiple_imputation": "MultipleImputation",
    "pca": "Pca",
    "penalized_logistic": "PenalizedLogistic",
    "pls": "Pls",
    "summary": "Summary",
}
