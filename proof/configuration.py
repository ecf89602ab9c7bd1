"""Fragments of configuration files, parsed as the program that reads them would."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import yaml

from s3_mounts import StoreError, mount_table, unmount
from s3_mounts.options import endpoint_options, endpoint_url, prefix_options
from s3_mounts.store import require_bucket

_KEYS = {"aws_access_key_id", "aws_secret_access_key"}
_CREDENTIALS = _KEYS | {"aws_session_token"}
_UNIT_SECTIONS = {"Automount", "Install", "Mount", "Path", "Service", "Socket", "Timer", "Unit"}


def parse_toml(text: str) -> None:
    """Accept TOML; raise ValueError for anything else."""
    tomllib.loads(text)


def parse_yaml(text: str) -> None:
    """Accept YAML that is a mapping or a list; raise ValueError for anything else."""
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ValueError(error) from error
    for document in documents:
        if not isinstance(document, dict | list):
            raise ValueError(f"expected a mapping or a list in YAML, found {document!r}")


def parse_ini(text: str) -> configparser.ConfigParser:
    """Accept a file of sections and keys, such as ``~/.aws/credentials``.

    Parameters
    ----------
    text : str
        The file.

    Returns
    -------
    ConfigParser
        What is in it.

    Raises
    ------
    ValueError
        If it is something else, or has no section or an empty one.
    """
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(error) from error
    empty = [name for name in parser.sections() if not parser.items(name)]
    if empty or not parser.sections():
        raise ValueError(f"expected sections with keys, found {text!r}")
    return parser


def parse_profiles(text: str) -> None:
    """Accept a ``~/.aws/credentials`` that has keys for whoever names no profile.

    Parameters
    ----------
    text : str
        The file.

    Raises
    ------
    ValueError
        If it is something else, has no such keys, or a setting that boto3 does not know.
    """
    profiles = parse_ini(text)
    if not profiles.has_section("default"):
        raise ValueError(f"expected a profile 'default', found {profiles.sections()}")
    for profile in profiles.sections():
        other = profiles[profile].keys() - _CREDENTIALS
        if other or not profiles[profile].keys() >= _KEYS:
            raise ValueError(f"expected {_KEYS} in [{profile}], found {list(profiles[profile])}")


def parse_unit(text: str) -> None:
    """Accept a unit of systemd.

    Parameters
    ----------
    text : str
        The file.

    Raises
    ------
    ValueError
        If it is something else, has a section that systemd does not know, or a key that is not
        written as all of systemd's are.
    """
    parser = parse_ini(text)
    for section in parser.sections():
        if section not in _UNIT_SECTIONS:
            raise ValueError(f"expected a section of {sorted(_UNIT_SECTIONS)}, found {section!r}")
        for key in parser[section]:
            if not re.fullmatch("([A-Z][A-Za-z0-9]*)+", key):
                raise ValueError(f"expected a key such as 'ExecStart', found {key!r}")


def mount_fstab(text: str, home: Path) -> None:
    """Accept lines of ``/etc/fstab`` whose options ``mount`` takes.

    As root, each is really mounted for a moment, by ``mount``, from the current store.
    The mount point and the credentials are the reader's own then.
    Everybody else may not mount by ``mount``; then the lines are only parsed.

    Parameters
    ----------
    text : str
        The lines.
    home : Path
        The reader's home, with credentials for the current store.

    Raises
    ------
    ValueError
        If a line is something else, or what it mounts is not a bucket.
    """
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    if not lines:
        raise ValueError(f"expected lines of fstab, found {text!r}")
    for fields in lines:
        match fields:
            case [source, str() as target, "fuse.s3fs", options, "0", "0"] if target[0] == "/":
                if os.geteuid() == 0:
                    _mount_for_a_moment(source, options.split(","), home)
            case _:
                raise ValueError(
                    "expected BUCKET /MOUNT/POINT fuse.s3fs OPTIONS 0 0,"
                    f" found {' '.join(fields)!r}"
                )


def _mount_for_a_moment(source: str, options: list[str], home: Path) -> None:
    ours = [option for option in options if not option.startswith("passwd_file=")]
    ours += [*endpoint_options(endpoint_url()), *prefix_options(source)]
    try:
        require_bucket(source, endpoint_url())
    except StoreError as error:
        raise ValueError(error) from error
    with tempfile.TemporaryDirectory(dir=home) as mount_point:
        mounted = subprocess.run(
            [
                "mount",
                "-t",
                mount_table.FILE_SYSTEM_TYPE,
                "-o",
                ",".join(ours),
                source,
                mount_point,
            ],
            env=os.environ | {"HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if mounted.returncode or not mount_table.topmost(Path(mount_point)):
            raise ValueError(
                f"expected to mount with the options {','.join(options)}, but 'mount' ended with"
                f" exit status {mounted.returncode} and said: {mounted.stderr.strip() or 'nothing'}"
            )
        unmount(mount_point)
