"""What the page "Troubleshooting" cannot show in a block, provoked for real.

Each of these tests belongs to the section of the page that names it, and looks for the message in
the title of that section in what a program really said.
"""

import contextlib
import datetime
import http.server
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from certificates import make_certificate

from proof import claims
from proof.compare import difference
from proof.project import ROOT
from s3_mounts import StoreError, mount, mount_table
from s3_mounts.program import find_s3fs, s3fs_version
from s3_sandbox import sample_path
from s3_sandbox.folders import abandon_below

PAGE = ROOT / "docs" / "troubleshooting.rst"
LABELS = ["Cause", "Fix", "Avoid"]
NOT_PROVOKED = ["``NCbytes failure``", "``Segmentation fault`` in a save"]
NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"
MOUNTS_WHAT_IS_REFUSED = (1, 96)
"""From here on s3fs mounts something that does not answer: seen on 26 November 2026 with 1.96 and
1.97. So the command is not given to it here; `mount` is, which asks the store first."""

LIMIT = 30


def sections():
    """Find the sub-sections of the page: their titles, and their text."""
    lines = PAGE.read_text().splitlines()
    edges = [number for number, line in enumerate(lines) if re.fullmatch("-{4,}|={4,}", line)]
    found = {}
    for start, end in zip(edges, [*edges[1:], len(lines) + 1], strict=True):
        if lines[start].startswith("-"):
            found[lines[start - 1]] = "\n".join(lines[start + 1 : end - 1])
    return found


SECTIONS = sections()
MESSAGES = {title: re.findall("``(.+?)``", title) for title in SECTIONS}


def test_the_page_has_sections_for_many_messages():
    assert sum(map(bool, MESSAGES.values())) >= 40


@pytest.mark.parametrize("title", SECTIONS)
def test_every_section_is_complete(title):
    """Each provokes its message in a block, or names a test; says cause, fix and prevention.

    What would crash software that is not ours is not provoked; the page says where it was seen.
    """
    text = SECTIONS[title]
    assert re.findall(r"(?m)^(\w+)$", text) == LABELS
    provoked, _, fix, avoid = re.split(r"(?m)^\w+$", text)
    tested_by = re.findall(r"\.\. tested-by:: (tests/evidence/\w+\.py)::(\w+)", provoked)
    if title in NOT_PROVOKED:
        assert re.search(r"(?m)^Seen on \d+ \w+ \d{4} with [\s\S]*\d\.$", provoked)
    elif tested_by:
        for file, test in tested_by:
            assert test in claims.tests(ROOT / file)
    else:
        shown = re.sub(r"(?m)^\s+", "", provoked).splitlines()
        for message in MESSAGES[title]:
            assert any(shows(line, message) for line in shown), message
    assert ".. code-block::" in fix
    assert re.search(r":(doc|ref|func):`", avoid)


def shows(line, message):
    """Tell whether a shown line has a message; both may have dots for what varies."""
    return bool(set(line) - {"."}) and (
        difference(f"...{message}...", line) is None or difference(line, message) is None
    )


@pytest.fixture
def seen(request):
    """A function that wants the message in the title of this test's section in an output."""
    name = f".. tested-by:: tests/evidence/test_troubleshooting.py::{request.node.originalname}\n"
    (title,) = [title for title, text in SECTIONS.items() if name in text + "\n"]

    def look(output, number=0):
        message = MESSAGES[title][number]
        assert difference(f"...{message}...", output) is None, output

    return look


@pytest.fixture
def open_folder():
    """A new folder in which every user may do what they want."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "my_bucket").mkdir()
        (folder / "my_bucket").chmod(0o777)
        yield folder
        abandon_below(folder)


@pytest.fixture
def root():
    """Leave out, loudly, what only root can do."""
    if os.geteuid():
        pytest.skip("only root can become another user, or make devices")


def run(command, directory, **environment):
    """Run a command in bash with a time limit, and return its exit status and what it said."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=directory,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            status = process.wait(LIMIT)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        return status, output.read().decode(errors="replace")


def run_apart(command, directory):
    """Run a command as root where its mounts are seen by nobody else; say what it has mounted."""
    command += "; status=$?; findmnt --mountpoint my_bucket && umount -l my_bucket; exit $status"
    return run(f"unshare --mount bash -c '{command}'", directory)


def assert_mounted_by_a_user(said):
    """Find the mount of an ordinary user in what `run_apart` returns."""
    assert re.search("fuse.s3fs.*user_id=65534", said), said


