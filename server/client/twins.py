"""The same calls for programs that await: each runs in a thread of its own, and blocks nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from server.client.builders import AnyStudy, Cohort
from server.client.frames import Preflight
from server.client.network import Network, Run
from server.client.results import Results


class AsyncRun:
    """A `Run` whose calls are awaited.

    Attributes:
        run: the run itself.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.id = run.id

    async def events(self, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """What has happened since event `after`, and what happens now, until the run ends."""
        events = await asyncio.to_thread(self.run.events, after)
        over = object()
        while (event := await asyncio.to_thread(next, events, over)) is not over:
            assert isinstance(event, dict)
            yield event

    async def wait(self) -> Results:
        """What it found, once it has ended."""
        return await asyncio.to_thread(self.run.wait, show=False)

    async def report(self, out: str | Path) -> Path:
        """The path to which its report was written."""
        return await asyncio.to_thread(self.run.report, out)

    async def verify(self) -> dict[str, Any]:
        """What the center says after it computed the result again."""
        return await asyncio.to_thread(self.run.verify)

    async def withdraw(self) -> None:
        """Stops it."""
        await asyncio.to_thread(self.run.withdraw)


class AsyncNetwork:
    """A `Network` whose calls are awaited.

    Attributes:
        network: the network itself.
    """

    def __init__(self, network: Network) -> None:
        self.network = network

    async def sites(self) -> pd.DataFrame:
        """One row per site."""
        return await asyncio.to_thread(self.network.sites)

    async def check(self, study: AnyStudy) -> dict[str, Any]:
        """What a study asks."""
        return await asyncio.to_thread(self.network.check, study)

    async def preflight(self, study: AnyStudy) -> Preflight:
        """What sites would do with a study."""
        return await asyncio.to_thread(self.network.preflight, study)

    async def submit(self, study: AnyStudy, *, sites: Sequence[str] = ()) -> AsyncRun:
        """The run of a study that was submitted."""
        return AsyncRun(await asyncio.to_thread(self.network.submit, study, sites=sites))

    async def run(self, reference: str) -> AsyncRun:
        """The run of a study by its run, name or hash."""
        return AsyncRun(await asyncio.to_thread(self.network.run, reference))

    async def query(self, cohort: str | Cohort, variables: Sequence[str], *, by: str = "") -> pd.DataFrame:
        """Counts and summaries under the sites' standing approvals."""
        return await asyncio.to_thread(self.network.query, cohort, variables, by=by)

    async def attrition(self, cohort: str | Cohort) -> pd.DataFrame:
        """People left after each rule of a cohort."""
        return await asyncio.to_thread(self.network.attrition, cohort)
