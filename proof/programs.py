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
    """Install what is missing, or say what to type."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    command = ["apt-get", "install", "-y", *missing]
    if not missing:
        print(f"{' and '.join(PROGRAMS)} are installed.")
    elif shutil.which(command[0]) and may_install():
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*as_root, "apt-get", "update"], check=True)
        subprocess.run([*as_root, *command], check=True)
    else:
        print(f"Not tried, since missing: {', '.join(missing)}. Install what you want to be tried.")


if __name__ == "__main__":
    main()
