"""Where s3fs looks for credentials: the helper's model of it, and the real program."""

import contextlib
import os
import subprocess
import time

import botocore.session
import pytest

from s3_mounts import StoreError, credentials, mount
from s3_mounts.doctor import examine
from s3_mounts.options import endpoint_options, option_values

SECRET = "a-planted-secret"
LIMIT = 3  # seconds for the program to ask the store
KEYS = f"aws_access_key_id = {{}}\naws_secret_access_key = {SECRET}\n"
PROFILES = f"[default]\n{KEYS.format('default')}[team]\n{KEYS.format('team')}"
AS_PASSWORD = f"passwords:{SECRET}\n"
IN_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "environment", "AWS_SECRET_ACCESS_KEY": SECRET}
PROCESS = f'echo \'{{"Version": 1, "AccessKeyId": "process", "SecretAccessKey": "{SECRET}"}}\''

SOURCES = {
    # Files in the home of the account, variables, options, and whose key s3fs takes.
    "nothing": ({}, {}, [], None),
    "the environment": ({}, IN_ENVIRONMENT, [], "environment"),
    "half of the environment": (
        {".aws/credentials": PROFILES},
        {"AWS_SECRET_ACCESS_KEY": SECRET},
        [],
        None,
    ),
    "the credentials file": ({".aws/credentials": PROFILES}, {}, [], "default"),
    "a profile": ({".aws/credentials": PROFILES}, {}, ["profile=team"], "team"),
    "a profile that is not there": ({".aws/credentials": PROFILES}, {}, ["profile=other"], None),
    "AWS_PROFILE": ({".aws/credentials": PROFILES}, {"AWS_PROFILE": "team"}, [], "default"),
    "environment and profile": (
        {".aws/credentials": PROFILES},
        IN_ENVIRONMENT,
        ["profile=team"],
        "environment",
    ),
    "the configuration file": ({".aws/config": PROFILES}, {}, [], None),
    "credential_process": (
        {".aws/config": f"[default]\ncredential_process = {PROCESS}"},
        {},
        [],
        None,
    ),
    "AWS_SHARED_CREDENTIALS_FILE": (
        {"elsewhere": PROFILES},
        {"AWS_SHARED_CREDENTIALS_FILE": "HOME/elsewhere"},
        [],
        None,
    ),
    "AWS_CREDENTIAL_FILE": (
        {"elsewhere": AS_PASSWORD, ".aws/credentials": PROFILES},
        {"AWS_CREDENTIAL_FILE": "HOME/elsewhere"},
        [],
        "passwords",
    ),
    "a web identity": (
        {"token": "a token"},
        {"AWS_ROLE_ARN": "arn:aws:iam::1:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/token"},
        [],
        None,
    ),
    "another HOME": ({".aws/credentials": PROFILES}, {"HOME": "/nowhere"}, [], "default"),
    "a password file": ({".passwd-s3fs": AS_PASSWORD}, {}, [], "passwords"),
    "a password file in another HOME": (
        {".passwd-s3fs": AS_PASSWORD},
        {"HOME": "/nowhere"},
        [],
        None,
    ),
    "a password file for the bucket": (
        {".passwd-s3fs": f"climate-data:bucket:{SECRET}\nother-data:other:{SECRET}\n"},
        {},
        [],
        "bucket",
    ),
    "a password file as an option": (
        {"elsewhere": AS_PASSWORD, ".aws/credentials": PROFILES},
        IN_ENVIRONMENT,
        ["passwd_file=HOME/elsewhere"],
        "passwords",
    ),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of the account, for what looks there in this process."""
    monkeypatch.setattr(credentials, "account_home", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def arrange(home, monkeypatch):
    """A function that writes files and sets variables, for this process and for others."""

    def write(source):
        files, variables, options, _ = SOURCES[source]
        for name, content in files.items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).touch(mode=0o600)
            (home / name).write_text(content)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        variables = {"HOME": "HOME", "AWS_EC2_METADATA_DISABLED": "true"} | variables
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("HOME", str(home)))
        return [option.replace("HOME", str(home)) for option in options]

    return write


def whose_key(sandbox, mount_point, home, options):
    """Start the real program, with a home of root's that nobody else sees, until it has asked."""
    namespace = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    script = 'mount --bind "$0" /root && exec "$@"'
    words = [word for option in options for word in ("-o", option)]
    command = [*namespace, "sh", "-c", script, home, "s3fs", sandbox.bucket, mount_point, "-f"]
    with sandbox.traffic() as traffic:
        program = subprocess.Popen(
            [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        deadline = time.monotonic() + LIMIT
        while program.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        program.terminate()
        said, _ = program.communicate(timeout=20)
    asked = {request.access_key for request in traffic.log} - {""}
    assert len(asked) < 2
    assert asked or "s3fs: " in said or "could not" in said, said
    return next(iter(asked), None)


@pytest.mark.parametrize("source", SOURCES)
def test_the_model_finds_what_the_real_program_takes(sandbox, mount_point, home, arrange, source):
    options = arrange(source)
    expected = SOURCES[source][-1]
    pointing = endpoint_options(sandbox.endpoint)
    assert whose_key(sandbox, mount_point, home, [*options, *pointing]) == expected
    found = pytest.raises(StoreError) if expected is None else contextlib.nullcontext()
    with found:
        _, model = credentials.find_credentials(sandbox.bucket, option_values(options))
        assert model.access_key == expected


@pytest.mark.parametrize("source", [name for name, given in SOURCES.items() if not given[2]])
def test_doctor_says_ok_for_what_the_real_program_takes_and_for_nothing_else(home, arrange, source):
    arrange(source)
    [found] = [finding for finding in examine() if finding.subject == "credentials"]
    assert found.verdict == ("note" if SOURCES[source][-1] is None else "ok")
    assert SECRET not in found.found
    if source in ("the configuration file", "credential_process", "AWS_SHARED_CREDENTIALS_FILE"):
        assert "boto3 finds some by the method" in found.found


def test_a_token_file_that_is_missing_is_told(sandbox, mount_point, home, arrange):
    arrange("a web identity")
    (home / "token").unlink()
    with pytest.raises(StoreError, match=r"expected credentials .*No such file.*/token"):
        credentials.boto_credentials(botocore.session.Session())
    with pytest.raises(StoreError, match="expected credentials for the object store, found none"):
        mount(sandbox.source, mount_point, endpoint_options(sandbox.endpoint))
