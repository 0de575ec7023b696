"""The suite on every supported Python: `nox`, or `nox -s "tests(python='3.13')"`."""

import nox

nox.options.sessions = ["tests"]


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    session.install("-e", ".[dev]", "nox")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("pyright")


@nox.session(python="3.11")
def coverage(session: nox.Session) -> None:
    """Which lines of the package the suite runs; a report, no bound."""
    session.install("-e", ".[dev]", "pytest-cov")
    session.run("python", "-m", "pytest", "-q", "--cov", "autogen_ext_tokenctx", "--cov-report", "term:skip-covered")


@nox.session(python="3.11.7")
def figures(session: nox.Session) -> None:
    """Make every figure of the README again, for a release; `nox -s figures -- --check` says which differ."""
    session.install("-e", ".[dev]")
    session.run("python", "docs/scripts/figures.py", *session.posargs)
