"""What both sides agree on: the analyses, and what may leave a site.

CATALOGUE is the closed list of analyses: name -> module and class. A site can run nothing that is not in it.
"""

CATALOGUE = {
    "associate": "protocols.genomics.associate:Associate",
    "attrition": "protocols.describe.attrition:Attrition",
    "boosting": "protocols.learning.boosting:Boosting",
    "cca": "protocols.components.cca:Cca",
    "combat": "protocols.preparation.combat:Combat",
    "correlation": "protocols.describe.correlation:Correlation",
    "covbat": "protocols.preparation.covbat:Covbat",
    "cox": "protocols.survival.cox:Cox",
    "crosstab": "protocols.describe.crosstab:Crosstab",
    "decision_curve": "protocols.validation.decision_curve:DecisionCurve",
    "discrimination": "protocols.validation.discrimination:Discrimination",
    "forest": "protocols.learning.forest:Forest",
    "fusion": "protocols.validation.fusion:Fusion",
    "glm": "protocols.regression.glm:Glm",
    "histogram": "protocols.describe.histogram:Histogram",
    "impute": "protocols.preparation.impute:Impute",
    "kaplan_meier": "protocols.survival.kaplan_meier:KaplanMeier",
    "linear": "protocols.regression.linear:Linear",
    "log_rank": "protocols.survival.log_rank:LogRank",
    "logistic": "protocols.regression.logistic:Logistic",
    "mixed": "protocols.regression.mixed:Mixed",
    "multinomial": "protocols.regression.multinomial:Multinomial",
    "multiple_imputation": "protocols.preparation.multiple_imputation:MultipleImputation",
    "neural": "protocols.learning.neural:Neural",
    "pca": "protocols.components.pca:Pca",
    "penalized_logistic": "protocols.regression.penalized_logistic:PenalizedLogistic",
    "pls": "protocols.components.pls:Pls",
    "quantiles": "protocols.describe.quantiles:Quantiles",
    "summary": "protocols.describe.summary:Summary",
    "survival_decision_curve": "protocols.validation.survival_decision_curve:SurvivalDecisionCurve",
    "survival_validation": "protocols.validation.survival_validation:SurvivalValidation",
    "tune": "protocols.validation.tune:Tune",
}
