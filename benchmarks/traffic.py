"""Measure what a mount moves for each recipe of options, against the bytes that are needed.

Each question is asked of a new mount, and what it takes to load the cube counts, too. All are
ratios: to the size of the chunks that the question needs, or, for the metadata alone, to the size
of the file. Writes them to ``benchmarks/results.json``.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import iris
from iris.analysis import MEAN
from iris.cube import Cube

from benchmarks import results
from s3_mounts import mount, sparse_read_options, whole_file_options
from s3_sandbox import fine_temperature, start_sandbox

YEARS = 40
RECIPES: dict[str, Callable[[Path], list[str]]] = {
    "default options": lambda cache: [],
    "for sparse reads": sparse_read_options,
    "for whole files": whole_file_options,
}
QUESTIONS: dict[str, Callable[[Cube], object]] = {
    "metadata, against the file": lambda cube: None,
    "one field": lambda cube: cube[YEARS // 2].data,
    "ten fields, one by one": lambda cube: [cube[number].data for number in range(0, YEARS, 4)],
    "the mean of all": lambda cube: cube.collapsed("time", MEAN).data,
}


def needed(path: Path) -> dict[str, int]:
    """Count the bytes of the chunks that each question needs."""
    with h5py.File(path) as file:
        (data,) = (one for one in file.values() if one.ndim == 3)
        chunks = [data.id.get_chunk_info(number).size for number in range(YEARS)]
    sizes = (path.stat().st_size, chunks[0], 10 * chunks[0], sum(chunks))
    return dict(zip(QUESTIONS, sizes, strict=True))


def main() -> None:
    """Measure every recipe with every question, print a table and store it."""
    iris.FUTURE.save_split_attrs = True
    ratios: dict[str, dict[str, float]] = {}
    with start_sandbox("climate-data") as sandbox, tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "large.nc")
        iris.save(fine_temperature(YEARS, latitude=704), local, chunksizes=(1, 704, 588))
        sandbox.add_file(local)
        least = needed(local)
        mount_point = sandbox.directory / "my_bucket"
        mount_point.mkdir()
        print(f"{'':<20}", *(f"{name:>26}" for name in QUESTIONS))
        for recipe, choose in RECIPES.items():
            row: dict[str, float] = {}
            for question, ask in QUESTIONS.items():
                options = choose(sandbox.directory / "cache")
                with (
                    mount(sandbox.source, mount_point, options) as bucket,
                    sandbox.traffic() as traffic,
                ):
                    ask(iris.load_cube(bucket / local.name))
                row[question] = round(traffic.bytes_down / least[question], 2)
            ratios[recipe] = row
            print(f"{recipe:<20}", *(f"{ratio:>26}" for ratio in row.values()), flush=True)
        megabytes = round(local.stat().st_size / 1e6)
    results.write("traffic", {"MB of the file": megabytes, "bytes moved / bytes needed": ratios})


if __name__ == "__main__":
    main()
