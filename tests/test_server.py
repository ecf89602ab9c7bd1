import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request

import boto3
import psutil
import pytest

from benchmarks import build, soak
from s3_mounts import mount_table
from s3_sandbox import SandboxError
from s3_sandbox.server import Server


def connections(url):
    port = int(url.rpartition(":")[2])
    return [c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port]


def test_it_listens_on_the_loopback_interface_only(server):
    listening = [c for c in connections(server.url) if c.status == psutil.CONN_LISTEN]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]


def test_the_benchmarks_tell_it_from_other_processes(server):
    (listening,) = [c for c in connections(server.url) if c.status == psutil.CONN_LISTEN]
    process = psutil.Process(listening.pid)
    assert (build.kind(process), soak.kind(process)) == ("moto", "server")


def test_it_runs_in_a_process_of_its_own(server):
    listening = [c for c in connections(server.url) if c.status == psutil.CONN_LISTEN]
    assert listening[0].pid != os.getpid()


def test_a_taken_port_is_a_clear_error_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"port {port}(.|\n)*in use"):
            Server(port)
    assert list(tmp_path.iterdir()) == []


def test_stop_removes_its_folder_and_may_be_called_twice():
    server = Server()
    (server.directory / "file").touch()
    server.stop()
    server.stop()
    assert not server.directory.exists()


def test_an_answer_that_the_client_breaks_off_counts_only_for_what_was_sent(sandbox, server):
    size = 50_000_000
    boto3.client("s3").put_object(Bucket=sandbox.bucket, Key="large", Body=bytes(size))
    url = boto3.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": sandbox.bucket, "Key": "large"}
    )
    with sandbox.traffic() as traffic:
        answer = urllib.request.urlopen(url)
        answer.read(1000)
        answer.close()
    assert traffic.operations == {"GetObject": 1}
    assert 1000 <= traffic.bytes_down < size / 2


