"""How many requests it takes to load a PP file, by the number of its fields."""

from importlib.metadata import version

import iris

from s3_mounts import mount
from s3_sandbox import fine_temperature


def test_a_load_of_pp_asks_once_from_iris_3_16_on(sandbox, mount_point, monkeypatch):
    for name in ("date_microseconds", "lam_pole_offset"):
        monkeypatch.setattr(iris.FUTURE, name, True)
    asked = {}
    for fields in (10, 40):
        file = sandbox.directory / f"{fields}.pp"
        iris.save(fine_temperature(fields, 40, 50), file)
        sandbox.add_file(file)
        with mount(sandbox.source, mount_point) as folder, sandbox.traffic() as traffic:
            assert iris.load_cube(folder / file.name).shape[0] == fields
        asked[fields] = traffic.operations["HeadObject"]
    more = (asked[40] - asked[10]) / 30
    release = tuple(int(part) for part in version("scitools-iris").split(".")[:2])
    assert more == (2 if release < (3, 16) else 0)
