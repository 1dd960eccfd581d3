"""What sites said that their policies admit."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from protocols.core.study import Study
from protocols.exchange.policy import PublishedPolicy
from protocols.runtime.database import insert, open_database
from server.home.schema import FILE, STEPS


@dataclass(frozen=True)
class Policies:
    """The part of a center's store that knows the sites' policies, as each said its own last.

    Attributes:
        home: the center's folder.
    """

    home: Path

    def keep(self, site: str, policy: PublishedPolicy) -> None:
        """Keeps what a site said."""
        with closing(open_database(self.home / FILE, STEPS)) as db:
            insert(db, "policy", "replace", site=site, content=policy.model_dump_json(), at=time.time())

    def all(self) -> dict[str, PublishedPolicy]:
        """Site -> what it said last; sites that were never asked anything are not in it."""
        with closing(open_database(self.home / FILE, STEPS)) as db:
            rows = db.execute("SELECT site, content FROM policy ORDER BY site").fetchall()
        return {row["site"]: PublishedPolicy.model_validate_json(row["content"]) for row in rows}

    def refusals(self, study: Study) -> dict[str, tuple[str, ...]]:
        """Site -> why it would refuse a study, by what it said last that its policy admits."""
        return {site: tuple(why) for site, policy in self.all().items() if (why := policy.faults(study))}
