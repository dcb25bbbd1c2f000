"""How a function becomes a command that talks to the gateway: shared options, session, output, refusals."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from cli.client import Problem, Unreachable
from cli.files import Document
from cli.output import Exit, Failure, JsonOption, Shown, print_block, print_json
from cli.session import ADDRESS_HINT, LOGIN_HINT, Access, Login, open_session

Command = TypeVar("Command", bound=Callable[..., Awaitable[Shown]])

PANEL = "Server and caller"
ACCESS = (
    ("url", "--url", "ATTUNE_URL", "Gateway. Default: the local stack."),
    ("token", "--token", "ATTUNE_TOKEN", "Bearer token."),
    ("subject", "--as", "ATTUNE_AS", "Who I am, in place of a token: code or e-mail; local mode."),
    ("tenant", "--tenant", "ATTUNE_TENANT", "Company of --as: id or name."),
)


class Noun:
    """The commands of one noun, such as `cycles`."""

    def __init__(self, name: str, about: str) -> None:
        self._name = name
        self._app = typer.Typer(help=about, no_args_is_help=True)

    def command(self, name: str, *, login: Login = Login.PERSON) -> Callable[[Command], Command]:
        """Add a command: an async function of a session and its own arguments, which returns what is shown."""

        def add(function: Command) -> Command:
            self._app.command(name)(runnable(function, login))
            return function

        return add

    def listing(self, function: Command) -> Command:
        """Add what the noun does alone, without the name of a command."""
        self._app.info.no_args_is_help = False
        self._app.callback(invoke_without_command=True)(runnable(function, Login.PERSON))
        return function

    def register(self, app: typer.Typer) -> None:
        """Add the noun to the command line."""
        app.add_typer(self._app, name=self._name)


def runnable(function: Callable[..., Awaitable[Shown]], login: Login = Login.PERSON) -> Callable[..., None]:
    """Return the function as a command: with the shared options, and without the session, which it is given."""

    def run(context: typer.Context, **values: Any) -> None:
        if context.invoked_subcommand is not None:
            _refuse_options(context)
            return
        access = Access(**{name: values.pop(name) for name, *_ in ACCESS})
        as_json: bool = values.pop("as_json")
        shown = asyncio.run(_perform(function, values, access, login, as_json=as_json))
        _show(shown, as_json=as_json)

    _describe(run, function)
    return run


def _describe(run: Any, function: Callable[..., Any]) -> None:
    """Give a command the name, help and parameters of its function, by which typer reads arguments."""
    hints = typing.get_type_hints(function, include_extras=True)
    first, *own = inspect.signature(function).parameters.values()
    hints.pop(first.name)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("context", keyword, annotation=typer.Context)]
    parameters += [each.replace(kind=keyword, annotation=hints[each.name]) for each in own]
    for name, option, variable, help_text in ACCESS:
        kind = typer.Option(option, envvar=variable, help=help_text, show_default=False, rich_help_panel=PANEL)
        parameters.append(inspect.Parameter(name, keyword, default="", annotation=Annotated[str, kind]))
    parameters.append(inspect.Parameter("as_json", keyword, default=False, annotation=JsonOption))
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__name__, run.__doc__ = function.__name__, function.__doc__


async def _perform(
    function: Callable[..., Awaitable[Shown]], values: dict[str, Any], access: Access, login: Login, *, as_json: bool
) -> Shown:
    document: Document | None = None
    try:
        async with open_session(access, login, as_json=as_json) as session:
            try:
                return await function(session, **values)
            finally:
                document = session.document
    except Problem as problem:
        raise refusal(problem, document) from None
    except Unreachable as error:
        raise unreachable(error, access) from None


def refusal(problem: Problem, document: Document | None = None) -> Failure:
    """Return a problem of the server as it is told: title, detail, code, each place with its line, request id."""
    body = problem.body
    title = body.get("title") or "Refused"
    places = [_place(each, document) for each in problem.errors]
    if problem.status == 401:
        places.append(LOGIN_HINT)
    if body.get("request_id"):
        places.append(f"request {body['request_id']}")
    code = Exit.REFUSED if problem.status < 500 else Exit.FAILED
    return Failure(f"{title}: {problem.detail} ({problem.code})", code, problem=body, places=places)


def unreachable(error: Unreachable, access: Access) -> Failure:
    """Return why nobody answered, and what to do."""
    message = f"the gateway at {access.address()} does not answer ({error}); {ADDRESS_HINT}"
    body = {"title": "Unreachable", "detail": message, "code": "UNREACHABLE", "errors": []}
    return Failure(message, problem=body)


def _place(fault: Mapping[str, str], document: Document | None) -> str:
    pointer = fault.get("pointer", "")
    line = document.place(pointer) if document else ""
    said = f"{fault.get('detail', '')} ({fault.get('code', '')})"
    return "  ".join(part for part in (line, pointer, said) if part)


def _show(shown: Shown, *, as_json: bool) -> None:
    if as_json:
        print_json(shown.value)
    else:
        for block in shown.blocks:
            print_block(block)
    if shown.code:
        raise typer.Exit(shown.code)


def _refuse_options(context: typer.Context) -> None:
    """End the command where options stand before its name: they would be read for nothing."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"options of {context.invoked_subcommand} go after its name")
