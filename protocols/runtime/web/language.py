"""The languages of the pages: English as it stands in templates, German from one catalogue a package."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

ENGLISH, GERMAN = "en", "de"
LANGUAGES = {ENGLISH: "English", GERMAN: "Deutsch"}
COOKIE = "language"
CATALOGUE = "german.toml"


@dataclass(frozen=True)
class Catalogue:
    """English words -> German words."""

    german: Mapping[str, str]

    @classmethod
    def of(cls, *packages: str) -> "Catalogue":
        """The words of these packages; a later one's count where two have the same English."""
        words: dict[str, str] = {}
        for package in packages:
            words |= tomllib.loads((resources.files(package) / CATALOGUE).read_text("utf-8"))
        return cls(words)

    def __call__(self, language: str, text: str, **values: object) -> str:
        """The text in that language, its `{names}` filled in; English where the catalogue lacks it."""
        chosen = self.german.get(text, text) if language == GERMAN else text
        return chosen.format(**values) if values else chosen


def language_of(cookie: str, accepted: str) -> str:
    """The language of a request: chosen once by a cookie, else the first that the browser accepts.

    Example:
        >>> language_of("", "nb-NO,de;q=0.8,en;q=0.5")
        'de'
    """
    if cookie in LANGUAGES:
        return cookie
    words = (one.partition(";")[0].strip().lower()[:2] for one in accepted.split(","))
    return next((word for word in words if word in LANGUAGES), ENGLISH)
