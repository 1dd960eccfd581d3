"""The roles of a site as pages declare them."""

from typing import Annotated

from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.page import Page, needs

Reader = Annotated[Page, needs(Role.READER)]
Steward = Annotated[Page, needs(Role.STEWARD)]
Approver = Annotated[Page, needs(Role.APPROVER)]
