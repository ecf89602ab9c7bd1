"""OpenStack Swift with its S3 layer, all on one node, from Debian's packages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from stores import debian
from stores.serving import HOST, Authority, Served, free_ports, output, processes

NAME = "OpenStack Swift"
_PACKAGES = ("swift-proxy", "swift-account", "swift-container", "swift-object", "memcached")
_KEY, _SECRET = "test:reader", "swift-secret"
_REGION = "RegionOne"
"""OpenStack's own default; what Swift takes without a setting is us-east-1."""

_RUN = """
import runpy, sys
import swift.common.utils as utils
utils.SWIFT_CONF_FILE = sys.argv[1]
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program of Swift with another file than /etc/swift/swift.conf."""

_COMMON = """\
[swift-hash]
swift_hash_path_prefix = made-up
swift_hash_path_suffix = made-up
[storage-policy:0]
name = gold
default = yes
"""
_SERVER = """\
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
log_address = {folder}/no-log
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = """\
[DEFAULT]
swift_dir = {folder}
bind_ip = {host}
bind_port = {port}
workers = 0
user = {user}
log_address = {folder}/no-log
{secure}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth copy slo dlo \
versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = {host}:{cache}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = {region}
[filter:tempauth]
use = egg:swift#tempauth
user_test_reader = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
"""


@contextlib.contextmanager
def start(folder: Path, authority: Authority) -> Iterator[Served]:
    """Run its servers, with a proxy for each transport, for the block."""
    root = debian.unpack("swift", *_PACKAGES)
    environment = debian.environment(root)
    common = folder / "swift.conf"
    common.write_text(_COMMON)
    swift = [debian.PYTHON, "-c", _RUN, common]
    cache, http, https, *ports = free_ports(6)
    (folder / "devices/disk").mkdir(parents=True)
    given = {"folder": folder, "host": HOST, "user": folder.owner()}
    with processes(folder, environment) as started:
        for kind, port in zip(("object", "container", "account"), ports, strict=True):
            builder = [*swift, root / "usr/bin/swift-ring-builder", folder / f"{kind}.builder"]
            output([*builder, "create", "4", "1", "1"], environment)
            output([*builder, "add", f"r1z1-{HOST}:{port}/disk", "1"], environment)
            output([*builder, "rebalance"], environment)
            settings = folder / f"{kind}.conf"
            settings.write_text(_SERVER.format(**given, kind=kind, port=port))
            started.start(kind, [*swift, root / f"usr/bin/swift-{kind}-server", settings])
        memory = ["-u", given["user"], "-l", HOST, "-p", str(cache)]
        started.start("cache", [root / "usr/bin/memcached", *memory])
        urls = {}
        tls = f"cert_file = {authority.chain}\nkey_file = {authority.key}"
        for transport, port, secure in (("http", http, ""), ("https", https, tls)):
            settings = folder / f"{transport}.conf"
            settings.write_text(
                _PROXY.format(
                    **given,
                    port=port,
                    cache=cache,
                    secure=secure,
                    region=_REGION,
                    secret=_SECRET,
                )
            )
            started.start(transport, [*swift, root / "usr/bin/swift-proxy-server", settings])
            urls[transport] = f"{transport}://{HOST}:{port}"
            started.await_answer(transport, f"{urls[transport]}/healthcheck")
        asked = [debian.PYTHON, "-c", "import swift; print(swift.__version__)"]
        version = output(asked, environment).strip()
        region = f"AWS_DEFAULT_REGION={_REGION}"
        yield Served(version, urls, _KEY, _SECRET, _REGION, settings=(region,))
