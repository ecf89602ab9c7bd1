# /// script
# dependencies = ["nox[uv]>=2026.2"]
# ///
"""The project's commands. ``./nox -s NAME`` runs one, ``./nox -l`` lists them."""

import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["docs"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
TEST_PATHS = PYPROJECT["tool"]["pytest"]["ini_options"]["testpaths"]
SHOWN = ["tests/evidence", *(path for path in TEST_PATHS if path != "tests")]
"""What the site shows or names: it is run before the site is built."""

BENCHMARKS = (
    *("package", "mount_overhead", "traffic", "formats", "peers", "zarr_requests"),
    *("saving", "load", "build", "site", "lessons", "commands"),
)


def install(session: nox.Session, group: str) -> None:
    """Install the helper, a group of dependencies, and the programs that lessons and pages call."""
    session.install("-e.[lessons]", *nox.project.dependency_groups(PYPROJECT, group))
    # Containers often set this; each of hundreds of processes would compile all that it imports.
    session.env["PYTHONDONTWRITEBYTECODE"] = None
    # Two copies of OpenBLAS, of numpy and scipy, would start threads in each, which wait busily:
    # that is a third of the processor time of "import iris".
    session.env["OPENBLAS_NUM_THREADS"] = "1"
    session.run_install("s3-sandbox", "install", "--all")


@nox.session
def docs(session: nox.Session) -> None:
    """Run code blocks, the tests that the site names, and lessons; build the site in build/html."""
    install(session, "docs")
    # Nox would end what is interrupted after half a second, before it has unmounted.
    session.run(
        *("python", "-m", "proof.build", *SHOWN, *session.posargs),
        interrupt_timeout=60,
        terminate_timeout=20,
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, with real mounts."""
    install(session, "tests")
    session.run("pytest", *session.posargs, interrupt_timeout=60, terminate_timeout=20)


@nox.session
def browser(session: nox.Session) -> None:
    """Open every page of the built site in a real browser, and do there what a reader does."""
    install(session, "browser")
    session.run("python", "-m", "browser.site")
    session.run("pytest", "--dist=load", "browser", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Take a picture of every page of the built site, in build/screenshots, to look at."""
    install(session, "browser")
    session.run("python", "-m", "browser.site")
    session.run("python", "-m", "browser.screenshots", *session.posargs)


@nox.session(venv_backend="none")
def fresh(session: nox.Session) -> None:
    """Run the README's commands in a Debian that is made for it. Options: ``-- --help``."""
    session.run(sys.executable, "-m", "machines.fresh", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling and types."""
    session.install("-e.[lessons]", *nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")
    session.run("mypy")


@nox.session
def audit(session: nox.Session) -> None:
    """Look up known vulnerabilities of everything that is installed; this needs the internet."""
    install(session, "tests")
    session.install("pip-audit>=2.9")
    installed = Path(session.create_tmp(), "installed.txt")
    command = ["python", "-m", "pip", "freeze", "--exclude-editable"]
    installed.write_text(session.run(*command, silent=True))
    # Without --strict, what it could not look up would pass for harmless.
    session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "-r", str(installed))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what the site quotes, all or what is named, and write benchmarks/results.json."""
    install(session, "browser")
    session.install(*nox.project.dependency_groups(PYPROJECT, "stores"))
    session.run("python", "-m", "browser.site")
    for name in session.posargs or BENCHMARKS:
        session.run("python", "-m", f"benchmarks.{name}")


@nox.session
def soak(session: nox.Session) -> None:
    """Kill processes at random moments, and write what they have left."""
    install(session, "tests")
    session.run("python", "-m", "benchmarks.soak", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Plant faults between s3fs and the sandbox, and write what came of them."""
    install(session, "tests")
    session.run("python", "-m", "benchmarks.faults", *session.posargs)


@nox.session(venv_backend="none")
def findings(session: nox.Session) -> None:
    """Run what shows that other programs behave as the site says; tell what has changed."""
    session.run(sys.executable, "-m", "proof.findings", *session.posargs)


@nox.session
def stores(session: nox.Session) -> None:
    """Start real S3 servers on loopback, and write what works on each. Options: ``-- --help``."""
    install(session, "stores")
    command = ("python", "-m", "stores", *session.posargs)
    session.run(*command, interrupt_timeout=60, terminate_timeout=20)


@nox.session
def mutate(session: nox.Session) -> None:
    """Change a word of each code block, see whether that is noticed, and write the score."""
    install(session, "tests")
    session.run("python", "-m", "benchmarks.mutation", *session.posargs)


@nox.session(venv_backend="none")
def export(session: nox.Session) -> None:
    """Write the main page of the built site as the Iris manual takes it, in build/s3_io.rst."""
    session.run("python3", "docs/export_for_iris.py")


@nox.session
def serve(session: nox.Session) -> None:
    """Show the built site at http://127.0.0.1:8000 until Ctrl-C."""
    session.run("python", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "build/html")
