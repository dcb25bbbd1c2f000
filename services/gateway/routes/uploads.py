"""Uploaded sheets."""

from typing import Literal

from fastapi import UploadFile

from services.gateway.errors import Refusal


async def sheet(file: UploadFile) -> tuple[bytes, Literal["csv", "xlsx"]]:
    """Return content and format by the file's name; raises Refusal for anything but .csv and .xlsx."""
    name = (file.filename or "").lower()
    if name.endswith(".xlsx"):
        return await file.read(), "xlsx"
    if name.endswith(".csv"):
        return await file.read(), "csv"
    fault = {"pointer": "/file", "code": "FILE_FORMAT_UNKNOWN", "detail": "name the file .csv or .xlsx"}
    raise Refusal(400, "FILE_FORMAT_UNKNOWN", "the sheet has to be a .csv or .xlsx file", [fault])
