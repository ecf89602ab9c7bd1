import os

import pytest

from proof import configuration

KEYS = "aws_access_key_id = a\naws_secret_access_key = b"
FSTAB = "{} /home/you/my_bucket fuse.s3fs {} 0 0"


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (configuration.parse_toml, "a = 1", "a = "),
        (configuration.parse_yaml, "a: [1]", "a: [1"),
        (configuration.parse_ini, "[default]\na = b", "a = b"),
        (configuration.parse_ini, "[default]\na = b", "[default]"),
        (configuration.parse_profiles, f"[default]\n{KEYS}", f"[defaultx]\n{KEYS}"),
        (configuration.parse_profiles, f"[default]\n{KEYS}", f"[default]\nx{KEYS}"),
        (configuration.parse_unit, "[Unit]\nAfter=a\nAfter=b", "[Unti]\nAfter=a"),
        (configuration.parse_unit, "[Service]\nExecStart=/bin/s3fs", "[Service]\nexec_start=a"),
    ],
)
def test_a_fragment_is_accepted_only_if_its_program_would(parse, good, bad):
    parse(good)
    with pytest.raises(ValueError, match=r"\w"):
        parse(bad)


def test_a_line_of_fstab_is_mounted(sandbox, mount_point):
    """By root; everybody else may not, and only parses it."""
    home = mount_point.parent
    line = FSTAB.format(sandbox.bucket, "_netdev,allow_other,passwd_file=/etc/passwd-s3fs")
    configuration.mount_fstab(f"# a comment\n{line}", home)
    if os.geteuid():
        return
    with pytest.raises(ValueError, match="expected to mount with the options _netdev,allow_otter"):
        configuration.mount_fstab(FSTAB.format(sandbox.bucket, "_netdev,allow_otter"), home)
    with pytest.raises(ValueError, match="no-such-bucket"):
        configuration.mount_fstab(FSTAB.format("no-such-bucket", "_netdev"), home)


@pytest.mark.parametrize(
    "text",
    ["", "climate-data my_bucket fuse.s3fs _netdev 0 0", "climate-data /m nfs _netdev 0 0", "a b"],
)
def test_what_is_no_line_of_fstab_is_told(text, tmp_path):
    with pytest.raises(ValueError, match="expected .* found"):
        configuration.mount_fstab(text, tmp_path)
