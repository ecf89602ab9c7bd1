"""What s3fs asks the metadata service of a machine that has a role.

The service is at an address that no machine outside of Amazon's has. s3fs takes a proxy for it from
the environment, which here is the service itself.
"""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from s3_mounts import MountError, mount
from s3_mounts.program import find_s3fs, s3fs_version

ROLES = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
ASKS_FOR_THE_NAME_WITH_A_TOKEN = (1, 95)
"""The oldest version that was seen to do so."""

KEYS = {"AccessKeyId": "ID", "SecretAccessKey": "SECRET", "Token": "SESSION"}
KEYS |= {"Code": "Success", "Expiration": "2099-01-01T00:00:00Z"}


class Service(BaseHTTPRequestHandler):
    """A metadata service that wants a token of whoever asks."""

    def answer(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.answer(200, "TOKEN")

    def do_GET(self):
        has_token = self.headers["X-aws-ec2-metadata-token"] == "TOKEN"
        self.server.asked.append((self.path.removeprefix(ROLES), has_token))
        if not has_token:
            self.answer(401)
        else:
            self.answer(200, "my-role" if self.path == ROLES else json.dumps(KEYS))

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("role", ["auto", "my-role"])
def test_the_name_of_a_role_is_asked_for_with_a_token_or_must_be_given(
    sandbox, mount_point, service, role, monkeypatch
):
    """Before 1.95 ``iam_role=auto`` mounts nothing, where the service wants a token."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{service.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    options = [f"iam_role={role}"]
    if role == "auto" and s3fs_version(find_s3fs()) < ASKS_FOR_THE_NAME_WITH_A_TOKEN:
        with pytest.raises(MountError, match="could not load IAM role name from meta data"):
            mount(sandbox.source, mount_point, options)
        assert service.asked == [("", False)]
        return
    with mount(sandbox.source, mount_point, options) as folder:
        assert os.listdir(folder) == ["air_temp.pp"]
    name = [("", True)] if role == "auto" else []
    assert service.asked == [*name, ("my-role", True)]