def s3fs(mount_point, *options, url, bucket="climate-data"):
    """Write an ``s3fs`` command."""
    words = [f"-o {option}" for option in (f"url={url}", "use_path_request_style", *options)]
    return " ".join(["s3fs", bucket, str(mount_point), *words])


def log_of(mount_point, *options, until, url, bucket="climate-data", **environment):
    """Let ``s3fs`` try to mount, wait for words in its log, and end it; return the log."""
    log = mount_point.parent / "s3fs.log"
    log.touch()
    command = s3fs(
        mount_point, "dbglevel=err", f"logfile={log}", "retries=1", *options, url=url, bucket=bucket
    )
    process = subprocess.Popen(
        [*command.split(), "-f"],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + LIMIT
        while until not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
        mount_table.abandon(mount_point)
    return log.read_text()


def mounts_in_vain(mount_point, *, url, bucket="climate-data"):
    """Mount what the store refuses: an error of ours; of s3fs status 0, and nothing is mounted."""
    with pytest.raises(StoreError):
        mount(bucket, mount_point)
    assert mount_table.topmost(mount_point) is None
    if s3fs_version(find_s3fs()) >= MOUNTS_WHAT_IS_REFUSED:
        return
    status, said = run(s3fs(mount_point, url=url, bucket=bucket), mount_point.parent)
    assert (status, said) == (0, "")
    deadline = time.monotonic() + LIMIT
    while mount_table.topmost(mount_point) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mount_table.topmost(mount_point) is None


def assert_it_hangs_until_it_is_killed(mount_point):
    """Look into a mount; end its ``s3fs`` as the page says; then the look must come back."""
    (process,) = mount_table.servers(mount_point)
    with subprocess.Popen(["ls", mount_point], stderr=subprocess.DEVNULL) as look:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                look.wait(2)
        finally:
            process.kill()
            run(f"umount -l {mount_point}", "/")
        assert look.wait(LIMIT)
    psutil.wait_procs([process], timeout=LIMIT)


# -- Installing ------------------------------------------------------------------------------------


def test_a_device_that_may_not_be_opened(root, sandbox, open_folder, seen):
    mount_it = f"{NOBODY} {s3fs('my_bucket', url=sandbox.endpoint)}"
    devices = (
        "mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3"
        " && mknod -m 600 /dev/fuse c 10 229"
    )
    status, said = run_apart(f"{devices} && {mount_it}", open_folder)
    assert status
    seen(said)
    _, said = run_apart(f"{devices} && chmod 666 /dev/fuse && {mount_it}", open_folder)
    assert_mounted_by_a_user(said)


def test_no_right_to_mount(sandbox, mount_point, seen):
    """Without the capability, and without what would give it to an ordinary user's program."""
    taken_away = "--no-new-privs" if os.geteuid() else "--bounding-set -sys_admin"
    status, said = run(f"setpriv {taken_away} {s3fs(mount_point, url=sandbox.endpoint)}", "/")
    assert status
    # The page tells that FUSE 3 says it under the new name.
    seen(said.replace("fusermount3:", "fusermount:"))


# -- Mounting --------------------------------------------------------------------------------------


@pytest.mark.proves("C14")
def test_a_mistyped_bucket(sandbox, mount_point, seen):
    log = log_of(mount_point, until="NoSuchBucket", url=sandbox.endpoint, bucket="climate-dta")
    seen(log, 0)
    seen(log, 1)
    mounts_in_vain(mount_point, url=sandbox.endpoint, bucket="climate-dta")


@pytest.mark.proves("C14")
def test_a_refused_bucket(sandbox, mount_point, seen):
    with sandbox.failing("ListObjects", "HeadBucket", "HeadObject"):
        log = log_of(mount_point, until="Check bucket failed", url=sandbox.endpoint)
        seen(log, 0)
        seen(log, 1)
        mounts_in_vain(mount_point, url=sandbox.endpoint)


class Store(http.server.ThreadingHTTPServer):
    """A store with one empty bucket that refuses some requests."""

    def __init__(self, refusal):
        super().__init__(("127.0.0.1", 0), Answer)
        self.refusal = refusal

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """Keep quiet about clients that are gone."""

    @property
    def port(self):
        return self.server_address[1]


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    listing = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<IsTruncated>false</IsTruncated></ListBucketResult>"
    )

    def do_GET(self):
        status, text = self.server.refusal(self.headers) or (200, self.listing)
        body = f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep quiet."""


def ask(url, **arguments):
    """Ask a store by boto3, and return what it says."""
    s3 = boto3.client("s3", endpoint_url=url, **arguments)
    try:
        return str(s3.list_objects_v2(Bucket="climate-data"))
    except ClientError as error:
        return str(error)


def test_a_clock_that_is_wrong(sandbox, mount_point, seen):
    """As on a real store: requests whose time is off by more than 15 minutes are refused."""
    off = datetime.timedelta(hours=1)

    def too_late(headers):
        if "x-amz-date" not in headers:
            return 403, "<Error><Code>AccessDenied</Code></Error>"
        sent = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + off
        if abs(now - sent) < datetime.timedelta(minutes=15):
            return None
        return 403, (
            "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request"
            " time and the current time is too large.</Message></Error>"
        )

    with Store(too_late) as store:
        url = f"http://127.0.0.1:{store.port}"
        seen(log_of(mount_point, until="RequestTimeTooSkewed", url=url))
        seen(ask(url))
        off = datetime.timedelta()
        assert "ListObjectsV2" not in ask(url)
        assert_usable(mount_point, url=url)


def test_a_token_that_has_expired(sandbox, mount_point, seen):
    """As on a real store: a request with an old token is refused, one with another is not."""

    def expired(headers):
        if headers.get("x-amz-security-token", "") != "old":
            return None
        return 400, "<Error><Code>ExpiredToken</Code></Error>"

    with Store(expired) as store:
        url = f"http://127.0.0.1:{store.port}"
        seen(log_of(mount_point, until="ExpiredToken", url=url, AWS_SESSION_TOKEN="old"))
        assert_usable(mount_point, url=url, AWS_SESSION_TOKEN="new")


def assert_usable(mount_point, *options, url, bucket="climate-data", **environment):
    """Mount, look into it, and unmount."""
    command = s3fs(mount_point, *options, url=url, bucket=bucket)
    assert run(command, "/", **environment) == (0, "")
    try:
        assert run(f"ls {mount_point}", "/") == (0, "")
    finally:
        assert run(f"umount {mount_point}", "/") == (0, "")


def test_a_wrong_region(sandbox, mount_point, seen):
    """As on a real store: a request must be signed for the region of the bucket."""

    def wrong_region(headers):
        signed_for = re.search(r"/\d{8}/(.*?)/s3/", headers.get("Authorization", ""))
        if signed_for and signed_for[1] == "eu-west-1":
            return None
        found = signed_for[1] if signed_for else ""
        return 400, (
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is"
            f" malformed; the region '{found}' is wrong; expecting 'eu-west-1'</Message>"
            "<Region>eu-west-1</Region></Error>"
        )

    with Store(wrong_region) as store:
        url = f"http://127.0.0.1:{store.port}"
        log = log_of(mount_point, "endpoint=us-east-2", until="expecting", url=url)
        seen(log, 0)
        assert "expecting 'eu-west-1'" in log
        assert "ResponseMetadata" in ask(url, region_name="us-east-2"), "boto3 follows by itself"
        assert_usable(mount_point, "endpoint=eu-west-1", url=url)

    elsewhere = "<Error><Code>PermanentRedirect</Code></Error>"
    with Store(lambda headers: (301, elsewhere)) as store:
        url = f"http://127.0.0.1:{store.port}"
        seen(log_of(mount_point, until="PermanentRedirect", url=url), 1)


def test_a_bucket_name_with_dots(sandbox, mount_point, seen):
    """The certificate is for every bucket of the store, but not for one with dots."""
    certificate = make_certificate(sandbox.directory, "localhost", "*.store.test")
    with Store(lambda headers: None) as store:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        store.socket = context.wrap_socket(store.socket, server_side=True)

        client = ssl.create_default_context(cafile=certificate)

        def greet(host):
            address = ("127.0.0.1", store.port)
            with (
                socket.create_connection(address) as connection,
                client.wrap_socket(connection, server_hostname=host),
            ):
                pass

        greet("climate-data.store.test")
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            greet("climate.data.store.test")
        if shutil.which("curl"):
            name = f"climate.data.store.test:{store.port}"
            curl = f"curl --cacert {certificate} --resolve {name}:127.0.0.1 https://{name}"
            status, said = run(curl, "/")
            assert status == 60
            assert re.search(
                "no alternative certificate subject name matches target host ?name", said
            )
        assert_usable(
            mount_point,
            url=f"https://localhost:{store.port}",
            bucket="climate.data",
            CURL_CA_BUNDLE=str(certificate),
        )
    status, said = run(f"s3fs climate.data {mount_point} -o url=https://store.test", "/")
    assert status == 1
    seen(said)


def test_a_directory_of_another_user(root, sandbox, open_folder, seen):
    (open_folder / "my_bucket").chmod(0o755)
    command = s3fs("my_bucket", url=sandbox.endpoint)
    status, said = run(f"{NOBODY} {command}", open_folder)
    assert status == 1
    seen(said)
    (open_folder / "my_bucket").chmod(0o777)
    _, said = run_apart(f"{NOBODY} {command}", open_folder)
    assert_mounted_by_a_user(said)


@pytest.mark.proves("C12")
def test_a_directory_that_is_not_empty(sandbox, mount_point, seen):
    (mount_point / "mine.txt").write_text("mine")
    status, said = run(s3fs(mount_point, url=sandbox.endpoint), "/")
    if status:
        seen(said)
    else:
        assert os.listdir(mount_point) == ["air_temp.pp"]
        run(f"umount {mount_point}", "/")
    assert os.listdir(mount_point) == ["mine.txt"]


def test_sharing_that_is_not_allowed(root, sandbox, open_folder, seen):
    mount_it = f"{NOBODY} {s3fs('my_bucket', 'allow_other', url=sandbox.endpoint)}"
    configuration = open_folder / "fuse.conf"
    bind = f"touch /etc/fuse.conf && mount --bind {configuration} /etc/fuse.conf"
    configuration.write_text("# nothing is allowed\n")
    status, said = run_apart(f"{bind} && {mount_it}", open_folder)
    assert status
    seen(said)
    configuration.write_text("user_allow_other\n")
    _, said = run_apart(f"{bind} && {mount_it}", open_folder)
    assert_mounted_by_a_user(said)


def test_an_unknown_type(root, mount_point, seen):
    status, said = run(f"mount -t s3fs climate-data {mount_point}", "/")
    assert status == 32
    seen(said)


# -- Looking ---------------------------------------------------------------------------------------


def test_a_mount_that_hangs(sandbox, mount_point, seen):
    """A daemon that is stopped does not answer, as one that waits for ever does not."""
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    process.suspend()
    assert_it_hangs_until_it_is_killed(mount_point)
    assert mount_table.topmost(mount_point) is None


@pytest.mark.proves("C16")
def test_a_mount_of_another_user(root, sandbox, open_folder, seen):
    path = open_folder / "my_bucket"
    with mount(sandbox.source, path):
        status, said = run(f"{NOBODY} ls my_bucket", open_folder)
        assert status
        seen(said)
    with mount(sandbox.source, path, ["allow_other"]):
        status, said = run(f"{NOBODY} cat my_bucket/air_temp.pp", open_folder)
        assert status
        seen(said)
    with mount(sandbox.source, path, ["allow_other", "umask=0022"]):
        assert run(f"{NOBODY} ls my_bucket", open_folder) == (0, "air_temp.pp\n")


def test_an_object_that_may_be_listed_and_not_read(sandbox, mount_point):
    """The bucket is listed without a key, and one object of two is public."""
    sandbox.add_file(sample_path("air_temp.pp"), "private.pp")
    sandbox.client.put_object_acl(Bucket=sandbox.bucket, Key="air_temp.pp", ACL="public-read")
    with mount(sandbox.source, mount_point, ["public_bucket=1"]):
        status, said = run("ls -l --time-style=+ .", mount_point)
        assert os.path.getsize(mount_point / "air_temp.pp") == 28304
        # It has no permissions, which root does not need.
        refused = contextlib.nullcontext() if os.geteuid() == 0 else pytest.raises(PermissionError)
        with refused:
            assert (mount_point / "private.pp").read_bytes() == b""
    shown = dict(re.findall(r"(?m)^\S+ +1 +\S+ +\S+ +(\d+) +(\S+)$", said))
    version = s3fs_version(find_s3fs())
    if version < (1, 95):
        assert (status, shown) == (0, {"28304": "air_temp.pp", "0": "private.pp"})
    elif version < (1, 97):
        assert "reading directory '.': Operation not permitted" in said
        assert (status, shown) == (2, {})
    else:
        assert (status, shown) == (0, {"28304": "air_temp.pp"})


def test_a_listing_asks_for_each_file(sandbox, mount_point):
    for number in range(20):
        sandbox.add_file(sample_path("air_temp.pp"), f"{number}.pp")
    with mount(sandbox.source, mount_point):
        with sandbox.traffic() as traffic:
            run("ls --color=never my_bucket", sandbox.directory)
        assert traffic.operations["HeadObject"] >= 20
        with sandbox.traffic() as traffic:
            run("ls -l my_bucket", sandbox.directory)
        assert traffic.operations.get("HeadObject", 0) <= 1, "for 900 seconds"
    with sandbox.traffic() as traffic:
        boto3.client("s3").list_objects_v2(Bucket=sandbox.bucket)
    assert traffic.requests == 1


# -- Reading ---------------------------------------------------------------------------------------


@pytest.mark.proves("C24")
def test_a_small_read_moves_a_whole_file(sandbox, mount_point):
    size = 30_000_000
    boto3.client("s3").put_object(Bucket=sandbox.bucket, Key="large", Body=bytes(size))
    with mount(sandbox.source, mount_point), sandbox.traffic() as traffic:
        run("head --bytes 1000 my_bucket/large", sandbox.directory)
    assert traffic.bytes_down >= size


def test_a_store_that_fails(sandbox, mount_point, seen):
    with mount(sandbox.source, mount_point, ["retries=1"]):
        with sandbox.failing("GetObject", status=503):
            status, said = run("cat my_bucket/air_temp.pp", sandbox.directory)
        assert status == 1
        seen(said)
        status, _ = run("cat my_bucket/air_temp.pp > copy.pp", sandbox.directory)
        assert status == 0


# -- Saving ----------------------------------------------------------------------------------------

SAVE = """
import sys, iris
iris.save(iris.load_cube(sys.argv[1]), sys.argv[2])
"""


def save(sandbox, name):
    """Save a cube onto the mount, in a Python of its own."""
    (sandbox.directory / "save.py").write_text(SAVE)
    source = sample_path("air_temp.pp")
    return run(f"{sys.executable} save.py {source} my_bucket/{name}", sandbox.directory)


@pytest.mark.proves("C37")
def test_a_refused_save(sandbox, mount_point, seen):
    with mount(sandbox.source, mount_point):
        with sandbox.failing("PutObject"):
            status, said = run("cp my_bucket/air_temp.pp my_bucket/copy.pp", sandbox.directory)
            assert status == 1
            seen(said)
            status, said = save(sandbox, "saved.pp")
            assert status == 1
            assert "PermissionError" in said
            seen(said)
            assert run("echo hello > my_bucket/hello.txt", sandbox.directory) == (0, "")
        assert list(sandbox.sizes()) == ["air_temp.pp"]
        assert run("cp my_bucket/air_temp.pp my_bucket/copy.pp", sandbox.directory) == (0, "")
    assert "copy.pp" in sandbox.sizes()


def test_a_full_disk(root, sandbox, mount_point, seen):
    small = sandbox.directory / "small"
    small.mkdir()
    (sandbox.directory / "large").write_bytes(bytes(60_000_000))
    run(f"mount -t tmpfs -o size=40M tmpfs {small}", "/")
    try:
        options = [f"tmpdir={small}", "multipart_size=5", "parallel_count=2"]
        with mount(sandbox.source, mount_point, [*options, "nomultipart"]):
            status, said = run("cp large my_bucket/large", sandbox.directory)
        assert status == 1
        seen(said)
        with mount(sandbox.source, mount_point, options):
            status, said = run("cp large my_bucket/large", sandbox.directory)
        assert status == 0 or "Input/output error" in said
    finally:
        run(f"umount {small}", "/")
    with mount(sandbox.source, mount_point):
        assert run("cp large my_bucket/large", sandbox.directory) == (0, "")


# -- Unmounting ------------------------------------------------------------------------------------


def test_unmounting_what_is_not_yours(root, sandbox, open_folder, seen):
    with mount(sandbox.source, open_folder / "my_bucket"):
        status, said = run(f"{NOBODY} umount my_bucket", open_folder)
    assert status == 32
    seen(said)


def test_unmounting_what_is_not_there(open_folder, seen):
    status, said = run("umount my_bucke", open_folder)
    assert status
    seen(said, number=1 if os.geteuid() else 0)
    if not os.geteuid():
        seen(run(f"{NOBODY} umount my_bucke", open_folder)[1], number=1)
