"""What the page about Kubernetes says, and does not itself show."""

import subprocess

import pytest
import yaml

from proof.documents import blocks_of
from proof.project import ROOT
from s3_mounts.options import endpoint_options

PAGE = ROOT / "docs" / "how_to" / "kubernetes.rst"
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.mark.proves("C16")
def test_a_sidecar_mounts_for_others_and_unmounts_when_it_is_told_to_end(sandbox):
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode:
        pytest.skip("this system forbids namespaces to ordinary users")
    pods = [yaml.safe_load(b.source) for _, b in blocks_of(PAGE) if "kind: Pod\n" in b.source]
    (sidecar,) = pods[0]["spec"]["initContainers"]
    shell, flag, script = sidecar["command"]
    script = script.replace("/shared", str(sandbox.directory / "shared"))
    script += f",{','.join(endpoint_options(sandbox.endpoint))}"
    mount_point = sandbox.directory / "shared" / "my_bucket"
    outside = f"""
        mkdir shared other
        mount --bind shared shared
        mount --make-shared shared
        mount --rbind shared other
        mount --make-rslave other
        unshare --mount --propagation unchanged --pid --fork "$@" &
        timeout 20 bash -c 'until ls other/my_bucket/air_temp.pp; do sleep 0.1; done' 2> wait
        kill -TERM $(ps --ppid $! -o pid=)
        wait
        findmnt --mountpoint {mount_point} || ls -A other/my_bucket
    """
    result = subprocess.run(
        [*NAMESPACE, "bash", "-c", outside, "a node", shell, flag, script],
        cwd=sandbox.directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = [line for line in result.stdout.splitlines() if "[INF]" not in line]
    assert lines == ["other/my_bucket/air_temp.pp"]
    assert result.returncode == 0
