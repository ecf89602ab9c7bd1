import os

from benchmarks.faults.network import Network
from s3_mounts import credentials, doctor, guardian, mount, mount_table, program
from s3_mounts.doctor import Result, examine
from tests.evidence.certificates import make_certificate


def by_subject():
    return {finding.subject: finding for finding in examine()}


def test_everything_is_there(sandbox, mount_point):
    with mount(sandbox.source, mount_point):
        findings = by_subject()
    assert list(findings) == [
        "s3fs",
        "FUSE",
        "fusermount",
        "sharing",
        "credentials",
        "store",
        "mounts",
        "programs",
    ]
    # The mounts are those of the whole machine, on which other tests mount and unmount.
    assert all(
        finding.verdict == "ok" for subject, finding in findings.items() if subject != "mounts"
    )
    assert findings["s3fs"].found.startswith("version 1.")
    assert findings["credentials"].found == "s3fs finds them in the environment"
    assert findings["store"].found.startswith(sandbox.endpoint)
    assert str(mount_point) in findings["mounts"].found


def test_what_is_missing_is_said_with_what_to_do(no_programs, monkeypatch, tmp_path):
    monkeypatch.setattr(program, "FUSE_DEVICE", tmp_path / "fuse")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    findings = by_subject()
    missing = [f.subject for f in findings.values() if not f.passed]
    assert missing == ["s3fs", "FUSE", *(["fusermount"] if os.geteuid() else [])]
    assert "Install it" in findings["s3fs"].found
    assert "modprobe" in findings["FUSE"].found
    assert "cannot be reached" in findings["store"].found
    assert findings["programs"].found.startswith("curl, findmnt, fuser, git, lsof, pgrep, rsync, ")
    assert findings["programs"].verdict == "note"


def test_credentials_are_not_shown(sandbox):
    text = "\n".join(map(str, examine()))
    assert "sandbox-secret" not in text


def test_a_password_file_of_s3fs_counts(sandbox, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(credentials, "account_home", lambda: tmp_path)
    assert "found none" in by_subject()["credentials"].found
    (tmp_path / ".passwd-s3fs").write_text("me:my-secret\n")
    (tmp_path / ".passwd-s3fs").chmod(0o600)
    finding = by_subject()["credentials"]
    assert finding.verdict == "ok"
    assert finding.found == f"s3fs finds them in {tmp_path}/.passwd-s3fs"


def test_a_configuration_that_may_not_be_read_is_a_note(monkeypatch, tmp_path):
    # Root may read any file, but not a folder as one.
    monkeypatch.setattr(doctor, "FUSE_CONFIGURATION", tmp_path)
    finding = by_subject()["sharing"]
    assert finding.verdict == "note"
    assert f"{tmp_path} cannot be read: Is a directory" in finding.found


def test_the_store_of_lessons_is_contacted_too(sandbox, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("S3_MOUNTS_ENDPOINT_URL", sandbox.endpoint)
    findings = by_subject()
    assert "cannot be reached" in findings["store"].found
    assert findings["store of lessons"].found.startswith(f"{sandbox.endpoint} answers")


def test_a_certificate_that_is_not_trusted_names_the_variable(sandbox, monkeypatch, tmp_path):
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with Network(sandbox.endpoint, certificate) as network:
        monkeypatch.setenv("AWS_ENDPOINT_URL", network.url)
        assert "AWS_CA_BUNDLE" in by_subject()["store"].found
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        assert by_subject()["store"].verdict == "ok"


def test_a_mount_without_its_process_is_found(sandbox, mount_point):
    mount(sandbox.source, mount_point)
    (process,) = mount_table.servers(mount_point)
    process.kill()
    process.wait()
    finding = by_subject()["mounts"]
    mount_table.abandon(mount_point)
    assert finding.verdict == "note"
    assert f"-uz {mount_point}" in finding.found


def test_a_dead_mount_has_a_command_that_there_is(sandbox, mount_point, monkeypatch):
    place = mount_point.with_name("my bucket")
    place.mkdir()
    mount(sandbox.source, place)
    (process,) = mount_table.servers(place)
    process.kill()
    process.wait()
    monkeypatch.setattr(doctor, "fusermount", lambda: None)
    finding = by_subject()["mounts"]
    mount_table.abandon(place)
    assert f"umount --lazy '{place}'" in finding.found


def test_without_mtab_ordinary_users_are_told_how_to_unmount(monkeypatch, tmp_path):
    assert by_subject()["fusermount"].verdict == "ok"
    monkeypatch.setattr(guardian, "MTAB", str(tmp_path / "missing"))
    finding = by_subject()["fusermount"]
    assert finding.verdict == "note"
    assert f"ln -s /proc/self/mounts {tmp_path}/missing" in finding.found


def test_marks():
    assert str(Result("ok", "a", "b")) == "ok      a: b"
    assert Result("note", "a", "b").passed
    assert not Result("MISSING", "a", "b").passed
