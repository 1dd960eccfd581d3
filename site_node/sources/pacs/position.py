"""Positions of servers that tell no more of a study's age than its date: YYYYMMDD."""

from datetime import date, timedelta

OVERLAP_DAYS = (
    7  # images reach a PACS days after their study's date: from a modality offline, from another house
)


def since(position: str) -> str:
    """The first day to ask for."""
    return f"{day(position) - timedelta(days=OVERLAP_DAYS):%Y%m%d}"


def position_of_day(study_date: str, reached: str) -> str:
    """The position after a study of this date: never back, and never into the future."""
    try:
        found = min(day(study_date), date.today())
    except ValueError:
        return reached
    return max(f"{found:%Y%m%d}", reached)


def day(text: str) -> date:
    """The day of a DA. Raises ValueError."""
    return date.fromisoformat(text.strip().replace(".", ""))
