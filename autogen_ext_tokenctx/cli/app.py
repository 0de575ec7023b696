"""The command ``tokenctx``: what this package knows, and what it would do, on a terminal.

Each command is one function in a module of its own; it prints a table, or with ``--json`` one JSON document. Exit codes
are 0, 1 where something does not fit or is not there, and 2 for bad usage and bad files.
"""

try:
    import rich as _rich  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import typer
except ImportError as error:
    raise SystemExit(f'tokenctx: {error}; pip install "autogen-ext-tokenctx[cli]"') from error

from .count import count
from .expand import expand
from .inspect import inspect
from .limits import limits
from .output import tolerant_output
from .replay import replay
from .report import report

# what is wrong with a file is told in one line; anything else is a fault of this package, and its traceback is plain
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (limits, count, inspect, replay, expand, report):
    app.command()(command)


@app.callback()
def tokenctx() -> None:
    """Token limits of models, and what fitting makes of recorded AutoGen runs."""


def main() -> None:
    """Run the command."""
    tolerant_output()
    try:
        app(prog_name="tokenctx")
    except OSError as error:  # files are read elsewhere: this is the output, such as a full disk
        raise SystemExit(f"tokenctx: the output cannot be written: {error.strerror or error}") from error
