"""What people read of the policy."""

from typing import Any

from site_node.actions.policy import PolicyView, Verdict


def policy(view: PolicyView) -> dict[str, Any]:
    """Each rule on its line."""
    return dict(view.rules)


def verdict(found: Verdict) -> dict[str, Any]:
    """Whether a study is admitted, and what it breaks."""
    return {"study": found.study, "admitted": found.is_admitted, "rules it breaks": list(found.faults)}
