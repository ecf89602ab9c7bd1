"""Install the programs that the site tries on a mount, where that is possible.

``python -m proof.programs`` is run before tests and builds. A lesson that misses a program says so,
and goes on.
"""

import os
import shutil
import subprocess

from s3_mounts.program import may_install

PROGRAMS = ("git", "rsync")
"""Each is in the package of its name."""


def main() -> None:
    """Install what is missing, as far as this user may, and say what is missing still."""
    if _missing() and shutil.which("apt-get") and may_install():
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        for words in (["update"], ["install", "-y", *_missing()]):
            subprocess.run([*as_root, "apt-get", *words], check=False)
    if _missing():
        print(f"Not tried, since missing: {', '.join(_missing())}. Install what you want tried.")


def _missing() -> list[str]:
    return [program for program in PROGRAMS if not shutil.which(program)]


if __name__ == "__main__":
    main()
