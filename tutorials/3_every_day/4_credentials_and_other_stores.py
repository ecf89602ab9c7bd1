"""
Credentials and other stores
============================

See whose keys ``s3fs`` uses, mount buckets that you may only read, and subtract a cube in one
store from a cube in another.

* **You will learn** where ``s3fs`` looks for credentials and in which order, and how to mount a
  part of a bucket, a public bucket, and a bucket in a store that is not Amazon's.
* **You need** the ``s3fs`` program and FUSE.
  You need no S3 account: the lesson watches the server of the sandbox, so it does not run
  on a bucket of your own.
* **Time**: nine minutes to read.
"""

# %%
# A key has two parts: an *access key ID*, which says who you are, and a secret.
# Each request is signed with the secret, and names the ID.
# The sandbox's server writes that ID down, so you can see whose key was used.
# It accepts every key.

# sphinx_gallery_thumbnail_path = "_static/two_stores.svg"
import os
import secrets
import textwrap
from unittest.mock import patch

import boto3
import iris
import iris.analysis
import iris.quickplot as qplt
import matplotlib.pyplot as plt

from s3_mounts import StoreError, mount
from s3_sandbox import sample_path, start_sandbox
from s3_sandbox.server import Server

iris.FUTURE.date_microseconds = True

sandbox = start_sandbox(
    "climate-data",
    samples=["A1B_north_america.nc", "GloSea4/ensemble_001.pp"],
)
mount_point = sandbox.directory / "my_bucket"
mount_point.mkdir()

# %% C13
# A password file is private, or refused
# --------------------------------------
#
# A password file has one line, ``ID:SECRET``.

key_file = sandbox.directory / "key"
key_file.write_text(f"from-passwd-file:{secrets.token_hex(20)}\n")
sandbox.shell("chmod 644 key")
sandbox.shell(f"s3fs {sandbox.source} my_bucket -o passwd_file=key", status=1)

# %%
# Others could read it.
# Make it yours alone, and it is accepted.

sandbox.shell("chmod 600 key")
sandbox.shell(f"s3fs {sandbox.source} my_bucket -o passwd_file=key")
sandbox.shell("findmnt --output FSTYPE --mountpoint my_bucket")
sandbox.shell("umount my_bucket")

# %%
# Never write a secret on a command line: everybody on the machine can read it there.
#
# Whose key is used?
# ------------------
#
# On a machine that has been used for a while there are keys in several places.
# Put a different ID into each of them.

secret = secrets.token_hex(20)
profile_file = sandbox.directory / "credentials"
profile_file.write_text(
    "[team]\naws_access_key_id = from-profile\n"
    f"aws_secret_access_key = {secret}\n"
)
other_key = sandbox.directory / "other_key"
other_key.write_text(f"from-credential-file:{secret}\n")
sandbox.shell("chmod 600 credentials other_key")

environment = {
    "AWS_ACCESS_KEY_ID": "from-environment",
    "AWS_SECRET_ACCESS_KEY": secret,
}
profile = {
    "AWS_PROFILE": "team",
    "AWS_SHARED_CREDENTIALS_FILE": str(profile_file),
}
credential_file = {"AWS_CREDENTIAL_FILE": str(other_key)}

# %% C13
# Mount with each combination, and compare with what boto3 takes in the same environment.


def compare(label, variables, options=()):
    """Set environment variables for a while, and see whose key is used."""
    with patch.dict(os.environ, variables):
        for name in environment.keys() - variables.keys():
            os.environ.pop(name, None)
        with (
            mount(sandbox.source, mount_point, options, ask=False) as bucket,
            sandbox.traffic() as traffic,
        ):
            os.listdir(bucket)
        (of_s3fs,) = {request.access_key for request in traffic.log}
        of_boto3 = boto3.Session().get_credentials().access_key
    print(f"{label:<30}{of_s3fs:<22}{of_boto3}")


print(f"{'what is set':<30}{'s3fs':<22}boto3")
compare("environment", environment)
compare("environment, passwd_file", environment, [f"passwd_file={key_file}"])
compare(
    "environment, -o profile=team", environment | profile, ["profile=team"]
)
compare("environment, credential file", environment | credential_file)
compare("profile, credential file", profile | credential_file)

