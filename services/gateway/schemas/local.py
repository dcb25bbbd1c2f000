"""Bodies of local mode."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

from services.gateway.schemas.fields import Body, View


class AskToken(Body):
    """For whom."""

    subject: Annotated[
        StrictStr, Field(alias="as", max_length=200, description="Code or e-mail of an employee.", examples=["E0042"])
    ] = ""
    tenant: Annotated[StrictStr, Field(max_length=200, description="Tenant id, where the code exists in several.")] = ""
    installation: StrictBool = False


class Token(View):
    """A token of the local issuer."""

    token: str
    employee_id: str = ""
    tenant_id: str = ""
