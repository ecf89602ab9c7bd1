"""Unpack the ``s3fs`` of another Debian release into a folder, beside the one that is installed.

Run as ``python3 -m machines.other_s3fs FOLDER``, on Debian; it needs nothing but Python itself.
With the folder first on ``PATH`` everything here is done with that version. Nothing is installed:
the program comes with the libraries of its release, and its own dynamic linker. Only with the
rights of root an ordinary user can mount, so ``fusermount`` is the one that is installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

_WRAPPER = """\
#!/bin/sh
exec {linker} --library-path {libraries} --argv0 s3fs {program} "$@"
"""


def unpack(folder: Path, release: str) -> Path:
    """Download ``s3fs`` with all that it needs, and unpack it.

    Parameters
    ----------
    folder : Path
        Where to. What is there already is used.
    release : str
        The release of Debian, such as ``"sid"``.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    SystemExit
        If this is no Debian, or its registry does not have it.
    """
    folder = folder.absolute()
    program = folder / "s3fs"
    if not program.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise SystemExit("expected a Debian, whose packages can be unpacked, found none.")
        root = folder / "root"
        for package in _download(folder, release):
            subprocess.run(["dpkg", "--extract", package, root], check=True)
        installed = shutil.which("fusermount3") or shutil.which("fusermount")
        for name in ("fusermount", "fusermount3"):
            if installed and not shutil.which(name):
                (folder / name).symlink_to(installed)
        _write_wrapper(program, root)
    return program


def _download(folder: Path, release: str) -> list[Path]:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    status = folder / "status"
    status.touch()
    sources = folder / "sources.list"
    sources.write_text(f"deb {mirror()} {release} main\n")
    apt = [
        "apt-get",
        *("-o", f"Dir::State={folder / 'state'}", "-o", f"Dir::State::status={status}"),
        *("-o", f"Dir::Cache={folder / 'cache'}", "-o", f"Dir::Etc::SourceList={sources}"),
        *("-o", "Dir::Etc::SourceParts=-", "-o", "APT::Sandbox::User=", "-qq"),
        # A mirror may be a picture of an earlier day.
        *("-o", "Acquire::Check-Valid-Until=false"),
    ]
    for command in (["update"], ["--yes", "--no-install-recommends", "--download-only"]):
        if "update" not in command:
            command = [*command, "install", "s3fs"]
        done = subprocess.run([*apt, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(
                f"expected to download s3fs of Debian {release}, but apt-get says:\n{done.stderr}"
            )
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def mirror() -> str:
    """Ask apt where this machine gets Debian's packages.

    Returns
    -------
    str
        The address of the archive.

    Raises
    ------
    SystemExit
        If apt knows none.
    """
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(ORIGIN)"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [line.split()[0] for line in said.splitlines() if line.endswith(" main Debian")]
    mirrors = [uri for uri in found if "security" not in uri]
    if not mirrors:
        raise SystemExit("expected Debian's registry among the sources of apt. Run apt-get update.")
    return mirrors[0]


def _write_wrapper(program: Path, root: Path) -> None:
    linker = next(path for path in root.glob("**/ld-linux*.so.*") if not path.is_symlink())
    # Up to Debian 12 some packages have theirs in /lib.
    libraries = {str(path.parent) for path in root.glob("**/lib/*/*.so.*")}
    (real,) = root.glob("usr/bin/s3fs")
    program.write_text(
        _WRAPPER.format(linker=linker, libraries=":".join(sorted(libraries)), program=real)
    )
    program.chmod(0o755)


def main() -> None:
    """Unpack, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--release", default="sid")
    arguments = parser.parse_args()
    program = unpack(arguments.folder, arguments.release)
    subprocess.run([program, "--version"], check=True)


if __name__ == "__main__":
    main()