# %% C14
# Two of these surprise people.
#
# * **Keys in the environment win over a profile**, without a word, even over one that you ask for
#   with ``-o profile=``.
# * ``s3fs`` does not know the variables ``AWS_PROFILE`` and ``AWS_SHARED_CREDENTIALS_FILE``, which
#   boto3 does.
#
# This is the order. The first that exists is used.
# (On a machine of Amazon's, ``-o iam_role=auto`` uses the machine's role instead of any of
# them, and renews its credentials.)
#
# #. The option ``passwd_file``.
# #. ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, with ``AWS_SESSION_TOKEN`` if it is set.
# #. ``AWS_CREDENTIAL_FILE``, a password file.
# #. ``~/.aws/credentials``, and in it the profile given by ``-o profile=``, or ``default``.
#    ``~`` is the home of your account, even if ``HOME`` is another directory.
# #. ``$HOME/.passwd-s3fs``, then ``/etc/passwd-s3fs``.
#
# The table shows the first three, and that the environment comes before a profile.
# The files in your home are yours, so the lesson leaves them alone.
#
# The usual one is the fourth, the file that Amazon's own tools write.
# It has a section for each profile:
#
# .. code-block:: ini
#
#    [default]
#    aws_access_key_id = my-own-id
#    aws_secret_access_key = my-own-secret
#
#    [team]
#    aws_access_key_id = the-id-of-the-team
#    aws_secret_access_key = the-secret-of-the-team
#
# ``s3fs climate-data my_bucket`` takes the first, and with ``-o profile=team`` it takes the second.
#
# All of them are read once, when ``s3fs`` starts.
# When a session token has expired, mount anew.
#
# Wrong keys, wrong names
# -----------------------
#
# With a mistyped bucket, ``s3fs`` 1.90 says nothing and ends with status 0, and 1.96 and 1.97 mount
# something that hangs.
# :func:`s3_mounts.mount` asks the store first, and says what is wrong.


def try_to_mount(source):
    """Print why a bucket cannot be mounted."""
    try:
        mount(source, mount_point)
    except StoreError as error:
        words = str(error).replace(sandbox.endpoint, "STORE")
        print(textwrap.fill(words, 79), end="\n\n")


try_to_mount("climate-dta")
try_to_mount(f"{sandbox.bucket}:/GloSea5")
with sandbox.failing("ListObjects", "HeadBucket", status=403):
    try_to_mount(sandbox.source)

# %%
# May read, may not write
# -----------------------
#
# If you only want to read, say so with ``-o ro``.
# Then nothing in the bucket can change by accident.

sandbox.shell("echo hello > note.txt")
sandbox.shell(f"s3fs {sandbox.source} my_bucket -o ro")
sandbox.shell("cp note.txt my_bucket", status=1)
sandbox.shell("rm my_bucket/A1B_north_america.nc", status=1)
sandbox.shell("umount my_bucket")

# %%
# Without ``ro``, and with a key that may not write, you find out later: for a new file, when it is
# closed.

sandbox.shell(f"s3fs {sandbox.source} my_bucket")
with sandbox.failing("PutObject", status=403):
    sandbox.shell("cp note.txt my_bucket", status=1)
print("It is in the store:", "note.txt" in sandbox.sizes())
sandbox.shell("umount my_bucket")

# %% C01
# A part of a bucket
# ------------------
#
# ``BUCKET:/PREFIX`` mounts what is below a prefix.
# From 1.93 on, add ``-o compat_dir``: without it most prefixes are refused, and with 1.96 and 1.97
# the mount **hangs**.
# Older versions do not know that option.
# ``sandbox.shell`` and :func:`~s3_mounts.mount` add it for you, unseen.

sandbox.shell(f"s3fs {sandbox.bucket}:/{sandbox.prefix}GloSea4 my_bucket")
sandbox.shell("ls my_bucket")
sandbox.shell("umount my_bucket")