def test_ranges_and_copies_of_a_large_object_cost_the_server_no_more_than_small_ones(
    server, sandbox
):
    """moto alone keeps it in a file, reads it whole for each range, and gives it to each copy."""
    (listening,) = [c for c in connections(server.url) if c.status == psutil.CONN_LISTEN]
    process = psutil.Process(listening.pid)
    s3, size = sandbox.client, 64 * 2**20
    before = process.memory_info().rss
    s3.put_object(Bucket=sandbox.bucket, Key="large", Body=bytes(range(256)) * (size // 256))
    read = process.io_counters().read_chars
    for number in range(10):
        first = number * size // 10
        part = s3.get_object(Bucket=sandbox.bucket, Key="large", Range=f"bytes={first}-{first + 1}")
        assert part["Body"].read() == bytes([first % 256, (first + 1) % 256])
        source = {"Bucket": sandbox.bucket, "Key": "large"}
        s3.copy_object(Bucket=sandbox.bucket, Key=f"copy_{number}", CopySource=source)
    assert process.io_counters().read_chars - read < size / 10
    assert process.memory_info().rss - before < 4 * size
    assert sandbox.sizes()["copy_9"] == size


def test_the_memory_of_what_is_replaced_or_removed_is_given_back(sandbox, server):
    (listening,) = [c for c in connections(server.url) if c.status == psutil.CONN_LISTEN]
    process = psutil.Process(listening.pid)
    before = process.memory_full_info().uss
    place = {"Bucket": sandbox.bucket, "Key": "large"}
    for _ in range(3):
        sandbox.client.put_object(**place, Body=bytes(50_000_000))
        sandbox.client.get_object(**place)["Body"].read()
    full = process.memory_full_info().uss
    sandbox.client.delete_object(**place)
    after = process.memory_full_info().uss
    assert 45e6 < full - before < 75e6
    assert after - before < 25e6


def test_a_key_and_its_metadata_come_back_as_they_were_given(sandbox):
    """A server may drop names with an underscore, or take a slash for the end of a key."""
    for key in ("a/b", "a//b", "/a", "a/", "a b", "a+b", "a%2Fb", "ä", "a?b=c&d"):
        place = {"Bucket": sandbox.bucket, "Key": key}
        names = {"my_name": "1", "my-name": "2"}
        sandbox.client.put_object(**place, Body=key.encode(), Metadata=names)
        answer = sandbox.client.get_object(**place)
        assert answer["Body"].read() == key.encode()
        assert answer["Metadata"].items() >= {"my-name": "2"}.items()
        sandbox.client.put_object(**place, Metadata={"my_name": "1"})
        assert sandbox.client.head_object(**place)["Metadata"] == {"my_name": "1"}


def test_a_body_that_is_cut_off_is_not_stored(sandbox, server):
    address = sandbox.client.generate_presigned_url(
        "put_object", Params={"Bucket": sandbox.bucket, "Key": "cut_off"}
    )
    host, port = server.url.removeprefix("http://").split(":")
    with sandbox.traffic() as traffic, socket.create_connection((host, int(port))) as writer:
        path = address.removeprefix(server.url)
        writer.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\n".encode())
        writer.sendall(b"Content-Length: 1000\r\n\r\n" + bytes(10))
        writer.shutdown(socket.SHUT_WR)
        assert b" 400 " in writer.makefile("rb").readline()
    assert "cut_off" not in sandbox.sizes()
    assert (traffic.operations, traffic.bytes_up) == ({"PutObject": 1}, 10)


def test_a_connection_serves_one_request_after_another(sandbox, server):
    """A real store keeps it, too; to open one for each request costs more than to answer it."""
    address = server.url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(address)) as connection:
        ports, answers = set(), []
        for method in ("PUT", "HEAD", "GET", "DELETE", "HEAD", "PUT", "GET"):
            server.fail({"PutObject": 503} if len(answers) == 5 else {})
            url = sandbox.client.generate_presigned_url(
                f"{method.lower()}_object", Params={"Bucket": sandbox.bucket, "Key": "one"}
            )
            body = b"content" if method == "PUT" else None
            connection.request(method, url.removeprefix(server.url), body)
            answer = connection.getresponse()
            answers.append((method, answer.status, answer.read()[:7]))
            ports.add(connection.sock.getsockname())
    assert answers == [
        ("PUT", 200, b""),
        ("HEAD", 200, b""),
        ("GET", 200, b"content"),
        ("DELETE", 204, b""),
        ("HEAD", 404, b""),
        ("PUT", 503, b"<Error>"),
        ("GET", 404, b"<?xml v"),
    ]
    assert len(ports) == 1


def test_a_client_that_waits_to_send_a_body_is_asked_for_it_at_once(sandbox, server):
    address = sandbox.client.generate_presigned_url(
        "put_object", Params={"Bucket": sandbox.bucket, "Key": "asked_for"}
    )
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as writer:
        path = address.removeprefix(server.url)
        writer.sendall(f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\n".encode())
        writer.sendall(b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        answers = writer.makefile("rb")
        assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
        writer.sendall(b"12345")
        assert answers.readline() == b"\r\n"
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
    assert sandbox.sizes()["asked_for"] == 5


def test_the_count_is_that_of_the_log(server):
    before = server.settle()
    urllib.request.urlopen(server.url).close()
    assert server.settle() == before + 1
    assert len(server.requests()) == before + 1
    assert len(server.requests(since=before)) == 1


def test_where_nothing_was_asked_since_nothing_is_waited_for(server, monkeypatch):
    before = server.settle()
    urllib.request.urlopen(server.url).close()
    assert server.settle(seen=server.settled) == before + 1, "something was asked"
    monkeypatch.setattr("s3_sandbox.server.time.sleep", None)
    assert server.settle(seen=server.settled) == before + 1


def test_waiting_for_requests_that_do_not_end_is_a_clear_error(server, monkeypatch):
    monkeypatch.setattr("s3_sandbox.server._SETTLE_LIMIT", 0.2)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(
            b"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request\r\n"
            b"\r\n"
        )
        time.sleep(0.3)
        with pytest.raises(SandboxError, match="still under way"):
            server.requests()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent_and_leaves_nothing(ending):
    """However the parent ends: no server, no mount, no s3fs, no folder is left."""
    program = textwrap.dedent(
        """
        import sys, time
        from s3_mounts import mount
        from s3_sandbox import start_sandbox
        sandbox = start_sandbox("climate-data")
        (sandbox.directory / "m").mkdir()
        mount(sandbox.source, sandbox.directory / "m")
        sandbox.shell("mkdir n && s3fs climate-data n")
        print(sandbox.directory, flush=True)
        time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    lines = iter(parent.stdout.readline, "")
    folder = next(line.strip() for line in lines if line.startswith("/"))
    working = [p for p in psutil.process_iter() if folder.rpartition("/")[0] in words(p)]
    assert len(working) == 3, "the server and two s3fs"
    assert len(mounts_below(folder)) == 2
    parent.send_signal(ending)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(working, timeout=20)
    assert not alive
    assert not mounts_below(folder)
    assert not os.path.exists(folder)


def words(process):
    try:
        return " ".join([*process.cmdline(), process.environ().get("PWD", "")])
    except psutil.Error:
        return ""


def mounts_below(folder):
    return [path for path in mount_table.mount_points() if path.is_relative_to(folder)]


def test_the_log_names_the_operation(sandbox):
    with sandbox.traffic() as traffic:
        boto3.client("s3").list_objects_v2(Bucket=sandbox.bucket)
    assert traffic.operations == {"ListObjects": 1}
