"""Ceph with its RADOS Gateway, all on one node and in memory, from Debian's packages."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from stores import debian
from stores.kinds import KINDS
from stores.serving import (
    HOST,
    Authority,
    NotTriedError,
    Served,
    free_ports,
    output,
    processes,
)

NAME = "Ceph RGW"
_PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
_KEY, _SECRET = "gateway-key", "gateway-secret"
_TENANT, _PARTNER = "partners", ("partner-key", "partner-secret")
_VARIABLES = ("TENANT", "TENANT_KEY", "TENANT_SECRET")
_GATEWAY = "client.rgw.here"
_START_LIMIT = 120

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:{host}:{monitor}/0]
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.sock
crash dir = {folder}
log file =
pid file =
plugin dir = {libraries}/ceph
erasure code dir = {libraries}/ceph/erasure-code
osd class dir = {libraries}/rados-classes
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default size = 1
[mon.a]
mon data = {folder}/mon
[osd.0]
osd crush update on start = false
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[{gateway}]
rgw data = {folder}/rgw
rgw enable usage log = false
rgw frontends = beast endpoint={host}:{http} ssl_endpoint={host}:{https} \
ssl_certificate={chain} ssl_private_key={key}
"""
_RIGHTS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    _GATEWAY: {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"},
}


@contextlib.contextmanager
def start(folder: Path, authority: Authority) -> Iterator[Served]:
    """Run a monitor, a disk in memory, and a gateway for both transports, for the block."""
    root = debian.unpack("ceph", *_PACKAGES)
    (libraries,) = root.glob("usr/lib/*-linux-gnu*/ceph")
    monitor, http, https = free_ports(3)
    fsid = str(uuid.uuid4())
    settings = folder / "ceph.conf"
    settings.write_text(
        _CONFIGURATION.format(
            fsid=fsid,
            host=HOST,
            folder=folder,
            gateway=_GATEWAY,
            monitor=monitor,
            http=http,
            https=https,
            libraries=libraries.parent,
            chain=authority.chain,
            key=authority.key,
        )
    )
    environment = debian.environment(root) | {"CEPH_CONF": str(settings)}
    cluster = _Cluster(root, environment)
    for one in ("mon", "osd", "rgw"):
        (folder / one).mkdir()
    keyring = folder / "keyring"
    for name, rights in _RIGHTS.items():
        caps = [word for to, right in rights.items() for word in ("--cap", to, right)]
        new = [] if keyring.exists() else ["--create-keyring"]
        cluster.run("ceph-authtool", keyring, *new, "--gen-key", "-n", name, *caps)
    address = f"[v2:{HOST}:{monitor}]"
    a_map = folder / "monmap"
    cluster.run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, a_map)
    cluster.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", a_map, "--keyring", keyring)
    with processes(folder, environment) as started:
        started.start("monitor", [cluster.path("ceph-mon"), "-i", "a", "-f"])
        cluster.await_answer("", "auth", "import", "-i", keyring)
        disk = str(uuid.uuid4())
        for words in (
            ["osd", "new", disk, "0"],
            ["osd", "crush", "add-bucket", "default", "root"],
            ["osd", "crush", "add-bucket", "here", "host"],
            ["osd", "crush", "move", "here", "root=default"],
            ["osd", "crush", "add", "osd.0", "1.0", "host=here"],
        ):
            cluster.run("ceph", *words)
        cluster.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        started.start("disk", [cluster.path("ceph-osd"), "-i", "0", "-f"])
        cluster.await_answer("1 up", "osd", "stat")
        started.start("gateway", [cluster.path("radosgw"), "-n", _GATEWAY, "-f"])
        urls = {"http": f"http://{HOST}:{http}", "https": f"https://{HOST}:{https}"}
        for url in urls.values():
            started.await_answer("gateway", url)
        cluster.make_user("reader", _KEY, _SECRET)
        cluster.make_user("partner", *_PARTNER, f"--tenant={_TENANT}")
        version = json.loads(cluster.run("ceph", "version", "--format=json"))["version"].split()[2]
        tenant = dict(zip(_VARIABLES, (_TENANT, *_PARTNER), strict=True))
        yield Served(version, urls, _KEY, _SECRET, kinds=tuple(KINDS), tenant=tenant)


class _Cluster:
    """Commands to a cluster."""

    def __init__(self, root: Path, environment: Mapping[str, str]):
        self._root = root
        self._environment = environment

    def path(self, program: str) -> Path:
        """Find a program."""
        return self._root / "usr/bin" / program

    def run(self, program: str, *words: str | Path) -> str:
        """Run a command, and return what it says."""
        return output([self.path(program), *words], self._environment)

    def make_user(self, name: str, key: str, secret: str, *words: str) -> None:
        """Make a user of the gateway."""
        keys = [f"--access-key={key}", f"--secret={secret}"]
        who = [f"--uid={name}", f"--display-name={name}"]
        self.run("radosgw-admin", "user", "create", *who, *keys, *words)

    def await_answer(self, wanted: str, *words: str | Path) -> None:
        """Ask again and again until there is an answer that has some words."""
        deadline = time.monotonic() + _START_LIMIT
        while time.monotonic() < deadline:
            asked = [self.path("ceph"), "--connect-timeout", "5", *words]
            done = subprocess.run(asked, env=self._environment, capture_output=True, text=True)
            if not done.returncode and wanted in done.stdout:
                return
            time.sleep(0.5)
        raise NotTriedError(f"ceph {' '.join(map(str, words))} fails: {done.stderr[-500:]}")