# %% C34
# Another store
# -------------
#
# Many institutes have a store of their own that understands S3: MinIO, Ceph and others.
# ``s3fs`` takes its address from the option ``url``, and not from ``AWS_ENDPOINT_URL`` as boto3
# does.
# Most want ``use_path_request_style`` as well: then the bucket's name is in the path of a request,
# not in the name of the server.
#
# Here is the store of a partner.
# It has a bucket with a scenario that you do not have, and one that is open to everybody.

partner = Server()
s3 = boto3.client("s3", endpoint_url=partner.url)
name = "E1_north_america.nc"
for bucket in ("partner-data", "open-data"):
    s3.create_bucket(Bucket=bucket)
    s3.upload_file(str(sample_path(name)), bucket, name)
s3.put_bucket_acl(Bucket="open-data", ACL="public-read")
s3.put_object_acl(Bucket="open-data", Key=name, ACL="public-read")

# %%
# Mount both stores at once: each mount has its own address and its own key.

partner_key = sandbox.directory / "partner_key"
partner_key.write_text(f"key-for-partner:{secret}\n")
sandbox.shell("chmod 600 partner_key")
sandbox.shell(f"mkdir partner && s3fs {sandbox.source} my_bucket")
partner_store = {"STORE": partner.url, "AWS_ENDPOINT_URL": partner.url}
before = len(partner.requests())
with patch.dict(os.environ, partner_store):
    sandbox.shell(
        "s3fs partner-data partner -o passwd_file=partner_key"
        " -o url=$STORE -o use_path_request_style"
    )
sandbox.shell("ls my_bucket partner")

# %%
# Two cubes, from two stores, with two keys.
# To Iris they are two files.


def last_30_years(path):
    """Load the mean from December 2069 to November 2099."""
    cube = iris.load_cube(path)[-30:]
    cube.remove_coord("forecast_period")  # it has no bounds to average over
    return cube.collapsed("time", iris.analysis.MEAN)


ours = last_30_years(mount_point / "A1B_north_america.nc")
theirs = last_30_years(sandbox.directory / "partner" / name)

plt.figure(figsize=(8, 4.6), layout="constrained")
qplt.contourf(ours - theirs, levels=range(6), cmap="YlOrRd", extend="max")
plt.gca().coastlines(resolution="110m")
plt.title(
    "Mean air temperature 2070–2099: A1B in our store minus E1 in theirs"
)
plt.show()

# %%
# The partner's log names the partner's key alone.

keys = {request.access_key for request in partner.requests(since=before)}
print("Keys that the partner has seen:", *keys)
sandbox.shell("umount my_bucket partner")

# %%
# A public bucket
# ---------------
#
# Open data need no key, and ``public_bucket=1`` says so.
# The requests are not signed.

before = len(partner.requests())
with patch.dict(os.environ, partner_store):
    sandbox.shell(
        "s3fs open-data partner -o public_bucket=1 -o ro"
        " -o url=$STORE -o use_path_request_style"
    )
again = last_30_years(sandbox.directory / "partner" / name)
print("The same data:", bool((again.data == theirs.data).all()))
keys = {request.access_key for request in partner.requests(since=before)}
print("All requests came without a key:", keys == {""})

# %%
# In Python give that option to :func:`s3_mounts.mount`: then it asks the store without a key, too.

sandbox.stop()
partner.stop()

# %%
# What you have seen
# ------------------
#
# * ``passwd_file`` wins over the environment, and the environment over a profile.
# * A password file must be readable by you alone.
# * ``-o ro`` refuses a write at once. With a key that may not write, a new file is refused only
#   when it is closed.
# * ``url`` and ``use_path_request_style`` lead to another store, ``public_bucket=1`` to open data.
#   What other stores need is listed in `the wiki of s3fs
#   <https://github.com/s3fs-fuse/s3fs-fuse/wiki/Non-Amazon-S3>`__.
#
# **Read next:** :ref:`sphx_glr_tutorials_4_beyond_one_machine_1_larger_than_memory.py`.
#
# To do it yourself: :doc:`/how_to/give_credentials`, :doc:`/how_to/other_providers` and
# :doc:`/how_to/share_a_mount`.
