"""What both sides agree on: the analyses, and what may leave a site.

CATALOGUE is the closed list of analyses: file -> class. A site can run nothing that is not in it.
"""

CATALOGUE = {
    "associate": "Associate",
    "attrition": "Attrition",
    "boosting": "Boosting",
    "cca": "Cca",
    "combat": "Combat",
    "correlation": "Correlation",
    "covbat": "Covbat",
    "cox": "Cox",
    "crosstab": "Crosstab",
    "decision_curve": "DecisionCurve",
    "discrimination": "Discrimination",
    "forest": "Forest",
    "fusion": "Fusion",
    "glm": "Glm",
    "histogram": "Histogram",
    "impute": "Impute",
    "kaplan_meier": "KaplanMeier",
    "linear": "Linear",
    "log_rank": "LogRank",
    "logistic": "Logistic",
    "mixed": "Mixed",
    "multinomial": "Multinomial",
    "multiple_imputation": "MultipleImputation",
    "neural": "Neural",
    "pca": "Pca",
    "penalized_logistic": "PenalizedLogistic",
    "pls": "Pls",
    "quantiles": "Quantiles",
    "summary": "Summary",
    "survival_decision_curve": "SurvivalDecisionCurve",
    "survival_validation": "SurvivalValidation",
    "tune": "Tune",
}
